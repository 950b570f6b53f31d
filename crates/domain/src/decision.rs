//! What a policy says, what comes of it, and what an execution did.

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The variant of this word, if it is one.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($text => Some(Self::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}
pub(crate) use words;

words! {
    /// How bad it would be.
    RiskLevel {
        /// Little.
        Low = "low",
        /// Some.
        Medium = "medium",
        /// Much.
        High = "high",
    }
    /// What the policy said.
    Verdict {
        /// Do it.
        Allow = "allow",
        /// Do not.
        Deny = "deny",
        /// Ask a person.
        RequireApproval = "require_approval",
        /// It could not be evaluated: nothing is done.
        Error = "error",
    }
    /// What came of it.
    Decision {
        /// Allowed: nothing had to be executed, or it succeeded.
        Allow = "allow",
        /// Denied.
        Deny = "deny",
        /// A person is asked.
        PendingApproval = "pending_approval",
        /// Evaluation failed, or the execution failed or is unknown.
        Error = "error",
    }
    /// Who carries out an allowed action.
    PerformedBy {
        /// A connector matched: the gateway.
        Gateway = "gateway",
        /// No connector matched: the agent itself.
        Agent = "agent",
    }
    /// Why a receipt was written.
    Event {
        /// A call was decided.
        Call = "call",
        /// A person was asked.
        ApprovalRequested = "approval_requested",
        /// An approval came to its end.
        ApprovalClosed = "approval_closed",
        /// An unknown outcome was resolved.
        Resolution = "resolution",
        /// A true outcome arrived after its record was closed.
        LateOutcome = "late_outcome",
    }
    /// How an execution stands.
    ExecutionStatus {
        /// Its intent is durable; it runs or was left behind.
        Pending = "pending",
        /// A 2xx status was received.
        Succeeded = "succeeded",
        /// It provably did not act.
        Failed = "failed",
        /// Nobody can say.
        Unknown = "unknown",
    }
    /// Why an execution did not succeed.
    ExecutionDetail {
        /// Not a byte left for the target.
        NotSent = "not_sent",
        /// The target answered that it did not act.
        Refused = "refused",
        /// No answer in time.
        Timeout = "timeout",
        /// The connection broke, or the answer says nothing certain.
        Broken = "broken",
        /// Its owner died or was too late.
        LeftBehind = "left_behind",
    }
    /// How much of the target's answer was read.
    ResponseState {
        /// All of it.
        Complete = "complete",
        /// Cut, too long or unreadable.
        Incomplete = "incomplete",
        /// None.
        None = "none",
    }
}
