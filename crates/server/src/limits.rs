//! How much a client may take, of bytes and of time

use std::time::Duration;

/// The body of a tool call or a simulation, in bytes.
pub const TOOL_CALL_BODY: usize = 256 * 1024;
/// The body of a management call, in bytes.
pub const MANAGEMENT_BODY: usize = 256 * 1024;
/// The body of `POST /v1/policies`, in bytes.
pub const POLICIES_BODY: usize = 4 * 1024 * 1024;

/// The bounds of a listener. [`Limits::default`] is what a gateway runs with; tests make them
/// small.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once; further ones are answered 503 and closed.
    pub max_connections: usize,
    /// From the accept to the first byte.
    pub first_byte: Duration,
    /// From the first byte of a request's head to its last, and for the preface of HTTP/2.
    pub head: Duration,
    /// Between two requests on one connection.
    pub idle: Duration,
    /// A write that makes no progress.
    pub write_stall: Duration,
    /// Between two pieces of a body.
    pub body_idle: Duration,
    /// A whole body.
    pub body_total: Duration,
    /// Headers of a request.
    pub max_headers: usize,
    /// Bytes of a request's head.
    pub max_head: usize,
    /// Requests at once on one connection of HTTP/2.
    pub max_streams: u32,
    /// Decisions under way, from the reading of a call until its first commit has answered; further
    /// calls are answered 503. Enough to fill the store's groups, few enough that none waits long.
    pub max_decisions: usize,
    /// From the order to stop until what still runs is cut off.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 16_384,
            first_byte: Duration::from_secs(5),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            write_stall: Duration::from_secs(30),
            body_idle: Duration::from_secs(10),
            body_total: Duration::from_secs(30),
            max_headers: 64,
            max_head: 64 * 1024,
            max_streams: 128,
            max_decisions: 512,
            drain: Duration::from_secs(35),
        }
    }
}
