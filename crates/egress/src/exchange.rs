//! One request, one answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, HOST};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::Full;
use relynt_domain::OrganizationId;
use rustls::ClientConfig;
use tokio::time::{Instant, timeout_at};

use crate::connect::Fault;
use crate::gate::{Check, Hold, Sent};
use crate::line::{Ended, Idle, Line, Whose};
use crate::origin::Origin;
use crate::resolve::{Resolve, SystemResolver};
use crate::rules::AddressRules;
use crate::tls::{Roots, RootsFault};

/// The way out. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Egress {
    pub(crate) rules: Arc<AddressRules>,
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) tls: Arc<ClientConfig>,
    idle: Arc<Idle>,
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
            idle: Arc::default(),
        })
    }

    /// The same with another resolver.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Arc<dyn Resolve>) -> Self {
        self.resolver = resolver;
        // What another resolver led to is not used on.
        self.idle = Arc::default();
        self
    }

    /// The rules that it goes by.
    pub fn rules(&self) -> &AddressRules {
        &self.rules
    }

    /// Sends one request and reads its answer, on a connection that the same organization has used
    /// for the same origin within the last second, or on a fresh one.
    ///
    /// `before_first_byte` is asked after the handshake, right before the first byte of the request
    /// is written; it must not block. Dropping the future closes the connection.
    pub async fn exchange<F>(&self, exchange: Exchange, before_first_byte: F) -> Report
    where
        F: FnOnce() -> Result<(), Hold> + Send + 'static,
    {
        let now = Instant::now();
        let deadline = now + exchange.within;
        let connected = deadline.min(now + exchange.connect_within);
        let whose = (exchange.origin, exchange.organization);
        let mut question = Question {
            request: finish(exchange.request, &whose.0),
            check: Box::new(before_first_byte),
        };
        let bounds = (deadline, exchange.max_body);
        if let Some(line) = self.kept(&whose).await {
            match self.talk(&whose, line, question, bounds).await {
                Ok(report) => return report,
                // It was closed at the last moment, and not a byte was written: on a fresh one.
                Err(unsent) => question = unsent,
            }
        }
        let fault = match self.fresh(&whose, connected).await {
            Ok(line) => match self.talk(&whose, line, question, bounds).await {
                Ok(report) => return report,
                Err(_) => Fault::Broken,
            },
            Err(fault) => fault,
        };
        Report {
            sent: Sent::No,
            answer: None,
            fault: Some(fault),
        }
    }

    /// A connection that was used before, if one is open and may still be used.
    async fn kept(&self, whose: &Whose) -> Option<Line> {
        let line = self.idle.take(whose).await?;
        self.rules.check(line.peer, whose.1).ok()?;
        Some(line)
    }

    async fn fresh(&self, whose: &Whose, connected: Instant) -> Result<Line, Fault> {
        let (stream, peer) = self.connect(&whose.0, whose.1, connected).await?;
        Line::new(stream, peer).await.map_err(|_| Fault::Broken)
    }

    /// Asks on a connection, which is kept if all went well. The question comes back if the
    /// connection had ended before a byte of it was written.
    async fn talk(
        &self,
        whose: &Whose,
        mut line: Line,
        question: Question,
        (deadline, max_body): (Instant, usize),
    ) -> Result<Report, Question> {
        let mut progress = Progress::new(max_body);
        line.gate.arm(question.check);
        let talk = line.converse(question.request, &mut progress);
        let ended = timeout_at(deadline, talk).await;
        let verdict = line.gate.verdict();
        let (sent, fault) = match (verdict, ended) {
            (Some(Err(hold)), _) => (Sent::No, Some(Fault::Held(hold))),
            (verdict, Ok(Ok(()))) => (sent(verdict), None),
            (verdict, Ok(Err(Ended::Unsent(request)))) => {
                if let Some(check) = line.gate.disarm() {
                    let request = *request;
                    return Err(Question { request, check });
                }
                (sent(verdict), Some(Fault::Broken))
            }
            (verdict, Ok(Err(Ended::Cut))) => (sent(verdict), Some(Fault::Broken)),
            (verdict, Err(_)) => {
                progress.end = BodyEnd::TimedOut;
                (sent(verdict), Some(Fault::Timeout))
            }
        };
        if fault.is_none() && progress.end == BodyEnd::Complete {
            self.idle.put(whose.clone(), line).await;
        }
        Ok(Report {
            sent,
            answer: progress.into_answer(),
            fault,
        })
    }

    /// Closes connections that no request has used for a second. To be called every now and then.
    pub fn close_idle(&self) {
        self.idle.close_old();
    }
}

/// A request and what is asked before its first byte.
struct Question {
    request: Request<Full<Bytes>>,
    check: Check,
}

fn sent(verdict: Option<Result<(), Hold>>) -> Sent {
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
    headers.remove(CONNECTION);
    request
}

/// What has come so far; outlives the conversation, which may be dropped at its deadline.
pub(crate) struct Progress {
    pub(crate) head: Option<(StatusCode, HeaderMap)>,
    body: BytesMut,
    pub(crate) end: BodyEnd,
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
    pub(crate) fn take(&mut self, data: &[u8]) -> bool {
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
