//! The real clock, timer and randomness: the one place that may ask the system

use std::{
    cell::RefCell,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use relynt_domain::Timestamp;
use relynt_gateway::ports::{Clock, Entropy, EntropyError, Timer};
use zeroize::{Zeroize as _, Zeroizing};

/// The machine's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the place that the ban sends everybody to"
    )]
    fn now(&self) -> Timestamp {
        // Before 1970 there is no time.
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_unix_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn uptime(&self) -> Duration {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        // The kernel gives neither negative seconds nor more nanoseconds than a second has.
        Duration::new(
            u64::try_from(time.tv_sec).unwrap_or_default(),
            u32::try_from(time.tv_nsec).unwrap_or_default(),
        )
    }
}

/// Tokio's timer.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemTimer;

#[async_trait]
impl Timer for SystemTimer {
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// The system's randomness, fetched a little ahead: a decision takes several small portions, and
/// asking costs more than what is asked for.
#[derive(Debug, Default)]
pub struct SystemEntropy(SystemRandom);

/// Random bytes that nobody has been given yet. What is handed out is cleared here at once.
struct Ahead {
    bytes: Zeroizing<[u8; 1024]>,
    left: usize,
}

thread_local! {
    static AHEAD: RefCell<Ahead> = RefCell::new(Ahead {
        bytes: Zeroizing::new([0; 1024]),
        left: 0,
    });
}

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        AHEAD.with_borrow_mut(|ahead| {
            if buffer.len() > ahead.left {
                if buffer.len() > ahead.bytes.len() {
                    return self.0.fill(buffer).map_err(|_| EntropyError);
                }
                // What was left is given up: it is less than anybody asked for.
                ahead.left = 0;
                let filled = self.0.fill(ahead.bytes.as_mut());
                filled.map_err(|_| EntropyError)?;
                ahead.left = ahead.bytes.len();
            }
            let rest = ahead.left - buffer.len();
            let portion = ahead.bytes.get_mut(rest..ahead.left).ok_or(EntropyError)?;
            buffer.copy_from_slice(portion);
            portion.zeroize();
            ahead.left = rest;
            Ok(())
        })
    }
}

/// Ids of requests: version 7 UUIDs (RFC 9562 section 5.7). They name, they prove nothing: without
/// randomness a counter takes its place, so that every answer has one.
pub(crate) struct RequestIds {
    clock: std::sync::Arc<dyn Clock>,
    entropy: std::sync::Arc<dyn Entropy>,
    counter: Mutex<u64>,
}

impl RequestIds {
    pub(crate) fn new(
        clock: std::sync::Arc<dyn Clock>,
        entropy: std::sync::Arc<dyn Entropy>,
    ) -> Self {
        Self {
            clock,
            entropy,
            counter: Mutex::new(0),
        }
    }

    pub(crate) fn fresh(&self) -> String {
        let mut random = [0; 10];
        if self.entropy.fill(&mut random).is_err() {
            let mut counter = self.counter.lock().unwrap_or_else(PoisonError::into_inner);
            *counter = counter.wrapping_add(1);
            for (to, from) in random.iter_mut().skip(2).zip(counter.to_be_bytes()) {
                *to = from;
            }
        }
        uuid::Builder::from_unix_timestamp_millis(self.clock.now().unix_millis(), &random)
            .into_uuid()
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use relynt_gateway::ports::Entropy as _;

    use super::{AHEAD, SystemEntropy};

    #[test]
    fn what_was_handed_out_is_given_to_nobody_again_and_is_cleared() {
        let entropy = SystemEntropy::default();
        let mut seen = HashSet::new();
        for _ in 0..10_000 {
            let mut portion = [0; 10];
            entropy.fill(&mut portion).unwrap();
            assert!(seen.insert(portion));
        }
        AHEAD.with_borrow(|ahead| {
            assert!(ahead.bytes[ahead.left..].iter().all(|byte| *byte == 0));
            assert!(ahead.bytes[..ahead.left].iter().any(|byte| *byte != 0));
        });
    }

    #[test]
    fn portions_of_any_size_are_filled() {
        let entropy = SystemEntropy::default();
        for len in [0, 1, 44, 1000, 1024, 1025, 5000] {
            let mut portion = vec![0; len];
            entropy.fill(&mut portion).unwrap();
            assert!(len < 40 || portion.iter().any(|byte| *byte != 0), "{len}");
        }
    }
}
