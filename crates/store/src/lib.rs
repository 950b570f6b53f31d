//! What a gateway keeps: on the embedded SQLite, or on a PostgreSQL database.
//!
//! [`SqliteStore`] and [`PostgresStore`] each implement every port of `relynt_gateway` that keeps
//! something, and keep to the same contract. Both commit whatever waits as one group: the one with
//! a thread that writes, the other with statements of many rows. Nothing secret and no payload is
//! stored in clear: see the module `seal`.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod connector;
mod draft;
mod keys;
mod postgres;
mod resolution;
mod rows;
mod seal;
mod sql;
mod sqlite;
mod stats;
mod texts;

pub use postgres::{PostgresError, PostgresOptions, PostgresStore, SchemaError};
pub use sqlite::{Bringers, OpenError, OpenOptions, SqliteStore};
