//! Leaving: a thread that waits without the interpreter must not come back to one that is gone.
//!
//! Python ends such a thread by unwinding it, which would run through Rust frames. So threads
//! other than the one that exits stay where they are, and the process ends without them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use std::time::Duration;

use pyo3::Python;

static EXITING: OnceLock<ThreadId> = OnceLock::new();
/// Threads that passed the check and are about to hold the interpreter again.
static RETURNING: AtomicUsize = AtomicUsize::new(0);

/// The interpreter begins to exit, on the calling thread.
pub(crate) fn begin(py: Python<'_>) {
    let _ = EXITING.set(thread::current().id());
    py.detach(|| {
        for _ in 0..1000 {
            if RETURNING.load(Ordering::SeqCst) == 0 {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
    });
}

/// Runs `work` without the interpreter and comes back to it, or never does.
pub(crate) fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> T {
    let (value, returning) = py.detach(|| {
        let value = work();
        (value, Returning::check())
    });
    drop(returning);
    value
}

/// Takes hold of the interpreter for a moment; `None` if it is gone.
pub(crate) fn attached<T>(work: impl FnOnce(Python<'_>) -> T) -> Option<T> {
    let returning = Returning::check();
    let value = Python::try_attach(work);
    drop(returning);
    value
}

struct Returning;

impl Returning {
    fn check() -> Self {
        RETURNING.fetch_add(1, Ordering::SeqCst);
        let returning = Self;
        if EXITING
            .get()
            .is_some_and(|id| *id != thread::current().id())
        {
            drop(returning);
            loop {
                thread::park();
            }
        }
        returning
    }
}

impl Drop for Returning {
    fn drop(&mut self) {
        RETURNING.fetch_sub(1, Ordering::SeqCst);
    }
}
