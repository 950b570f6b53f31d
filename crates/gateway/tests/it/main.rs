//! The flow of a call, on a real store, with faults where they hurt.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    // Tests start their callers themselves.
    clippy::disallowed_methods,
    // Every test runs on each store.
    clippy::duplicate_mod
)]

use relynt_gateway::Gateway;
use relynt_testkit::TestGateway;

mod approvals;
mod changes;
mod execution;
mod idempotency;
mod places;
mod postgresql;
mod readiness;

/// Rules that the tests share: `ask` needs a person, `act` is allowed, the rest is denied.
pub(crate) const RULES: &str = r#"[
    {"action": "ask*", "resource_pattern": "*", "decision": "require_approval"},
    {"action": "act*", "resource_pattern": "*", "decision": "allow"},
    {"action": "*", "resource_pattern": "*", "decision": "deny"}
]"#;

/// What the tests here run on: the embedded store.
async fn start() -> TestGateway {
    TestGateway::start().await
}

async fn empty() -> (Gateway, impl std::any::Any) {
    TestGateway::empty().await
}
