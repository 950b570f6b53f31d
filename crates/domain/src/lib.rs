//! The nouns of Relynt: ids, tool calls, verdicts, the approval state machine.
//!
//! Nothing here does input or output; time and chance come in as arguments.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod agent;
mod approval;
mod call;
mod connector;
mod credential;
mod decision;
mod fault;
mod ids;
mod people;
mod policy_version;
mod suggest;
mod text;
mod time;

pub use agent::{Agent, AgentName, AgentStatus, Tags};
pub use approval::{
    ApprovalRecord, ApprovalStatus, BlockedBy, Channel, Decider, TransitionError, Vote, VoteKind,
};
pub use call::{Action, IdempotencyKey, InstanceId, Resource, ToolCall, ToolCallDraft};
pub use connector::{ConnectorDefinition, ConnectorRecord, HeaderValues};
pub use credential::{
    Credential, CredentialError, CredentialKind, CredentialText, LOOKUP_LEN, LookupId, SECRET_LEN,
};
pub use decision::{
    Decision, Event, ExecutionDetail, ExecutionStatus, PerformedBy, ResponseState, RiskLevel,
    Verdict,
};
pub use fault::Fault;
pub use ids::{
    AgentId, ApprovalId, ConnectorId, CredentialId, ExecutionId, IdError, Incarnation,
    OrganizationId, ReceiptId, RecordId, TokenId, UserId,
};
pub use people::{Member, Role, Scope, Scopes, Token};
pub use policy_version::{ChangeNumber, PolicyVersion};
pub use suggest::nearest;
pub use text::{Label, LabelError};
pub use time::{Timestamp, TimestampError};
