//! The server from outside: a real store in a scratch folder, real sockets

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::similar_names,
    // Every test of the API runs on each store.
    clippy::duplicate_mod
)]

use harness::Server;

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
mod postgresql;
mod receipts;
mod refusals;
mod stop;
mod tokens;

/// What the tests here run on: the embedded store.
async fn start() -> Server {
    Server::start().await
}
