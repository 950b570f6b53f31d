//! Signals: those that stop, and the one that must not.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// Ctrl-C and SIGTERM, caught from now on.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// A file at its size limit is an error of the write then, not the end of the process.
    _file_size: Signal,
}

impl Signals {
    pub(crate) fn catch() -> Result<Self, Failure> {
        let file_size = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
        let failed =
            |error: io::Error| Failure::file("catch the signals of", "this process", &error);
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            _file_size: signal(file_size).map_err(failed)?,
        })
    }

    /// Waits for an order to stop.
    pub(crate) async fn stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
