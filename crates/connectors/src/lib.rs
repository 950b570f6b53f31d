//! Connectors: routes, secrets, deadlines, outcomes.
//!
//! A connector is an HTTP endpoint that an organization configured; the gateway calls it for actions
//! that were allowed. This crate reads definitions ([`HttpConnectors`] is the gateway's
//! `Connectors` port), builds the one request, sends it through `egress`, and says honestly what
//! became of it.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::disallowed_methods
    )
)]

mod attempt;
mod base_url;
mod body;
mod connector;
mod definition;
#[cfg(test)]
mod fixture;
mod headers;
mod hex;
mod outcome;
mod reading;
mod redact;
mod request;
mod resource_form;
mod response;
mod route;
mod template;

pub use connector::{HttpConnectors, Options};
pub use definition::MASK;
