//! The gateway over HTTP: router, API, configuration, background loops

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod answers;
mod api;
mod app;
mod background;
mod body;
mod config;
mod cursor;
mod cx;
mod envelope;
mod error;
mod fields;
mod installation;
mod limits;
mod listen;
mod metrics;
mod notes;
mod openapi;
mod query;
mod request_id;
mod routes;
mod serving;
mod stage_metrics;
mod store;
mod store_metrics;
mod system;
mod trace;
mod wire;

pub use answers::WireAnswers;
pub use api::openapi_document;
pub use background::hide_panic_messages;
pub use config::{
    Config, ConfigError, DatabaseUrl, MasterKey, MasterKeyError, MasterKeySource, StoreUrl,
};
pub use installation::{Installation, InstallationError, InstallationOptions};
pub use limits::{Limits, MANAGEMENT_BODY, POLICIES_BODY, TOOL_CALL_BODY};
pub use serving::{Ended, ServingOptions, bind};
pub use system::{SystemClock, SystemEntropy, SystemTimer};
