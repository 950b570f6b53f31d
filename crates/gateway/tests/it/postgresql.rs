//! The same tests on PostgreSQL, each on a server of its own.

use relynt_gateway::Gateway;
use relynt_testkit::TestGateway;

#[path = "approvals.rs"]
mod approvals;
#[path = "changes.rs"]
mod changes;
#[path = "execution.rs"]
mod execution;
#[path = "idempotency.rs"]
mod idempotency;
#[path = "readiness.rs"]
mod readiness;

async fn start() -> TestGateway {
    TestGateway::start_on_postgres().await
}

async fn empty() -> (Gateway, impl std::any::Any) {
    TestGateway::empty_on_postgres().await
}
