//! The embedded SQLite store: group commit, sealed columns, migrations.
//!
//! [`SqliteStore`] implements every port of `relynt_gateway` that keeps something. One thread
//! writes and commits whatever waits as one group; a few others read. Nothing secret and no
//! payload is in the files in clear: see the module `seal`.

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
pub use sqlite::{OpenError, OpenOptions, SqliteStore};
