//! Fakes and harnesses for tests: a clock that stands, chance from a seed, sample data, and
//! [`contract`], what every store must satisfy.
//!
//! Used by tests alone; whatever is wrong here panics.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod clock;
pub mod contract;
mod entropy;
pub mod sample;

pub use clock::FixedClock;
pub use entropy::{NoEntropy, SeededEntropy};
