//! The closed sets of words that a receipt may use.

/// A text that is none of the words of its set. The text is not kept: it may come from anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a word of the receipt format")]
pub struct UnknownWord;

macro_rules! words {
    ($(
        $(#[$doc:meta])*
        $name:ident { $( $(#[$variant_doc:meta])* $variant:ident = $text:literal, )+ }
    )+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $( $(#[$variant_doc])* $variant, )+
        }

        impl $name {
            /// Every word of the set.
            pub const ALL: &'static [Self] = &[ $( Self::$variant, )+ ];

            /// The word as the receipt has it.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $text, )+ }
            }

            /// The word for a text, if it is one.
            pub fn from_text(text: &str) -> Option<Self> {
                match text {
                    $( $text => Some(Self::$variant), )+
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                Self::from_text(text).ok_or(UnknownWord)
            }
        }
    )+};
}

words! {
    /// Why a receipt was written.
    Event {
        /// A call was decided, and executed where that is the gateway's part.
        Call = "call",
        /// A person is asked.
        ApprovalRequested = "approval_requested",
        /// An approval ended, however.
        ApprovalClosed = "approval_closed",
        /// An unknown outcome was resolved.
        Resolution = "resolution",
        /// An outcome became known after its record was closed.
        LateOutcome = "late_outcome",
    }

    /// What the policy said.
    PolicyVerdict {
        /// The rule allows.
        Allow = "allow",
        /// The rule denies, or none applied.
        Deny = "deny",
        /// The rule asks for a person.
        RequireApproval = "require_approval",
        /// Evaluation itself failed.
        Error = "error",
    }

    /// What came of the call.
    Decision {
        /// Allowed: nothing had to be executed by the gateway, or it succeeded.
        Allow = "allow",
        /// Denied.
        Deny = "deny",
        /// A person was asked.
        PendingApproval = "pending_approval",
        /// Evaluation or execution failed, or its outcome is not known.
        Error = "error",
    }

    /// How much is at stake.
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
        /// The agent itself.
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
        /// The connection broke, or the answer was none.
        Broken = "broken",
        /// The node that started it did not record an outcome.
        LeftBehind = "left_behind",
    }

    /// How much of the target's response was read.
    ResponseState {
        /// All of it.
        Complete = "complete",
        /// A part of it.
        Incomplete = "incomplete",
        /// Nothing.
        None = "none",
    }

    /// What an approver said.
    Vote {
        /// Do it.
        Approve = "approve",
        /// Do not.
        Deny = "deny",
    }

    /// Through which channel a vote came.
    Channel {
        /// Signed with a passkey.
        Passkey = "passkey",
        /// The pages.
        Dashboard = "dashboard",
        /// Slack.
        Slack = "slack",
        /// A personal access token.
        Token = "token",
    }
}
