//! A clock that moves only when told to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use relynt_domain::Timestamp;
use relynt_gateway::ports::Clock;

/// A clock that stands until it is moved.
#[derive(Debug)]
pub struct FixedClock {
    start: Timestamp,
    passed_ms: AtomicU64,
}

impl FixedClock {
    /// A clock that stands at this time.
    pub fn at(start: Timestamp) -> Self {
        Self {
            start,
            passed_ms: AtomicU64::new(0),
        }
    }

    /// Moves it on; whole milliseconds.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).expect("a duration that fits");
        self.passed_ms.fetch_add(by, Ordering::Relaxed);
    }
}

impl Default for FixedClock {
    /// 2026-01-31T09:30:00Z.
    fn default() -> Self {
        Self::at(Timestamp::from_unix_millis(1_769_851_800_000))
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.start.after(self.uptime())
    }

    fn uptime(&self) -> Duration {
        Duration::from_millis(self.passed_ms.load(Ordering::Relaxed))
    }
}
