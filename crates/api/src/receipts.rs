//! Receipts: the signed record of every decision

use serde::{Deserialize, Serialize};

use crate::{
    Channel, CheckOutcome, Execution, PerformedBy, ReceiptDecision, ReceiptEvent, RiskLevel,
    Verdict, VoteKind,
};

/// A receipt, served byte for byte as it was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Receipt {
    /// The format: `relynt.receipt/1`.
    pub schema: String,
    /// What happened.
    pub event: ReceiptEvent,
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub receipt_id: String,
    /// The receipt that this one adds to.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub previous_receipt_id: Option<String>,
    /// When it was signed.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub created_at: String,
    /// The organization.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub organization_id: String,
    /// The agent that called.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub agent_id: String,
    /// The credential that it called with.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub credential_id: Option<String>,
    /// The run of the agent.
    pub instance_id: String,
    /// The operation.
    pub action: String,
    /// The target.
    pub resource: String,
    /// What the policy said.
    pub verdict: Option<Verdict>,
    /// What came of it.
    pub decision: ReceiptDecision,
    /// Which rule decided and why.
    pub reason: String,
    /// How much is at stake.
    pub risk_level: RiskLevel,
    /// The policy's version.
    pub policy_version: String,
    /// `sha256:<hex>` of the policy version's canonical form.
    pub policy_digest: String,
    /// The rule that decided.
    pub rule_id: Option<String>,
    /// Who carries out an allowed action.
    pub performed_by: Option<PerformedBy>,
    /// Until when the agent may perform it itself.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub valid_until: Option<String>,
    /// `sha256:<hex>` of the canonical request.
    pub request_hash: String,
    /// `sha256:<hex>` of the target's raw response body.
    pub response_hash: Option<String>,
    /// The connector that was called.
    pub connector: Option<ConnectorRef>,
    /// What it did.
    pub execution: Option<Execution>,
    /// The approval.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub approval_id: Option<String>,
    /// The approval's revision.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub revision: Option<u32>,
    /// Who voted.
    pub approvers: Option<Vec<Approver>>,
    /// The time-boxed grant that answered.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub grant_id: Option<String>,
    /// The caller's idempotency key.
    pub idempotency_key: Option<String>,
    /// Keyed hash of the effect.
    pub effect_hash: Option<String>,
    /// Hash of the facts that the verdict read.
    pub facts_hash: Option<String>,
    /// The key that signed: RFC 7638 thumbprint.
    pub key_id: String,
    /// `ed25519:<base64url>` over the canonical receipt without this field.
    pub signature: String,
}

/// A connector at a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConnectorRef {
    /// The connector.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub id: String,
    /// Its version.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub version: u32,
}

/// A vote, as a receipt has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Approver {
    /// Who.
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
}

/// Receipts, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReceiptList {
    /// The page.
    pub receipts: Vec<Receipt>,
    /// What to give as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// What a verification found. Tampered is an answer, not an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Verification {
    /// Whether no check failed.
    pub valid: bool,
    /// What is wrong; null if valid.
    pub reason: Option<String>,
    /// Each check.
    pub checks: Checks,
}

/// The checks of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Checks {
    /// The signature over the stored bytes.
    pub signature: CheckOutcome,
    /// The key is one of this gateway's.
    pub key: CheckOutcome,
    /// The indexed columns say what the receipt says.
    pub columns: CheckOutcome,
    /// The receipt is in the log.
    pub log: CheckOutcome,
}
