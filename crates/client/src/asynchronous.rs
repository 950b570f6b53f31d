//! The transport on tokio, and the client that most Rust programs use.

mod connection;

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
use connection::{Connection, Exchange};

const MOST_IDLE: usize = 256;
/// Servers close idle connections after about a minute.
const LONGEST_IDLE: Duration = Duration::from_secs(55);

/// Carries out conversations on a tokio runtime with IO and time. Dropping the future of a call
/// drops its connection.
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

    /// Carries a conversation to its end.
    pub async fn run(&self, conversation: &mut (dyn Conversation + Send + Sync)) -> Outcome {
        let mut step = conversation.begin(&Moment::now());
        loop {
            match step {
                Step::Finish(outcome) => return outcome,
                Step::Send { after, timeout } => {
                    if !after.is_zero() {
                        tokio::time::sleep(after).await;
                    }
                    let attempt = self.attempt(conversation.request());
                    let event = match tokio::time::timeout(timeout, attempt).await {
                        Ok(event) => event,
                        Err(_) => Err(Broken::timed_out()),
                    };
                    step = conversation.heard(event, &Moment::now());
                }
            }
        }
    }

    async fn attempt(&self, request: &Request) -> Result<Answer, Broken> {
        let here = self.here();
        if let Some(mut connection) = here.take() {
            match connection.exchange(request, self.setup.max_body).await {
                // The server closed it while it was idle. The request may go again: it carries
                // the same key, or only reads.
                Err(Exchange::Unanswered(_)) => {}
                Err(Exchange::Failed(broken)) => return Err(broken),
                Ok((head, body)) => {
                    self.keep(here, connection);
                    return Ok(self.answer(head, body));
                }
            }
        }
        let mut connection = connection::dial(&self.setup, here.tls.as_ref()).await?;
        match connection.exchange(request, self.setup.max_body).await {
            Err(Exchange::Unanswered(broken) | Exchange::Failed(broken)) => Err(broken),
            Ok((head, body)) => {
                self.keep(here, connection);
                Ok(self.answer(head, body))
            }
        }
    }

    fn answer(&self, head: crate::response::Head, body: Vec<u8>) -> Answer {
        Answer::new(head, body, |bytes| self.setup.credential.redact(bytes))
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

/// The client of the gateway. Cheap to share: wrap it in an [`Arc`].
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use relynt_client::{ActionCall, Client, Error, Options};
///
/// let client = Client::new(Options::new("https://relynt.example", "rly_…"))?;
/// match client.request_action(&ActionCall::new("update_deal", "crm:deal:123")).await {
///     Ok(result) if result.decision == "allow" => println!("{:?}", result.tool_response),
///     Ok(result) => println!("{}: {:?}", result.decision, result.reason),
///     Err(Error::Authentication(_)) => println!("rotate the credential"),
///     Err(error) => println!("{error}"),
/// }
/// # Ok(())
/// # }
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
    pub async fn request_action(&self, call: &ActionCall) -> Result<ActionResult, Error> {
        let key = call.key();
        let body = call.body(self.setup.instance_id());
        let outcome = self
            .transport
            .run(&mut self.setup.action(&body, &key))
            .await;
        ActionResult::parse(&outcome.into_answer(Some(&key), "")?)
    }

    /// Waits until an approval is final, at most for `patience`. 429, 5xx and broken connections
    /// are ridden out until then.
    pub async fn poll_approval(
        &self,
        approval_id: &str,
        patience: Duration,
    ) -> Result<ApprovalResult, Error> {
        if approval_id.is_empty() {
            return Err(Error::NoApprovalId);
        }
        let mut conversation = self.setup.approval(approval_id, patience);
        let outcome = self.transport.run(&mut conversation).await;
        ApprovalResult::parse(approval_id, &outcome.into_answer(None, approval_id)?)
    }
}
