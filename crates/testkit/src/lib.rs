//! Fakes and harnesses for tests: a clock that stands, chance from a seed, sample data, and
//! [`contract`], what every store must satisfy.
//!
//! Used by tests alone; whatever is wrong here panics.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc
)]

mod clock;
mod connectors;
pub mod contract;
mod entropy;
mod faults;
mod gateway;
pub mod postgres;
pub mod sample;

pub use clock::FixedClock;
pub use connectors::{Behaviour, FakeConnectors, Seen};
pub use entropy::{NoEntropy, SeededEntropy};
pub use faults::{Failure, FaultyStore};
pub use gateway::{HastyTimer, PlainAnswers, TestGateway};
