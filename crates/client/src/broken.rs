//! How an attempt ends without an answer.

use std::io;

use crate::proxy::Proxy;
use crate::response::Fault;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Broken {
    /// The kind.
    pub kind: BrokenKind,
    /// What happened, for people; never holds a credential.
    pub text: String,
    permanent: bool,
}

/// The kinds of [`Broken`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BrokenKind {
    /// The host's name has no address.
    Resolve,
    /// No connection came about.
    Connect,
    /// The gateway's certificate or TLS is not acceptable.
    Tls,
    /// The proxy did not open a tunnel.
    Proxy,
    /// The time for the attempt was over.
    TimedOut,
    /// The connection ended before the answer was whole.
    Cut,
    /// The bytes were not an HTTP answer.
    Malformed,
    /// The answer was larger than allowed.
    TooLarge,
    /// The request cannot be put into words.
    Request,
}

impl Broken {
    /// Whether another attempt would end the same way.
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }

    fn new(kind: BrokenKind, text: impl Into<String>) -> Self {
        let permanent = matches!(
            kind,
            BrokenKind::Tls | BrokenKind::TooLarge | BrokenKind::Request
        );
        Self {
            kind,
            text: text.into(),
            permanent,
        }
    }

    pub(crate) fn unresolved(host: &str) -> Self {
        Self::new(
            BrokenKind::Resolve,
            format!("the host name `{host}` could not be resolved"),
        )
    }

    pub(crate) fn unconnected(address: &str, error: &io::Error) -> Self {
        Self::new(
            BrokenKind::Connect,
            format!("no connection to `{address}`: {error}"),
        )
    }

    pub(crate) fn untrusted(host: &str, error: &rustls::Error) -> Self {
        Self::new(
            BrokenKind::Tls,
            format!("the TLS handshake with `{host}` failed: {error}"),
        )
    }

    pub(crate) fn no_tunnel(proxy: &Proxy, status: u16) -> Self {
        let mut broken = Self::new(
            BrokenKind::Proxy,
            format!(
                "the proxy `{}:{}` answered {status} to CONNECT",
                proxy.host, proxy.port
            ),
        );
        broken.permanent = status < 500 && status != 408 && status != 429;
        broken
    }

    pub(crate) fn timed_out() -> Self {
        Self::new(
            BrokenKind::TimedOut,
            "the gateway did not answer within the time for one attempt",
        )
    }

    pub(crate) fn cut(error: &io::Error) -> Self {
        Self::new(
            BrokenKind::Cut,
            format!("the connection broke before the answer was whole: {error}"),
        )
    }

    pub(crate) fn unspeakable() -> Self {
        Self::new(
            BrokenKind::Request,
            "method or path cannot stand in a request line",
        )
    }
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Malformed => Self::new(
                BrokenKind::Malformed,
                "what the gateway sent is not an HTTP answer",
            ),
            Fault::TooLarge => Self::new(
                BrokenKind::TooLarge,
                "the gateway's answer is larger than this client takes",
            ),
            Fault::Cut => Self::new(
                BrokenKind::Cut,
                "the gateway closed the connection before the answer was whole",
            ),
        }
    }
}
