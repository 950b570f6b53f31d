//! The last check before the first byte, and the memory of whether one left.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Why the caller held its request back at the last moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// The time by which the first byte had to be sent is over.
    TooLate,
    /// What was decided may not be executed any more.
    Frozen,
}

/// Whether a byte of the request can have reached the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Certainly none.
    No,
    /// At least one was handed to the operating system or to TLS.
    Maybe,
}

/// Asked right before the first byte of a request; must not block.
pub(crate) type Check = Box<dyn FnOnce() -> Result<(), Hold> + Send>;

#[derive(Default)]
struct State {
    check: Option<Check>,
    /// What became of the check; none while nothing was written.
    verdict: Option<Result<(), Hold>>,
}

/// The gate of a connection, shut unless it is armed for one request.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Mutex<State>>);

impl Gate {
    /// Lets the next request ask `check`, and forgets what became of the last one.
    pub(crate) fn arm(&self, check: Check) {
        *self.state() = State {
            check: Some(check),
            verdict: None,
        };
    }

    /// Shuts it. The check, if it was not asked.
    pub(crate) fn disarm(&self) -> Option<Check> {
        std::mem::take(&mut *self.state()).check
    }

    /// What became of the check; none while nothing was written.
    pub(crate) fn verdict(&self) -> Option<Result<(), Hold>> {
        self.state().verdict
    }

    fn open(&self) -> io::Result<()> {
        let mut state = self.state();
        let verdict = match state.verdict {
            Some(verdict) => verdict,
            None => state
                .check
                .take()
                .map_or(Err(Hold::TooLate), |check| check()),
        };
        state.verdict = Some(verdict);
        verdict.map_err(|_| io::Error::new(io::ErrorKind::PermissionDenied, "held back"))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection whose first write of a request asks the gate whether it may happen.
///
/// The check sits in the write itself, above TLS: nothing can come between the two but the
/// scheduler of the operating system.
pub(crate) struct Gated<S> {
    stream: S,
    gate: Gate,
}

impl<S> Gated<S> {
    pub(crate) fn new(stream: S) -> (Self, Gate) {
        let gate = Gate::default();
        let gated = Self {
            stream,
            gate: gate.clone(),
        };
        (gated, gate)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gated<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gated<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !buf.is_empty() {
            this.gate.open()?;
        }
        Pin::new(&mut this.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if bufs.iter().any(|buf| !buf.is_empty()) {
            this.gate.open()?;
        }
        Pin::new(&mut this.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
