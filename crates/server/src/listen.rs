//! The accept loop: every connection is bounded in number, bytes and time
//!
//! `axum::serve` sets no timer, so that a client that dribbles a request's head is never dropped,
//! and the detection of HTTP/2 reads the first bytes without a time-out. Hence a loop of our own:
//! [`watch`] keeps the time of a connection from the accept on, whatever protocol it speaks.

use std::{convert::Infallible, future::Future, io, sync::Arc, time::Duration};

use axum::body::Body;
use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch as signal},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    limits::Limits,
    listen::{
        activity::Activity,
        stream::Guarded,
        watch::{Watched, stop_or},
    },
};

mod activity;
mod refuse;
mod stream;
#[cfg(test)]
mod tests;
mod watch;

/// What a listener counts, for metrics.
pub(crate) trait Count: Send + Sync + 'static {
    /// A connection was accepted.
    fn opened(&self);
    /// An accepted connection ended.
    fn closed(&self);
    /// A connection was turned away because there are too many.
    fn turned_away(&self);
}

/// Serves connections until `stop` says so, then lets running requests finish within
/// `limits.drain`.
pub(crate) async fn serve<H, F>(
    listener: TcpListener,
    limits: Arc<Limits>,
    count: Arc<dyn Count>,
    fresh_id: Arc<dyn Fn() -> String + Send + Sync>,
    handler: H,
    mut stop: signal::Receiver<bool>,
) where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let builder = Arc::new(builder(&limits));
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let refusals = Arc::new(Semaphore::new(256));
    let mut connections = JoinSet::new();
    loop {
        let Some(accepted) = stop_or(&mut stop, listener.accept()).await else {
            break;
        };
        // Finished tasks are reaped as new ones come, so that the set does not grow.
        while connections.try_join_next().is_some() {}
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                pause_after(&error).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            count.turned_away();
            if let Ok(turn) = Arc::clone(&refusals).try_acquire_owned() {
                connections.spawn(refuse::busy(stream, fresh_id(), turn));
            }
            continue;
        };
        connections.spawn(connection(
            stream,
            place,
            Arc::clone(&limits),
            Arc::clone(&builder),
            Opened::new(Arc::clone(&count)),
            handler.clone(),
            stop.clone(),
        ));
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(limits.drain, drained).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "connections still open at the end of the stop are cut off"
        );
        connections.shutdown().await;
    }
}

/// One connection, counted as long as it lives.
struct Opened(Arc<dyn Count>);

impl Opened {
    fn new(count: Arc<dyn Count>) -> Self {
        count.opened();
        Self(count)
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.closed();
    }
}

async fn connection<H, F>(
    stream: TcpStream,
    place: OwnedSemaphorePermit,
    limits: Arc<Limits>,
    builder: Arc<auto::Builder<TokioExecutor>>,
    opened: Opened,
    handler: H,
    stop: signal::Receiver<bool>,
) where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    // An answer is one small write: waiting for more of it costs and gains nothing.
    drop(stream.set_nodelay(true));
    let activity = Arc::new(Activity::new(limits));
    let io = TokioIo::new(Guarded::new(stream, Arc::clone(&activity)));
    let requests = Arc::clone(&activity);
    let service = service_fn(move |request| {
        let running = requests.begin();
        let answer = handler(request);
        async move {
            let answer = answer.await;
            drop(running);
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = Box::pin(builder.serve_connection(io, service));
    if let Err(error) = Watched::new(connection, activity, stop).await {
        tracing::debug!(error = %error, "a connection ended early");
    }
    drop(opened);
    drop(place);
}

fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // `Watched` keeps the head's time, and from its first byte: hyper would count idle time in.
        .header_read_timeout(None)
        .max_headers(limits.max_headers)
        .max_buf_size(limits.max_head.max(8192));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_streams)
        .max_header_list_size(u32::try_from(limits.max_head).unwrap_or(u32::MAX))
        .max_send_buf_size(64 * 1024)
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// Waits out what cannot be helped at once, such as too many open files.
async fn pause_after(error: &io::Error) {
    if matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    ) {
        return;
    }
    tracing::warn!(error = %error, "a connection could not be accepted");
    sleep(Duration::from_millis(100)).await;
}
