//! The tests of the API on PostgreSQL, each on a server of its own.

use crate::harness::Server;

#[path = "agents.rs"]
mod agents;
#[path = "approvals.rs"]
mod approvals;
#[path = "calls.rs"]
mod calls;
#[path = "connectors.rs"]
mod connectors;
#[path = "policies.rs"]
mod policies;
#[path = "receipts.rs"]
mod receipts;
#[path = "refusals.rs"]
mod refusals;
#[path = "tokens.rs"]
mod tokens;

async fn start() -> Server {
    Server::start_on_postgres().await
}
