//! The state machine of an approval: `pending`, then one of four ends.

use std::fmt;

use crate::decision::words;
use crate::{
    AgentId, ApprovalId, ConnectorId, CredentialId, ExecutionId, IdempotencyKey, InstanceId,
    PerformedBy, PolicyVersion, ReceiptId, RiskLevel, Timestamp, UserId,
};

words! {
    /// How an approval stands.
    ApprovalStatus {
        /// A person is asked.
        Pending = "pending",
        /// The vote that decided said yes.
        Approved = "approved",
        /// A person said no.
        Denied = "denied",
        /// Nobody said anything in time.
        Expired = "expired",
        /// Something that it was bound to changed.
        Cancelled = "cancelled",
    }
    /// Why an approval was cancelled.
    BlockedBy {
        /// The request is not the one that was shown.
        Digest = "digest",
        /// Its agent was disabled.
        AgentDisabled = "agent_disabled",
        /// The connector is another one, or goes elsewhere.
        ConnectorChanged = "connector_changed",
        /// A version activated since would deny.
        Policy = "policy",
        /// Its agent's credentials were rotated with `cancel_pending`.
        CredentialRotated = "credential_rotated",
    }
    /// What a vote says.
    VoteKind {
        /// Yes.
        Approve = "approve",
        /// No.
        Deny = "deny",
    }
    /// How a vote came in.
    Channel {
        /// By access token: the API and the command line.
        Token = "token",
    }
}

/// Who decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decider {
    /// A member: `user:<uuid>`.
    User(UserId),
}

impl fmt::Display for Decider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
        }
    }
}

impl std::str::FromStr for Decider {
    type Err = crate::IdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.strip_prefix("user:")
            .ok_or(crate::IdError)?
            .parse()
            .map(Self::User)
    }
}

/// One vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// Whose.
    pub by: Decider,
    /// What it says.
    pub vote: VoteKind,
    /// When it was taken.
    pub at: Timestamp,
    /// How it came in.
    pub channel: Channel,
    /// On which revision of the request.
    pub revision: u32,
}

/// The approval is not pending any more, so that nothing may change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the approval is already {0}")]
pub struct TransitionError(pub ApprovalStatus);

impl ApprovalStatus {
    /// The one transition there is: from pending to an end. The first wins.
    ///
    /// # Errors
    /// It has already ended, or the target is no end.
    pub const fn end(self, to: Self) -> Result<Self, TransitionError> {
        match (self, to) {
            (Self::Pending, Self::Pending) => Err(TransitionError(Self::Pending)),
            (Self::Pending, to) => Ok(to),
            (ended, _) => Err(TransitionError(ended)),
        }
    }

    /// Whether nothing can change it any more.
    pub const fn is_end(self) -> bool {
        !matches!(self, Self::Pending)
    }
}

/// A stored approval, without the request it is about (which is sealed apart).
#[derive(Debug, Clone)]
pub struct ApprovalRecord {
    /// Its id.
    pub id: ApprovalId,
    /// How it stands.
    pub status: ApprovalStatus,
    /// When the person was asked.
    pub created_at: Timestamp,
    /// Until when a vote counts.
    pub expires_at: Timestamp,
    /// Which revision of the request is to be decided, from 1.
    pub revision: u32,
    /// Who asked.
    pub agent: AgentId,
    /// With which credential.
    pub credential: CredentialId,
    /// The key of the call that asked.
    pub idempotency_key: IdempotencyKey,
    /// In which run.
    pub instance_id: InstanceId,
    /// What to do.
    pub action: String,
    /// To what.
    pub resource: String,
    /// What the approval is bound to: SHA-256 of action, payload and resource.
    pub request_digest: [u8; 32],
    /// SHA-256 of the body with `instance_id`, for the receipts.
    pub request_hash: [u8; 32],
    /// Why a person is asked.
    pub reason: String,
    /// How bad it would be.
    pub risk_level: RiskLevel,
    /// The version that asked.
    pub policy_version: PolicyVersion,
    /// SHA-256 of that version.
    pub policy_digest: [u8; 32],
    /// The rule that asked.
    pub rule_id: Option<String>,
    /// The connector that would perform it, with the hash of where it goes; none: the agent.
    pub connector: Option<(ConnectorId, [u8; 32])>,
    /// Who will perform it, or did.
    pub performed_by: PerformedBy,
    /// Until when the agent may act on it, once approved.
    pub valid_until: Option<Timestamp>,
    /// The receipt of the request.
    pub receipt_id: ReceiptId,
    /// The receipt of its end.
    pub final_receipt_id: Option<ReceiptId>,
    /// Who decided.
    pub decided_by: Option<Decider>,
    /// When it ended.
    pub decided_at: Option<Timestamp>,
    /// The decider's remark.
    pub note: Option<String>,
    /// Why it was cancelled.
    pub blocked_by: Option<BlockedBy>,
    /// The execution that it started.
    pub execution: Option<ExecutionId>,
    /// The votes, in order.
    pub votes: Vec<Vote>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_pending_approval_can_end_and_only_once() {
        use ApprovalStatus as S;
        let ends = [S::Approved, S::Denied, S::Expired, S::Cancelled];
        for to in ends {
            assert_eq!(S::Pending.end(to), Ok(to));
            assert!(to.is_end());
            for again in ends.into_iter().chain([S::Pending]) {
                assert_eq!(to.end(again), Err(TransitionError(to)));
            }
        }
        assert!(S::Pending.end(S::Pending).is_err());
        assert!(!S::Pending.is_end());
    }
}
