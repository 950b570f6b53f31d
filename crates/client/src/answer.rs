//! One answer of the gateway.

use std::time::{Duration, SystemTime};

use crate::response::Head;

/// An HTTP answer as far as a client looks at it. The credential is blanked wherever the server
/// may have echoed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `X-Request-Id`.
    pub request_id: Option<String>,
    /// `Retry-After` as it stood.
    pub retry_after: Option<String>,
    /// `Date` as it stood: the server's clock (RFC 9110 section 6.6.1).
    pub date: Option<String>,
    /// Whether the gateway answered from its memory of the idempotency key.
    pub replayed: bool,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    pub(crate) fn new(head: Head, body: Vec<u8>, clean: impl Fn(Vec<u8>) -> Vec<u8>) -> Self {
        let clean_text = |text: String| String::from_utf8(clean(text.into_bytes())).ok();
        Self {
            status: head.status,
            request_id: head.request_id.and_then(&clean_text),
            retry_after: head.retry_after,
            date: head.date.and_then(clean_text),
            replayed: head.replayed,
            body: clean(body),
        }
    }

    /// How long the server asks to be left alone: seconds, or a date (RFC 9110 section 10.2.3).
    pub fn retry_after(&self, wall: SystemTime) -> Option<Duration> {
        let text = self.retry_after.as_deref()?;
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // More digits than fit is longer than anyone waits.
            return Some(text.parse().map_or(Duration::MAX, Duration::from_secs));
        }
        let date = httpdate::parse_http_date(text).ok()?;
        Some(date.duration_since(wall).unwrap_or_default())
    }
}
