//! One connection to a target: a conversation at a time, and kept for a moment after it.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use relynt_domain::OrganizationId;
use tokio::time::Instant;

use crate::connect::Stream;
use crate::exchange::{BodyEnd, Progress};
use crate::gate::{Gate, Gated};
use crate::origin::Origin;

/// The head of an answer may have this many bytes and fields.
const MAX_HEAD: usize = 64 * 1024;
const MAX_FIELDS: usize = 128;

/// How long a connection waits for another request. Shorter than any server is known to keep one
/// open: a connection that its server closes while a request is on its way leaves an outcome that
/// nobody knows.
const IDLE_FOR: Duration = Duration::from_secs(1);
/// How many wait at once, for one target and in all.
const IDLE_A_TARGET: usize = 64;
const IDLE_IN_ALL: usize = 1024;

/// HTTP on a gated stream, as a future that does its part of every conversation.
type Speaking = Pin<Box<Connection<TokioIo<Gated<Box<dyn Stream>>>, Full<Bytes>>>>;

/// A connection to a checked address.
pub(crate) struct Line {
    sender: SendRequest<Full<Bytes>>,
    /// None once it has ended.
    connection: Option<Speaking>,
    pub(crate) gate: Gate,
    pub(crate) peer: SocketAddr,
}

/// A conversation that did not come to its end.
pub(crate) enum Ended {
    /// The connection was gone before the request was written: it was not.
    Unsent(Box<Request<Full<Bytes>>>),
    /// The connection broke or spoke no HTTP.
    Cut,
}

impl Line {
    /// Speaks HTTP on a stream to `peer`. Nothing is written yet.
    pub(crate) async fn new(stream: Box<dyn Stream>, peer: SocketAddr) -> Result<Self, Ended> {
        let (stream, gate) = Gated::new(stream);
        let (sender, connection) = http1::Builder::new()
            .max_headers(MAX_FIELDS)
            .max_buf_size(MAX_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| Ended::Cut)?;
        Ok(Self {
            sender,
            connection: Some(Box::pin(connection)),
            gate,
            peer,
        })
    }

    /// Sends a request and reads its answer into `progress`, which outlives a conversation that is
    /// dropped at its deadline.
    pub(crate) async fn converse(
        &mut self,
        request: Request<Full<Bytes>>,
        progress: &mut Progress,
    ) -> Result<(), Ended> {
        let connection = &mut self.connection;
        let sending = self.sender.try_send_request(request);
        let response = match alongside(connection, sending).await {
            Ok(response) => response,
            Err(mut error) => {
                return Err(match error.take_message() {
                    Some(request) if self.gate.verdict().is_none() => {
                        Ended::Unsent(Box::new(request))
                    }
                    _ => Ended::Cut,
                });
            }
        };
        let (head, mut body) = response.into_parts();
        progress.head = Some((head.status, head.headers));
        while let Some(frame) = alongside(connection, body.frame()).await {
            // Trailers are nobody's business here.
            if let Some(data) = frame.map_err(|_| Ended::Cut)?.data_ref()
                && !progress.take(data)
            {
                progress.end = BodyEnd::TooLong;
                return Ok(());
            }
        }
        progress.end = BodyEnd::Complete;
        Ok(())
    }

    /// Lets the connection notice what has happened to it; whether it can take a request.
    async fn is_open(&mut self) -> bool {
        poll_fn(|cx| {
            if let Some(connection) = &mut self.connection
                && connection.as_mut().poll(cx).is_ready()
            {
                self.connection = None;
            }
            Poll::Ready(())
        })
        .await;
        self.connection.is_some() && self.sender.is_ready()
    }
}

/// Waits for `work` while the connection does its part. There is no task of its own for it: when the
/// caller goes, both go.
async fn alongside<C: Future, W: Future>(
    connection: &mut Option<Pin<Box<C>>>,
    work: W,
) -> W::Output {
    let mut work = pin!(work);
    poll_fn(|cx| {
        if let Some(running) = connection
            && running.as_mut().poll(cx).is_ready()
        {
            *connection = None;
        }
        work.as_mut().poll(cx)
    })
    .await
}

/// For whom a connection is kept: nobody else's requests go over it.
pub(crate) type Whose = (Origin, Option<OrganizationId>);

/// Connections that wait for another request.
#[derive(Default)]
pub(crate) struct Idle(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    lines: HashMap<Whose, Vec<(Line, Instant)>>,
    count: usize,
}

impl std::fmt::Debug for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Idle").finish_non_exhaustive()
    }
}

impl Idle {
    /// The connection that was used last, if it is still open.
    pub(crate) async fn take(&self, whose: &Whose) -> Option<Line> {
        loop {
            let (mut line, since) = {
                let mut waiting = self.waiting();
                let taken = waiting.lines.get_mut(whose)?.pop()?;
                waiting.count -= 1;
                taken
            };
            if since.elapsed() < IDLE_FOR && line.is_open().await {
                return Some(line);
            }
        }
    }

    /// Keeps a connection whose conversation is over, if it is still open and there is room.
    pub(crate) async fn put(&self, whose: Whose, mut line: Line) {
        // From here on it writes nothing until it is armed again.
        drop(line.gate.disarm());
        if !line.is_open().await {
            return;
        }
        let mut waiting = self.waiting();
        if waiting.count >= IDLE_IN_ALL {
            return;
        }
        let lines = waiting.lines.entry(whose).or_default();
        if lines.len() < IDLE_A_TARGET {
            lines.push((line, Instant::now()));
            waiting.count += 1;
        }
    }

    /// Closes those that have waited long enough.
    pub(crate) fn close_old(&self) {
        let mut old = Vec::new();
        let mut waiting = self.waiting();
        let Waiting { lines, count } = &mut *waiting;
        lines.retain(|_, lines| {
            // The oldest are in front.
            let young = lines.partition_point(|(_, since)| since.elapsed() >= IDLE_FOR);
            old.extend(lines.drain(..young));
            !lines.is_empty()
        });
        *count -= old.len();
        drop(waiting);
        // Closed without holding anybody up.
        drop(old);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
