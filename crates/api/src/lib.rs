//! Wire types and error codes, shared by server and client
//!
//! What the HTTP API says, byte for byte the shapes of its documentation. Answers carry every
//! field always, `null` where there is nothing to say; request bodies refuse what they do not
//! know. The types are strict mirrors of the API of this version: a reader that has to live with
//! newer gateways ignores unknown fields, which every answer type here does.
//!
//! Ids are texts here (lowercase UUIDs), times are RFC 3339 in UTC with milliseconds and `Z`:
//! the wire must not change because a type of the domain did.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod agents;
mod approvals;
mod calls;
mod connectors;
mod execution;
mod health;
mod json;
mod keys;
mod organization;
mod policies;
mod problem;
mod receipts;
mod tokens;
mod words;

pub use agents::{
    Agent, AgentList, Credential, CredentialList, Environment, NewAgent, PatchAgent, RotatedSecret,
    Rotation,
};
pub use approvals::{Approval, ApprovalList, Decide, Vote};
pub use calls::{Simulation, SimulationAnswer, Skipped, ToolCall, ToolCallAnswer};
pub use connectors::{
    BodyMode, Connector, ConnectorList, NewConnector, PatchConnector, Route, SentBody,
};
pub use execution::Execution;
pub use health::{Health, Readiness, ReadinessChecks};
pub use json::Json;
pub use keys::{Jwk, KeySet};
pub use organization::Organization;
pub use policies::{Activation, Conditions, NewPolicy, Policy, PolicyList, Rule, RuleApproval};
pub use problem::{ErrorCode, FieldError, Problem};
pub use receipts::{Approver, Checks, ConnectorRef, Receipt, ReceiptList, Verification};
pub use tokens::{NewToken, ShownToken, Token, TokenList};
pub use words::{
    AgentStatus, ApprovalStatus, BlockedBy, Channel, CheckOutcome, Decision, ExecutionDetail,
    ExecutionStatus, PerformedBy, ReceiptDecision, ReceiptEvent, ResponseState, RiskLevel, Role,
    RuleDecision, Scope, UnknownWord, Verdict, VoteKind,
};
