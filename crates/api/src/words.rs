//! The closed sets of words that the wire knows

use std::{fmt, str::FromStr};

/// A text that is none of a set's words.
///
/// The text itself is not kept: it may come from anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownWord {
    /// The words that would have been right.
    pub expected: &'static [&'static str],
}

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be one of ")?;
        for (at, word) in self.expected.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            write!(f, "`{word}`")?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownWord {}

macro_rules! words {
    ($(
        $(#[$meta:meta])*
        $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $text:tt, )+ }
    )+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum $name {
            $( $(#[$variant_meta])* #[serde(rename = $text)] $variant, )+
        }

        impl $name {
            /// Every word of the set, in the order of the documentation.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            /// The texts of all words, in the same order.
            pub const TEXTS: &'static [&'static str] = &[ $( $text, )+ ];

            /// The word as the wire has it.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $text, )+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                match text {
                    $( $text => Ok(Self::$variant), )+
                    _ => Err(UnknownWord { expected: Self::TEXTS }),
                }
            }
        }
    )+};
}

words! {
    /// What came of a tool call, as the agent is told.
    Decision {
        /// The action may happen, or has happened.
        Allow = "allow",
        /// The action must not happen.
        Deny = "deny",
        /// A person decides first.
        PendingApproval = "pending_approval",
    }

    /// What came of a tool call, as a receipt says it.
    ReceiptDecision {
        /// Allowed; nothing had to be executed, or it succeeded.
        Allow = "allow",
        /// Denied.
        Deny = "deny",
        /// A person was asked.
        PendingApproval = "pending_approval",
        /// Evaluation or execution failed, or its outcome is not known.
        Error = "error",
    }

    /// What the policy said.
    Verdict {
        /// The rule allows.
        Allow = "allow",
        /// The rule denies, or no rule applied.
        Deny = "deny",
        /// The rule asks for a person.
        RequireApproval = "require_approval",
        /// Evaluation itself failed.
        Error = "error",
    }

    /// What a rule decides.
    RuleDecision {
        /// Allow.
        Allow = "allow",
        /// Deny.
        Deny = "deny",
        /// Ask a person.
        RequireApproval = "require_approval",
    }

    /// How much is at stake, as the policy sees it.
    RiskLevel {
        /// Low.
        Low = "low",
        /// Medium.
        Medium = "medium",
        /// High.
        High = "high",
    }

    /// Who carries out an allowed action.
    PerformedBy {
        /// A connector of the gateway.
        Gateway = "gateway",
        /// The agent itself: no connector matches.
        Agent = "agent",
    }

    /// What is known of an execution.
    ExecutionStatus {
        /// The intent is recorded, the outcome is not.
        Pending = "pending",
        /// A 2xx status was received.
        Succeeded = "succeeded",
        /// It provably did not act.
        Failed = "failed",
        /// Nobody knows.
        Unknown = "unknown",
    }

    /// Why an execution did not succeed.
    ExecutionDetail {
        /// No byte was sent.
        NotSent = "not_sent",
        /// The target answered that it did not act.
        Refused = "refused",
        /// No answer in time.
        Timeout = "timeout",
        /// The connection broke, or the answer was no answer.
        Broken = "broken",
        /// The node that started it did not live to see the outcome.
        LeftBehind = "left_behind",
    }

    /// How much of the target's response was read.
    ResponseState {
        /// All of it.
        Complete = "complete",
        /// A part: cut, too long or unreadable.
        Incomplete = "incomplete",
        /// None.
        None = "none",
    }

    /// The state of an approval.
    ApprovalStatus {
        /// Nobody has decided.
        Pending = "pending",
        /// A person approved, and the consequence is recorded.
        Approved = "approved",
        /// A person denied.
        Denied = "denied",
        /// Nobody decided in time.
        Expired = "expired",
        /// It can no longer be decided.
        Cancelled = "cancelled",
    }

    /// Why an approval was cancelled.
    BlockedBy {
        /// What was approved is not what is stored.
        Digest = "digest",
        /// The agent was disabled.
        AgentDisabled = "agent_disabled",
        /// The connector is another one, or changed.
        ConnectorChanged = "connector_changed",
        /// A version activated since denies, or asks for more.
        Policy = "policy",
        /// The agent's credentials were rotated with `cancel_pending`.
        CredentialRotated = "credential_rotated",
    }

    /// What an approver says.
    VoteKind {
        /// Do it.
        Approve = "approve",
        /// Do not.
        Deny = "deny",
    }

    /// Through which channel a vote came.
    Channel {
        /// A personal access token: the API and the command line.
        Token = "token",
    }

    /// Whether an agent may call.
    AgentStatus {
        /// It may.
        Active = "active",
        /// Its calls are 403.
        Disabled = "disabled",
    }

    /// What a member of an organization may do.
    Role {
        /// Everything.
        Owner = "owner",
        /// Everything but what concerns Owners.
        Admin = "admin",
        /// Read everything, decide approvals.
        Approver = "approver",
        /// Read, simulate, verify. Never secrets.
        Viewer = "viewer",
    }

    /// What a personal access token may be used for, within its role.
    Scope {
        /// Read.
        Read = "read",
        /// Change what the role may change.
        Manage = "manage",
        /// Decide approvals.
        DecideApprovals = "approvals:decide",
        /// Read the log.
        ReadLog = "log:read",
    }

    /// What happened when a receipt was written.
    ReceiptEvent {
        /// A call was decided, and executed where a connector does it.
        Call = "call",
        /// A person was asked.
        ApprovalRequested = "approval_requested",
        /// The approval is over.
        ApprovalClosed = "approval_closed",
        /// An unknown outcome was resolved.
        Resolution = "resolution",
        /// A true outcome came in for a closed record.
        LateOutcome = "late_outcome",
    }

    /// How one check of a verification went.
    CheckOutcome {
        /// It holds.
        Ok = "ok",
        /// It does not.
        Failed = "failed",
        /// It was not looked at.
        NotChecked = "not_checked",
    }
}

#[cfg(test)]
mod tests {
    use super::{ApprovalStatus, Scope};

    #[test]
    fn words_read_back_as_they_are_written() {
        for word in Scope::ALL {
            assert_eq!(word.as_str().parse(), Ok(*word));
            assert_eq!(
                serde_json::to_string(word).unwrap(),
                format!("{:?}", word.as_str())
            );
        }
    }

    #[test]
    fn an_unknown_word_names_the_known_ones_and_not_itself() {
        let error = "secret".parse::<ApprovalStatus>().unwrap_err().to_string();
        assert_eq!(
            error,
            "must be one of `pending`, `approved`, `denied`, `expired`, `cancelled`"
        );
    }
}
