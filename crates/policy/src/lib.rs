//! Rules: parse, check, compile, evaluate, explain.
//!
//! A policy is an ordered list of rules; read from the top, the first rule that applies decides.
//! Evaluation is a pure function: same policy, same request, same verdict and reason, on any
//! machine, later too. Nothing here does input or output, asks the time or panics.
//!
//! ```
//! use relynt_policy::{Policy, Request, Verdict};
//!
//! let rules = relynt_json::parse(br#"[
//!     {"id": "closing", "action": "update_deal", "resource_pattern": "crm:deal:*",
//!      "decision": "require_approval", "risk_level": "high",
//!      "conditions": {"require_approval_if_stage": ["closed_won"]}},
//!     {"action": "update_deal", "resource_pattern": "crm:deal:*", "decision": "allow"}
//! ]"#)?;
//! let policy = Policy::parse(&rules, &|_| false).unwrap();
//!
//! let payload = relynt_json::parse(br#"{"stage": "Closed_Won"}"#)?;
//! let evaluation = policy.evaluate(&Request {
//!     action: "update_deal",
//!     resource: "crm:deal:123",
//!     payload: Some(&payload),
//!     agent: None,
//! });
//! assert_eq!(evaluation.verdict, Verdict::RequireApproval);
//! assert_eq!(
//!     evaluation.reason,
//!     "rule `closing` (1) requires approval: stage is in [closed_won] (require_approval_if_stage)"
//! );
//! # Ok::<(), relynt_json::ParseError>(())
//! ```

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod conditions;
mod default;
mod duration;
mod evaluate;
mod facts;
mod fields;
mod index;
mod limits;
mod magnitude;
mod parse;
mod pattern;
mod policy;
mod reason;
mod rule;
mod text;
mod vocabulary;

pub use default::default_policy_rules;
pub use evaluate::{AgentFacts, Evaluation, Explanation, Request, Skipped};
pub use limits::{
    MAX_DESCRIPTION_CHARS, MAX_DOTTED_PARTS, MAX_EXPIRES_IN, MAX_FAULTS, MAX_ID_CHARS,
    MAX_LIST_ITEM_CHARS, MAX_LIST_ITEMS, MAX_PATTERN_CHARS, MAX_REASON_BYTES, MAX_RULES,
    MAX_TAG_CHARS, MIN_EXPIRES_IN,
};
pub use pattern::{Pattern, PatternError};
pub use policy::Policy;
pub use relynt_domain::{Fault, RiskLevel, Verdict};
