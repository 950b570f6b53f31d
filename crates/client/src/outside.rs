//! Time and chance: the one place of this crate that reads them.

use std::time::{Instant, SystemTime};

/// What a pure decision may know about the world at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// Runs evenly; deadlines are measured on it.
    pub at: Instant,
    /// The calendar, for `Retry-After` as a date.
    pub wall: SystemTime,
    /// Chance, evenly spread over `0.0..1.0`.
    pub chance: f64,
}

impl Moment {
    /// Now, with a fresh draw.
    pub fn now() -> Self {
        Self {
            at: now(),
            wall: wall(),
            chance: chance(),
        }
    }
}

pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the sanctioned place")]
pub(crate) fn wall() -> SystemTime {
    SystemTime::now()
}

/// Random bytes of the TLS library's generator, which survives a fork without repeating itself.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // A generator that fails is one without an operating system under it. All zeros then means
    // no jitter; ids still differ by time, and the gateway refuses a key that is used twice for
    // different requests.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    bytes
}

fn chance() -> f64 {
    f64::from(u32::from_le_bytes(random::<4>())) / (f64::from(u32::MAX) + 1.0)
}
