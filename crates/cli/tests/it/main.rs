//! The real binary, from outside.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod agents;
mod approvals;
mod connectors;
mod dev;
mod doctor;
mod document;
mod errors;
mod help;
mod inbox;
mod policy;
mod postgres;
mod receipts;
mod run;
mod serve;
mod stub;
mod tokens;
mod verify;
