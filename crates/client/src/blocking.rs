//! The transport on plain sockets, for callers without an async runtime.
//!
//! A thread that calls takes an idle connection or opens one, so that there are never more
//! connections than threads calling at once.

mod connection;
mod dial;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use crate::action::ActionResult;
use crate::answer::Answer;
use crate::approval::ApprovalResult;
use crate::broken::Broken;
use crate::call::ActionCall;
use crate::conversation::{Conversation, Outcome, Step};
use crate::error::Error;
use crate::generation::PerProcess;
use crate::options::{Options, OptionsError};
use crate::outside::{self, Moment};
use crate::request::Request;
use crate::setup::Setup;
use connection::{Connection, Slice};

/// The longest time between two looks at the caller's wish to stop.
pub(crate) const SLICE: Duration = Duration::from_millis(50);
const MOST_IDLE: usize = 256;
/// Servers close idle connections after about a minute.
const LONGEST_IDLE: Duration = Duration::from_secs(55);

/// The caller asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the call was interrupted")]
pub struct Stopped;

/// Carries out conversations on the calling thread.
pub struct Transport {
    setup: Arc<Setup>,
    here: PerProcess<Here>,
    closed: AtomicBool,
}

/// What belongs to this process alone.
struct Here {
    idle: Mutex<Vec<(Connection, Instant)>>,
    tls: Option<Arc<ClientConfig>>,
}

impl Transport {
    /// A transport without connections.
    pub fn new(setup: Arc<Setup>) -> Self {
        Self {
            setup,
            here: PerProcess::new(),
            closed: AtomicBool::new(false),
        }
    }

    /// Closes idle connections; those in use close when their call is over.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        if let Some(here) = self.here.peek() {
            here.idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clear();
        }
    }

    /// Carries a conversation to its end. `watch` is asked every 50 ms at least whether to go on;
    /// when it refuses, the connection is dropped and the call is over.
    pub fn run(
        &self,
        conversation: &mut dyn Conversation,
        watch: &dyn Fn() -> Result<(), Stopped>,
    ) -> Result<Outcome, Stopped> {
        let mut step = conversation.begin(&Moment::now());
        loop {
            match step {
                Step::Finish(outcome) => return Ok(outcome),
                Step::Send { after, timeout } => {
                    pause(after, watch)?;
                    let slice = Slice::new(timeout, watch);
                    let event = match self.attempt(conversation.request(), &slice) {
                        Err(Failure::Stopped) => return Err(Stopped),
                        Err(Failure::Broken(broken)) => Err(broken),
                        Ok(answer) => Ok(answer),
                    };
                    step = conversation.heard(event, &Moment::now());
                }
            }
        }
    }

    fn attempt(&self, request: &Request, slice: &Slice<'_>) -> Result<Answer, Failure> {
        let here = self.here();
        if let Some(mut connection) = here.take() {
            match self.exchange(&mut connection, request, slice) {
                // The server closed it while it was idle. The request may go again: it carries
                // the same key, or only reads.
                Err(Exchange::Unanswered(_)) => {}
                Err(Exchange::Failed(failure)) => return Err(failure),
                Ok(answer) => {
                    self.keep(here, connection);
                    return Ok(answer);
                }
            }
        }
        self.attempt_fresh(request, slice)
    }

    /// As [`Self::attempt`] on a connection of its own, for requests that must not be repeated.
    pub(crate) fn attempt_fresh(
        &self,
        request: &Request,
        slice: &Slice<'_>,
    ) -> Result<Answer, Failure> {
        let here = self.here();
        let mut connection = dial::dial(&self.setup, here.tls.as_ref(), slice)?;
        let answer = self.exchange(&mut connection, request, slice);
        match answer {
            Ok(answer) => {
                self.keep(here, connection);
                Ok(answer)
            }
            Err(Exchange::Unanswered(broken)) => Err(Failure::Broken(broken)),
            Err(Exchange::Failed(failure)) => Err(failure),
        }
    }

    /// One attempt, without retries.
    pub(crate) fn once(
        &self,
        request: &Request,
        timeout: Duration,
        fresh: bool,
    ) -> Result<Answer, Broken> {
        let never = || Ok(());
        let slice = Slice::new(timeout, &never);
        let outcome = if fresh {
            self.attempt_fresh(request, &slice)
        } else {
            self.attempt(request, &slice)
        };
        outcome.map_err(|failure| match failure {
            Failure::Broken(broken) => broken,
            Failure::Stopped => Broken::timed_out(),
        })
    }

    fn exchange(
        &self,
        connection: &mut Connection,
        request: &Request,
        slice: &Slice<'_>,
    ) -> Result<Answer, Exchange> {
        let (head, body) = connection.exchange(request, self.setup.max_body, slice)?;
        let clean = |bytes| self.setup.credential.redact(bytes);
        Ok(Answer::new(head, body, clean))
    }

    fn here(&self) -> &Here {
        self.here.get(|| Here {
            idle: Mutex::default(),
            tls: self.setup.tls.as_ref().map(crate::tls::Tls::fresh),
        })
    }

    fn keep(&self, here: &Here, connection: Connection) {
        if !connection.is_reusable() || self.closed.load(Ordering::SeqCst) {
            return;
        }
        let mut idle = here.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE {
            idle.push((connection, outside::now()));
        }
    }
}

impl Here {
    /// The connection used last, since it is the likeliest to live.
    fn take(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let (connection, since) = idle.pop()?;
        if outside::now().saturating_duration_since(since) > LONGEST_IDLE {
            // The others have been idle for longer still.
            idle.clear();
            return None;
        }
        Some(connection)
    }
}

/// Why an attempt has no answer.
pub(crate) enum Failure {
    Broken(Broken),
    Stopped,
}

/// How an exchange on a connection failed.
pub(crate) enum Exchange {
    /// The connection was closed and not a byte of an answer had come.
    Unanswered(Broken),
    Failed(Failure),
}

fn pause(wait: Duration, watch: &dyn Fn() -> Result<(), Stopped>) -> Result<(), Stopped> {
    let start = outside::now();
    loop {
        let left = wait.saturating_sub(outside::now().saturating_duration_since(start));
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(SLICE));
        watch()?;
    }
}

/// The client for Rust programs without an async runtime.
///
/// ```no_run
/// use relynt_client::{ActionCall, Options, blocking};
///
/// let client = blocking::Client::new(Options::new("http://127.0.0.1:8080", "rly_…"))?;
/// let result = client.request_action(&ActionCall::new("update_deal", "crm:deal:123"))?;
/// println!("{}", result.decision);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Client {
    setup: Arc<Setup>,
    transport: Transport,
}

impl Client {
    /// Checks the options; connects to nothing yet.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "a client consumes its options"
    )]
    pub fn new(options: Options) -> Result<Self, OptionsError> {
        let setup = Setup::new(&options)?;
        Ok(Self {
            transport: Transport::new(Arc::clone(&setup)),
            setup,
        })
    }

    /// Asks the gateway to decide on an action and, where a connector matches, to carry it out.
    pub fn request_action(&self, call: &ActionCall) -> Result<ActionResult, Error> {
        let key = call.key();
        let body = call.body(self.setup.instance_id());
        let outcome = self.run(&mut self.setup.action(&body, &key));
        ActionResult::parse(&outcome.into_answer(Some(&key), "")?)
    }

    /// Waits until an approval is final, at most for `patience`.
    pub fn poll_approval(
        &self,
        approval_id: &str,
        patience: Duration,
    ) -> Result<ApprovalResult, Error> {
        if approval_id.is_empty() {
            return Err(Error::NoApprovalId);
        }
        let outcome = self.run(&mut self.setup.approval(approval_id, patience));
        ApprovalResult::parse(approval_id, &outcome.into_answer(None, approval_id)?)
    }

    fn run(&self, conversation: &mut dyn Conversation) -> Outcome {
        let never = || Ok(());
        match self.transport.run(conversation, &never) {
            Ok(outcome) => outcome,
            Err(Stopped) => Outcome::Broken(Broken::timed_out()),
        }
    }
}
