//! The last check before the first byte, and the memory of whether one left.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
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

/// What became of the check; empty while nothing was written.
pub(crate) type Verdict = Arc<OnceLock<Result<(), Hold>>>;

/// A connection whose first write asks `check` whether it may happen.
///
/// The check sits in the write itself, above TLS: nothing can come between the two but the
/// scheduler of the operating system.
pub(crate) struct Gated<S, F> {
    stream: S,
    check: Option<F>,
    verdict: Verdict,
}

impl<S, F: FnOnce() -> Result<(), Hold>> Gated<S, F> {
    pub(crate) fn new(stream: S, check: F) -> (Self, Verdict) {
        let verdict = Verdict::default();
        (
            Self {
                stream,
                check: Some(check),
                verdict: Arc::clone(&verdict),
            },
            verdict,
        )
    }

    fn open(&mut self) -> io::Result<()> {
        let verdict = self.verdict.get_or_init(|| match self.check.take() {
            Some(check) => check(),
            None => Err(Hold::TooLate),
        });
        verdict.map_err(|_| io::Error::new(io::ErrorKind::PermissionDenied, "held back"))
    }
}

impl<S: AsyncRead + Unpin, F: Unpin> AsyncRead for Gated<S, F> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl<S, F> AsyncWrite for Gated<S, F>
where
    S: AsyncWrite + Unpin,
    F: FnOnce() -> Result<(), Hold> + Unpin,
{
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !buf.is_empty() {
            this.open()?;
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
            this.open()?;
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
