//! The embedded store against the contract of every store, and what is its own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod contract;
mod files;
mod groups;
mod opening;
mod postgres;
mod receipts;
mod secrets;
mod support;
