//! One request, one answer, on a connection of its own.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, HOST};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use relynt_domain::OrganizationId;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};

use crate::connect::Fault;
use crate::gate::{Gated, Hold, Sent};
use crate::origin::Origin;
use crate::resolve::{Resolve, SystemResolver};
use crate::rules::AddressRules;
use crate::tls::{Roots, RootsFault};

/// The head of an answer may have this many bytes and fields.
const MAX_HEAD: usize = 64 * 1024;
const MAX_FIELDS: usize = 128;

/// The way out. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Egress {
    pub(crate) rules: Arc<AddressRules>,
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) tls: Arc<ClientConfig>,
}

/// A request and its bounds.
#[derive(Debug)]
pub struct Exchange {
    /// Where it goes.
    pub origin: Origin,
    /// For whom: some addresses are allowed to one organization only.
    pub organization: Option<OrganizationId>,
    /// Method, path with query, fields and body. `Host` and `Connection` are set here.
    pub request: Request<Bytes>,
    /// Time to resolve, connect and shake hands.
    pub connect_within: Duration,
    /// Time for everything, from now to the last byte of the answer.
    pub within: Duration,
    /// At most this many bytes of the answer's body are kept.
    pub max_body: usize,
}

/// What is known afterwards.
#[derive(Debug)]
pub struct Report {
    /// Whether the target can have seen anything of the request.
    pub sent: Sent,
    /// What it answered, as far as it came; `None` if no status was received.
    pub answer: Option<Answer>,
    /// What went wrong; `None` exactly if an answer came whole or was cut at `max_body`.
    pub fault: Option<Fault>,
}

/// An answer, as far as it came.
#[derive(Debug)]
pub struct Answer {
    /// The status; never 1xx except 101.
    pub status: StatusCode,
    /// The fields.
    pub headers: HeaderMap,
    /// The body as received, transfer coding removed.
    pub body: Bytes,
    /// How it ended.
    pub end: BodyEnd,
}

/// How the body of an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyEnd {
    /// Where the answer said that it would.
    Complete,
    /// The connection broke before.
    Cut,
    /// There was more than the caller wanted.
    TooLong,
    /// Time was up before.
    TimedOut,
}

impl Egress {
    /// A way out under `rules`, with the system's resolver.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(rules: AddressRules, roots: Roots) -> Result<Self, RootsFault> {
        Ok(Self {
            rules: Arc::new(rules),
            resolver: Arc::new(SystemResolver),
            tls: roots.into_config()?,
        })
    }

    /// The same with another resolver.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Arc<dyn Resolve>) -> Self {
        self.resolver = resolver;
        self
    }

    /// The rules that it goes by.
    pub fn rules(&self) -> &AddressRules {
        &self.rules
    }

    /// Sends one request on a fresh connection and reads its answer.
    ///
    /// `before_first_byte` is asked after the handshake, right before the first byte of the request
    /// is written; it must not block. Dropping the future closes the connection.
    pub async fn exchange<F>(&self, exchange: Exchange, before_first_byte: F) -> Report
    where
        F: FnOnce() -> Result<(), Hold> + Send + Unpin,
    {
        let now = Instant::now();
        let deadline = now + exchange.within;
        let connected = deadline.min(now + exchange.connect_within);
        let connection = self
            .connect(&exchange.origin, exchange.organization, connected)
            .await;
        let stream = match connection {
            Ok(stream) => stream,
            Err(fault) => {
                return Report {
                    sent: Sent::No,
                    answer: None,
                    fault: Some(fault),
                };
            }
        };
        let request = finish(exchange.request, &exchange.origin);
        let (stream, verdict) = Gated::new(stream, before_first_byte);
        let mut progress = Progress::new(exchange.max_body);
        let ended = timeout_at(deadline, converse(stream, request, &mut progress)).await;
        let (sent, fault) = match (verdict.get(), ended) {
            (Some(Err(hold)), _) => (Sent::No, Some(Fault::Held(*hold))),
            (verdict, Ok(Ok(()))) => (sent(verdict), None),
            (verdict, Ok(Err(Cut))) => (sent(verdict), Some(Fault::Broken)),
            (verdict, Err(_)) => {
                progress.end = BodyEnd::TimedOut;
                (sent(verdict), Some(Fault::Timeout))
            }
        };
        Report {
            sent,
            answer: progress.into_answer(),
            fault,
        }
    }
}

fn sent(verdict: Option<&Result<(), Hold>>) -> Sent {
    if verdict.is_some() {
        Sent::Maybe
    } else {
        Sent::No
    }
}

/// Sets what only the connection knows.
fn finish(request: Request<Bytes>, origin: &Origin) -> Request<Full<Bytes>> {
    let mut request = request.map(Full::new);
    let headers = request.headers_mut();
    // The authority of a parsed origin is ASCII; were it not, hyper refuses a request without Host.
    if let Ok(host) = HeaderValue::from_str(&origin.authority()) {
        headers.insert(HOST, host);
    }
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    request
}

/// The connection broke or spoke no HTTP.
struct Cut;

/// What has come so far; outlives the conversation, which may be dropped at its deadline.
struct Progress {
    head: Option<(StatusCode, HeaderMap)>,
    body: BytesMut,
    end: BodyEnd,
    max_body: usize,
}

impl Progress {
    fn new(max_body: usize) -> Self {
        Self {
            head: None,
            body: BytesMut::new(),
            end: BodyEnd::Cut,
            max_body,
        }
    }

    /// Keeps what fits; `false` if something did not.
    fn take(&mut self, data: &[u8]) -> bool {
        let room = self.max_body.saturating_sub(self.body.len());
        let kept = data.get(..room).unwrap_or(data);
        self.body.extend_from_slice(kept);
        kept.len() == data.len()
    }

    fn into_answer(self) -> Option<Answer> {
        let (status, headers) = self.head?;
        Some(Answer {
            status,
            headers,
            body: self.body.freeze(),
            end: self.end,
        })
    }
}

async fn converse<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    progress: &mut Progress,
) -> Result<(), Cut>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_headers(MAX_FIELDS)
        .max_buf_size(MAX_HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| Cut)?;
    let mut connection = Some(Box::pin(connection));
    let response = alongside(&mut connection, sender.send_request(request))
        .await
        .map_err(|_| Cut)?;
    let (head, mut body) = response.into_parts();
    progress.head = Some((head.status, head.headers));
    while let Some(frame) = alongside(&mut connection, body.frame()).await {
        // Trailers are nobody's business here.
        if let Some(data) = frame.map_err(|_| Cut)?.data_ref()
            && !progress.take(data)
        {
            progress.end = BodyEnd::TooLong;
            return Ok(());
        }
    }
    progress.end = BodyEnd::Complete;
    Ok(())
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
