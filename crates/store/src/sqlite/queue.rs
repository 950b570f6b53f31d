//! What waits for the writer, and when it has waited long enough.
//!
//! A group costs one sync and a handful of pages whatever its size, so that it pays to let those
//! come along who are on their way. Who is on their way, the threads that bring commands know: as
//! long as one of them still works, more may come; once all of them rest, nobody will. So a lone
//! caller waits for nobody, and no clock decides but as a bound: nobody waits for others longer
//! than the last commit took.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

/// So many commands are a group worth its sync: the writer waits for no more.
const ENOUGH: usize = 32;
/// Nobody waits for others longer than this, however long the last commit took.
const MAX_PATIENCE: Duration = Duration::from_millis(1);

/// What the writer knows of the threads that bring its commands.
///
/// Whoever makes those threads says when one has nothing to do ([`rests`](Self::rests)) and when it
/// goes on ([`works`](Self::works)): for tokio these are `on_thread_park` and `on_thread_unpark`.
pub struct Bringers {
    count: usize,
    resting: AtomicUsize,
    nudge: OnceLock<Weak<dyn Nudge>>,
}

/// Somebody who waits until all rest.
trait Nudge: Send + Sync {
    fn nudge(&self);
}

impl std::fmt::Debug for Bringers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bringers")
            .field("count", &self.count)
            .field("resting", &self.resting)
            .finish_non_exhaustive()
    }
}

impl Bringers {
    /// So many threads. None: nobody tells, and every command is taken at once.
    pub fn new(count: usize) -> Arc<Self> {
        Arc::new(Self {
            count,
            resting: AtomicUsize::new(0),
            nudge: OnceLock::new(),
        })
    }

    /// One of them has nothing to do.
    pub fn rests(&self) {
        let resting = self.resting.fetch_add(1, Ordering::SeqCst) + 1;
        if resting >= self.count
            && let Some(nudge) = self.nudge.get().and_then(Weak::upgrade)
        {
            nudge.nudge();
        }
    }

    /// It goes on.
    pub fn works(&self) {
        self.resting.fetch_sub(1, Ordering::SeqCst);
    }

    fn all_rest(&self) -> bool {
        self.resting.load(Ordering::SeqCst) >= self.count
    }
}

/// A bounded queue with one reader.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    /// Whether the reader waits for others to come along: only then does it care who rests.
    patient: AtomicBool,
    bringers: Arc<Bringers>,
    limit: usize,
}

struct State<T> {
    waiting: VecDeque<T>,
    /// The reader is asleep.
    asleep: bool,
    stopping: bool,
    closed: bool,
}

/// Why something was not taken into the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// As many wait as may.
    Full,
    /// Nobody reads any more.
    Closed,
}

/// What the reader is told when it has waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waited {
    /// Something waits.
    Ready,
    /// Nothing came in so long a time.
    Idle,
    /// Nothing waits, and nothing is to be waited for.
    Stopped,
}

impl<T: Send + 'static> Queue<T> {
    /// A queue with room for `limit`.
    pub(crate) fn new(limit: usize, bringers: Arc<Bringers>) -> Arc<Self> {
        let queue = Arc::new(Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                asleep: false,
                stopping: false,
                closed: false,
            }),
            changed: Condvar::new(),
            patient: AtomicBool::new(false),
            bringers,
            limit,
        });
        let weak: Weak<Self> = Arc::downgrade(&queue);
        // Threads that bring commands to a second queue tell the first one alone: the second is
        // bounded by its patience.
        let _ = queue.bringers.nudge.set(weak);
        queue
    }

    /// Puts something into the queue, if there is room.
    pub(crate) fn push(&self, item: T) -> Result<(), NotTaken> {
        let mut state = self.state();
        if state.closed {
            return Err(NotTaken::Closed);
        }
        if state.waiting.len() >= self.limit {
            return Err(NotTaken::Full);
        }
        state.waiting.push_back(item);
        let wake = state.asleep
            && (state.waiting.len() == 1
                || state.waiting.len() >= ENOUGH
                || self.bringers.all_rest());
        drop(state);
        if wake {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Lets the reader take what waits, and then end.
    pub(crate) fn stop(&self) {
        self.state().stopping = true;
        self.changed.notify_one();
    }

    /// Takes nothing more; what still waits.
    pub(crate) fn close(&self) -> VecDeque<T> {
        let mut state = self.state();
        state.closed = true;
        std::mem::take(&mut state.waiting)
    }

    /// Moves what waits, at most `most`, to the end of `to`; how many that were.
    pub(crate) fn take(&self, to: &mut VecDeque<T>, most: usize) -> usize {
        let mut state = self.state();
        let count = state.waiting.len().min(most);
        to.extend(state.waiting.drain(..count));
        count
    }

    /// Waits until something waits, at most `idle` if that is given; then until it is enough, or
    /// all bringers rest, or `patience` is over.
    pub(crate) fn wait(&self, idle: Option<Duration>, patience: Duration) -> Waited {
        let began = Instant::now();
        let mut state = self.state();
        while state.waiting.is_empty() {
            if state.stopping {
                return Waited::Stopped;
            }
            state.asleep = true;
            state = match idle.map(|idle| idle.saturating_sub(began.elapsed())) {
                None => self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => {
                    state.asleep = false;
                    return Waited::Idle;
                }
                Some(left) => {
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.asleep = false;
        }
        drop(self.be_patient(state, patience.min(MAX_PATIENCE)));
        Waited::Ready
    }

    fn be_patient<'a>(
        &'a self,
        mut state: MutexGuard<'a, State<T>>,
        patience: Duration,
    ) -> MutexGuard<'a, State<T>> {
        let began = Instant::now();
        // Set before it is looked who rests: whoever rests later sees it, and nudges.
        self.patient.store(true, Ordering::SeqCst);
        while state.waiting.len() < ENOUGH && !state.stopping && !self.bringers.all_rest() {
            let left = patience.saturating_sub(began.elapsed());
            if left.is_zero() {
                break;
            }
            state.asleep = true;
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.asleep = false;
        }
        self.patient.store(false, Ordering::SeqCst);
        state
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + 'static> Nudge for Queue<T> {
    fn nudge(&self) {
        if self.patient.load(Ordering::SeqCst) {
            // The lock makes sure that the reader is not between its look and its sleep.
            drop(self.state());
            self.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
