//! What policies mean, as tables.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod agents;
mod amounts;
mod application;
mod deny_fields;
mod documents;
mod explain;
mod patterns;
mod properties;
mod published;
mod reasons;
mod reference;
mod refusals;
mod risk;
mod stages;
mod support;
