//! The gateway over HTTP: router, API, configuration, background loops

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod background;
mod body;
mod config;
mod cx;
mod envelope;
mod error;
mod fields;
mod limits;
mod listen;
mod metrics;
mod notes;
mod query;
mod request_id;
mod system;
mod trace;

pub use background::hide_panic_messages;
pub use config::{Config, ConfigError, MasterKey, MasterKeyError, MasterKeySource, StoreUrl};
pub use limits::{Limits, MANAGEMENT_BODY, POLICIES_BODY, TOOL_CALL_BODY};
pub use system::{SystemClock, SystemEntropy, SystemTimer};
