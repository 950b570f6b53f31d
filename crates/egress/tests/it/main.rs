//! The way out, against real sockets.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod addresses;
mod allow_list;
mod bounds;
mod cuts;
mod guarded;
mod origins;
mod reuse;
mod secure;
mod target;
