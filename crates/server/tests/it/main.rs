//! The server from outside: a real store in a scratch folder, real sockets

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::similar_names
)]

mod admission;
mod agents;
mod approvals;
mod calls;
mod config;
mod connectors;
mod harness;
mod open;
mod openapi;
mod policies;
mod receipts;
mod refusals;
mod stop;
mod tokens;
