//! The client as Python holds it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use relynt_client::blocking::{self, Stopped};
use relynt_client::{
    ActionConversation, Conversation, IdempotencyKey, Options, Outcome, PollConversation, Setup,
    Transport,
};
use tokio::task::AbortHandle;

use crate::completions::Completions;
use crate::exit;
use crate::runtime::runtime;

/// Configuration and connections of one client. The credential never comes back out of it.
#[pyclass(frozen, module = "relynt._native")]
pub(crate) struct Core {
    setup: Arc<Setup>,
    blocking: blocking::Transport,
    asynchronous: Arc<Transport>,
    closed: AtomicBool,
}

#[pymethods]
impl Core {
    #[new]
    #[pyo3(signature = (base_url, agent_secret, timeout_s, max_retries, instance_id, environment))]
    fn new(
        base_url: &str,
        agent_secret: &str,
        timeout_s: f64,
        max_retries: u32,
        instance_id: Option<&str>,
        environment: HashMap<String, String>,
    ) -> PyResult<Self> {
        // What is not a time at all is refused like a time of nothing.
        let timeout = Duration::try_from_secs_f64(timeout_s).unwrap_or_default();
        let mut options = Options::new(base_url, agent_secret)
            .timeout(timeout)
            .max_retries(max_retries)
            .user_agent(concat!("relynt-python/", env!("CARGO_PKG_VERSION")))
            .environment(environment.into_iter().collect());
        if let Some(instance_id) = instance_id {
            options = options.instance_id(instance_id);
        }
        let setup =
            Setup::new(&options).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(Self {
            blocking: blocking::Transport::new(Arc::clone(&setup)),
            asynchronous: Arc::new(Transport::new(Arc::clone(&setup))),
            setup,
            closed: AtomicBool::new(false),
        })
    }

    #[getter]
    fn base_url(&self) -> String {
        self.setup.base_url()
    }

    #[getter]
    fn instance_id(&self) -> &str {
        self.setup.instance_id()
    }

    #[getter]
    fn is_exposed(&self) -> bool {
        self.setup.is_exposed()
    }

    #[getter]
    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.blocking.close();
        self.asynchronous.close();
    }

    fn call(&self, py: Python<'_>, body: &[u8], key: &str) -> PyResult<Answered> {
        let mut conversation = self.action(body, key)?;
        self.run(py, &mut conversation)
    }

    fn poll(&self, py: Python<'_>, approval_id: &str, timeout_ms: u64) -> PyResult<Answered> {
        let mut conversation = self.approval(approval_id, timeout_ms)?;
        self.run(py, &mut conversation)
    }

    fn submit_call(
        &self,
        completions: &Completions,
        token: u64,
        body: &[u8],
        key: &str,
    ) -> PyResult<Task> {
        self.spawn(completions, token, self.action(body, key)?)
    }

    fn submit_poll(
        &self,
        completions: &Completions,
        token: u64,
        approval_id: &str,
        timeout_ms: u64,
    ) -> PyResult<Task> {
        self.spawn(completions, token, self.approval(approval_id, timeout_ms)?)
    }
}

impl Core {
    fn open(&self) -> PyResult<()> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(PyRuntimeError::new_err("the client is closed"));
        }
        Ok(())
    }

    fn action(&self, body: &[u8], key: &str) -> PyResult<ActionConversation> {
        self.open()?;
        let key =
            IdempotencyKey::parse(key).map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(self.setup.action(body, &key))
    }

    fn approval(&self, approval_id: &str, timeout_ms: u64) -> PyResult<PollConversation> {
        self.open()?;
        if approval_id.is_empty() {
            return Err(PyValueError::new_err("approval_id must not be empty"));
        }
        let patience = Duration::from_millis(timeout_ms);
        Ok(self.setup.approval(approval_id, patience))
    }

    fn run(
        &self,
        py: Python<'_>,
        conversation: &mut (dyn Conversation + Send),
    ) -> PyResult<Answered> {
        let raised = Mutex::new(None);
        // On the main thread this is where Ctrl-C comes through; on others it does nothing.
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the method alone is not general over lifetimes"
        )]
        let watch = || match exit::attached(|py| py.check_signals()) {
            Some(Err(error)) => {
                *raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Err(Stopped)
            }
            Some(Ok(())) | None => Ok(()),
        };
        let outcome = exit::detached(py, || self.blocking.run(conversation, &watch));
        let raised = raised.into_inner().unwrap_or_else(PoisonError::into_inner);
        match (outcome, raised) {
            (Ok(outcome), _) => Ok(outcome.into()),
            (Err(Stopped), Some(error)) => Err(error),
            (Err(stopped), None) => Err(PyRuntimeError::new_err(stopped.to_string())),
        }
    }

    fn spawn(
        &self,
        completions: &Completions,
        token: u64,
        mut conversation: impl Conversation + Send + Sync + 'static,
    ) -> PyResult<Task> {
        let transport = Arc::clone(&self.asynchronous);
        let done = completions.shared();
        let task = runtime()?.spawn(async move {
            let outcome = transport.run(&mut conversation).await;
            done.push(token, outcome);
        });
        Ok(Task {
            handle: task.abort_handle(),
        })
    }
}

/// An asynchronous call in progress.
#[pyclass(frozen, module = "relynt._native")]
pub(crate) struct Task {
    handle: AbortHandle,
}

#[pymethods]
impl Task {
    /// Ends the call and closes its connection.
    fn abort(&self) {
        self.handle.abort();
    }
}

/// How a call ended, for Python: `(outcome, status, request_id, replayed, body, text)`. The
/// outcome is 0 for an answer, 1 for none, 2 for a deadline that passed; in the last case the
/// rest is the last failure, with status 0 and no text if there was none.
pub(crate) struct Answered {
    deadline: bool,
    outcome: Option<Outcome>,
}

impl From<Outcome> for Answered {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Deadline(last) => Self {
                deadline: true,
                outcome: last.map(|last| *last),
            },
            other => Self {
                deadline: false,
                outcome: Some(other),
            },
        }
    }
}

impl<'py> IntoPyObject<'py> for Answered {
    type Target = PyTuple;
    type Output = Bound<'py, PyTuple>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        let outcome = |other: u8| if self.deadline { 2 } else { other };
        match self.outcome {
            Some(Outcome::Answer(answer)) => {
                let body = PyBytes::new(py, &answer.body);
                let (id, replayed) = (answer.request_id, answer.replayed);
                (outcome(0), answer.status, id, replayed, body, "").into_pyobject(py)
            }
            Some(Outcome::Broken(broken)) => {
                let body = PyBytes::new(py, b"");
                (outcome(1), 0, None::<&str>, false, body, broken.text).into_pyobject(py)
            }
            Some(Outcome::Deadline(_)) | None => {
                let body = PyBytes::new(py, b"");
                (2, 0, None::<&str>, false, body, "").into_pyobject(py)
            }
        }
    }
}
