//! Being told how long the parts of a call took.

use std::time::Duration;

/// A part of a call's way that is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Hashing the request, finding the rule, signing the receipt.
    Evaluate,
    /// Waiting for the store to have committed: the decision, or an outcome.
    Commit,
    /// The connector's call.
    Execute,
}

/// Who is told, for metrics. Called on the hot path: it must not wait.
pub trait Stages: Send + Sync {
    /// This stage of one call took so long.
    fn took(&self, stage: Stage, time: Duration);
}

/// Nobody wants to know.
#[derive(Debug, Clone, Copy, Default)]
pub struct Untimed;

impl Stages for Untimed {
    fn took(&self, _: Stage, _: Duration) {}
}
