//! The answer to a tool call.

use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::error::Error;
use crate::problem::text;

/// What the gateway decided and, where a connector acted, what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionResult {
    /// `allow`, `deny` or `pending_approval`; anything else is not an allow.
    pub decision: String,
    /// The signed receipt of this decision.
    pub receipt_id: String,
    /// What to poll, for `pending_approval`.
    pub approval_id: Option<String>,
    /// The connector's response, if one executed the action.
    pub tool_response: Option<Map<String, Value>>,
    /// Which rule decided, and why.
    pub reason: Option<String>,
    /// `low`, `medium` or `high`.
    pub risk_level: Option<String>,
    /// The policy version that decided.
    pub policy_version: Option<String>,
    /// `gateway` or `agent`: who carries out an allowed action.
    pub performed_by: Option<String>,
    /// Until when the agent may act on an allow that it performs itself (RFC 3339).
    pub valid_until: Option<String>,
    /// The execution, when a connector was called.
    pub execution: Option<Map<String, Value>>,
    /// Whether this is the stored answer of an earlier call with the same key.
    pub replayed: bool,
}

impl ActionResult {
    /// Reads an answer. Unknown members are ignored, wrong-typed optional ones are as if absent.
    pub fn parse(answer: &Answer) -> Result<Self, Error> {
        if answer.status != 200 {
            return Err(Error::refused(answer));
        }
        let invalid = || Error::invalid(answer, "`decision` or `receipt_id`");
        let Ok(Value::Object(mut members)) = serde_json::from_slice(&answer.body) else {
            return Err(invalid());
        };
        let needed = |name| text(&members, name).filter(|t| !t.is_empty());
        Ok(Self {
            decision: needed("decision").ok_or_else(invalid)?,
            receipt_id: needed("receipt_id").ok_or_else(invalid)?,
            approval_id: text(&members, "approval_id"),
            reason: text(&members, "reason"),
            risk_level: text(&members, "risk_level"),
            policy_version: text(&members, "policy_version"),
            performed_by: text(&members, "performed_by"),
            valid_until: text(&members, "valid_until"),
            tool_response: object(&mut members, "tool_response"),
            execution: object(&mut members, "execution"),
            replayed: answer.replayed,
        })
    }
}

pub(crate) fn object(members: &mut Map<String, Value>, name: &str) -> Option<Map<String, Value>> {
    match members.remove(name) {
        Some(Value::Object(object)) => Some(object),
        _ => None,
    }
}
