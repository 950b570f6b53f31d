//! Approvals: what waits for a person

use serde::{Deserialize, Serialize};

use crate::{
    ApprovalStatus, BlockedBy, Channel, Execution, Json, PerformedBy, RiskLevel, VoteKind,
};

/// A request that waits, or waited, for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Approval {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub approval_id: String,
    /// Its state. `approved` is shown only with what came of it.
    pub status: ApprovalStatus,
    /// When it was requested.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub created_at: String,
    /// When it ends by itself.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub expires_at: String,
    /// The revision of the request that a vote names.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub revision: u32,
    /// Who decided: `user:<uuid>` or `slack:<id>`; null while pending and when expired.
    pub decided_by: Option<String>,
    /// When it was decided.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub decided_at: Option<String>,
    /// What the approver wrote.
    pub note: Option<String>,
    /// The receipt of the request.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub receipt_id: String,
    /// The receipt of what came of it.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub final_receipt_id: Option<String>,
    /// Who carries the action out.
    pub performed_by: Option<PerformedBy>,
    /// Until when the agent may perform the approved action itself.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub valid_until: Option<String>,
    /// The execution, when a connector is called.
    pub execution: Option<Execution>,
    /// What the connector's target answered, kept as long as the organization keeps responses.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub tool_response: Option<Json>,
    /// Why it was cancelled.
    pub blocked_by: Option<BlockedBy>,
    /// The votes. For people; an agent gets null.
    pub votes: Option<Vec<Vote>>,
    /// The agent that asks.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub agent_id: String,
    /// The agent's name.
    pub agent_name: String,
    /// The run of the agent.
    pub instance_id: String,
    /// The operation.
    pub action: String,
    /// The target.
    pub resource: String,
    /// What the target will get. For people; an agent gets null.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub payload: Option<Json>,
    /// Which rule asks for a person and why.
    pub reason: String,
    /// How much is at stake.
    pub risk_level: RiskLevel,
    /// The policy's version.
    pub policy_version: String,
    /// The rule.
    pub rule_id: Option<String>,
    /// What the approval is bound to: `sha256:<hex>` of action, payload and resource.
    pub request_digest: String,
}

/// One vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Vote {
    /// Who: `user:<uuid>`.
    pub by: String,
    /// What they said.
    pub vote: VoteKind,
    /// When.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub at: String,
    /// Through which channel.
    pub channel: Channel,
    /// On which revision.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub revision: u32,
    /// The signature under it, if the channel makes one.
    pub signature: Option<String>,
}

/// Approvals, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApprovalList {
    /// The page.
    pub approvals: Vec<Approval>,
    /// What to give as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// A person's decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Decide {
    /// Approve or deny.
    pub decision: VoteKind,
    /// The revision that was looked at; another one than the present is 409.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub revision: Option<u32>,
    /// A note that is kept with the approval.
    #[cfg_attr(feature = "openapi", schema(max_length = 1024))]
    pub note: Option<String>,
}
