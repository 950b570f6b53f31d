//! What the benchmark is made of.
//!
//! `run.py` beside this crate starts everything and reads the JSON that each command prints; here
//! is what must be fast or must speak to the product's own code: the load, the servers to compare
//! with, the disk alone, a full store, the evaluation alone.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures for people: far from any limit"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "a measuring program of its own: it reads the real clock and spawns what it measures"
)]

pub mod closed;
pub mod connection;
pub mod disk;
pub mod evaluate;
pub mod fill;
pub mod histogram;
pub mod hot_path;
pub mod ids;
pub mod open;
pub mod sample;
pub mod servers;
pub mod template;
#[cfg(test)]
mod testing;
pub mod waiters;
