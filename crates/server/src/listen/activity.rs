//! What a connection is doing, and by when it must have done something else

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::limits::Limits;

/// The preface of HTTP/2 (RFC 9113 section 3.4) in bytes.
const PREFACE: u64 = 24;

/// No time at all.
const NEVER: u64 = u64::MAX;

/// Shared by a connection's socket, its service and its watch. Times are milliseconds since the
/// accept.
pub(super) struct Activity {
    limits: Arc<Limits>,
    accepted: Instant,
    read: AtomicU64,
    http2: AtomicBool,
    requests: AtomicU32,
    head_since: AtomicU64,
    idle_since: AtomicU64,
    blocked_since: AtomicU64,
}

/// What a connection did not do in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// Send anything.
    FirstByte,
    /// Send a whole request's head.
    Head,
    /// Take what is written to it.
    Write,
    /// Send another request. No fault.
    Idle,
}

impl Activity {
    pub(super) fn new(limits: Arc<Limits>) -> Self {
        Self {
            limits,
            accepted: Instant::now(),
            read: AtomicU64::new(0),
            http2: AtomicBool::new(false),
            requests: AtomicU32::new(0),
            head_since: AtomicU64::new(NEVER),
            idle_since: AtomicU64::new(0),
            blocked_since: AtomicU64::new(NEVER),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.accepted.elapsed().as_millis()).unwrap_or(NEVER - 1)
    }

    /// Bytes came in.
    pub(super) fn has_read(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        // No method of HTTP/1 begins like the preface of HTTP/2.
        if self.read.fetch_add(bytes.len() as u64, Relaxed) == 0 && bytes.starts_with(b"P") {
            let preface = b"PRI * HTTP/2.0";
            let known = bytes.len().min(preface.len());
            self.http2.store(
                bytes.get(..known) == preface.get(..known) && known > 1,
                Relaxed,
            );
        }
        if self.requests.load(Relaxed) == 0 && self.head_since.load(Relaxed) == NEVER {
            self.head_since.store(self.now(), Relaxed);
        }
    }

    /// A write found no room.
    pub(super) fn write_blocked(&self) {
        if self.blocked_since.load(Relaxed) == NEVER {
            self.blocked_since.store(self.now(), Relaxed);
        }
    }

    /// A write went through.
    pub(super) fn write_moved(&self) {
        if self.blocked_since.load(Relaxed) != NEVER {
            self.blocked_since.store(NEVER, Relaxed);
        }
    }

    /// A request's head is complete; the request runs until the returned value is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Running {
        self.requests.fetch_add(1, Relaxed);
        self.head_since.store(NEVER, Relaxed);
        Running(Arc::clone(self))
    }

    /// By when something has to happen, and what it means if it does not.
    pub(super) fn deadline(&self) -> Option<(Instant, Overdue)> {
        let limits = &self.limits;
        let by = |since: u64, bound: Duration, what| {
            Some((self.accepted + Duration::from_millis(since) + bound, what))
        };
        let head_since = self.head_since.load(Relaxed);
        let waiting = if self.requests.load(Relaxed) > 0 {
            None
        } else if self.read.load(Relaxed) == 0 {
            by(0, limits.first_byte, Overdue::FirstByte)
        } else if head_since != NEVER && !self.speaks_http2() {
            by(head_since, limits.head, Overdue::Head)
        } else {
            by(self.idle_since.load(Relaxed), limits.idle, Overdue::Idle)
        };
        let blocked_since = self.blocked_since.load(Relaxed);
        let stalled = if blocked_since == NEVER {
            None
        } else {
            by(blocked_since, limits.write_stall, Overdue::Write)
        };
        match (waiting, stalled) {
            (Some(a), Some(b)) => Some(if a.0 <= b.0 { a } else { b }),
            (a, b) => a.or(b),
        }
    }

    /// Once the preface is through, pings and settings come between requests as they like.
    fn speaks_http2(&self) -> bool {
        self.http2.load(Relaxed) && self.read.load(Relaxed) >= PREFACE
    }
}

/// A request that runs.
pub(super) struct Running(Arc<Activity>);

impl Drop for Running {
    fn drop(&mut self) {
        let activity = &self.0;
        activity.idle_since.store(activity.now(), Relaxed);
        activity.head_since.store(NEVER, Relaxed);
        activity.requests.fetch_sub(1, Relaxed);
    }
}
