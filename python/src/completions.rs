//! From the runtime's thread to an event loop: what is done is queued, and one byte wakes the
//! loop when the queue was empty.

use std::io::{Read, Write};
#[cfg(unix)]
use std::os::{fd::AsRawFd, unix::net::UnixStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use relynt_client::Outcome;

use crate::core::Answered;
use crate::exit;

/// The finished calls of one event loop.
#[pyclass(frozen, module = "relynt._native")]
pub(crate) struct Completions {
    shared: Arc<Shared>,
    #[cfg(unix)]
    alarm: UnixStream,
}

pub(crate) struct Shared {
    done: Mutex<Vec<(u64, Outcome)>>,
    arrived: Condvar,
    #[cfg(unix)]
    alarm: UnixStream,
}

impl Shared {
    /// Queues a finished call. A loop that is gone is never called: its queue is just memory.
    pub(crate) fn push(&self, token: u64, outcome: Outcome) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let was_empty = done.is_empty();
        done.push((token, outcome));
        drop(done);
        if was_empty {
            self.arrived.notify_one();
            #[cfg(unix)]
            let _ = (&self.alarm).write(&[1]);
        }
    }
}

impl Completions {
    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }
}

#[pymethods]
impl Completions {
    #[new]
    fn new() -> PyResult<Self> {
        #[cfg(unix)]
        let (near, far) = {
            let failed = |error: std::io::Error| PyOSError::new_err(error.to_string());
            let (near, far) = UnixStream::pair().map_err(failed)?;
            near.set_nonblocking(true).map_err(failed)?;
            far.set_nonblocking(true).map_err(failed)?;
            (near, far)
        };
        Ok(Self {
            shared: Arc::new(Shared {
                done: Mutex::default(),
                arrived: Condvar::new(),
                #[cfg(unix)]
                alarm: far,
            }),
            #[cfg(unix)]
            alarm: near,
        })
    }

    /// What an event loop watches for reading; -1 where there is no such thing.
    fn fileno(&self) -> i32 {
        #[cfg(unix)]
        return self.alarm.as_raw_fd();
        #[cfg(not(unix))]
        return -1;
    }

    /// Everything that is done, as pairs of token and outcome.
    fn drain(&self) -> Vec<(u64, Answered)> {
        // First the alarm, then the queue: in the other order a call that is done in between
        // would wait for the next one.
        #[cfg(unix)]
        while matches!((&self.alarm).read(&mut [0; 64]), Ok(64)) {}
        let mut done = self
            .shared
            .done
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let done = std::mem::take(&mut *done);
        done.into_iter()
            .map(|(token, outcome)| (token, outcome.into()))
            .collect()
    }

    /// Waits up to a second for something to be done, for event loops that watch no files.
    fn wait(&self, py: Python<'_>) -> bool {
        exit::detached(py, || {
            let done = self
                .shared
                .done
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let second = Duration::from_secs(1);
            let waited = self
                .shared
                .arrived
                .wait_timeout_while(done, second, |done| done.is_empty());
            let (done, _) = waited.unwrap_or_else(PoisonError::into_inner);
            !done.is_empty()
        })
    }
}
