//! The answer to waiting for an approval.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::action::object;
use crate::answer::Answer;
use crate::error::{Error, Refusal};
use crate::problem::text;

/// What came of an approval.
#[derive(Debug, Clone, PartialEq)]
pub struct ApprovalResult {
    /// The approval.
    pub approval_id: String,
    /// `approved`, `denied` or `expired`; a cancelled one is `denied`.
    pub status: String,
    /// Who decided, such as `slack:U12345`; none when it expired.
    pub decided_by: Option<String>,
    /// When (RFC 3339).
    pub decided_at: Option<String>,
    /// The revision of the request that was decided on.
    pub revision: Option<u64>,
    /// What the approver wrote.
    pub note: Option<String>,
    /// The final receipt.
    pub receipt_id: Option<String>,
    /// `gateway` or `agent`: who carries out the approved action.
    pub performed_by: Option<String>,
    /// Until when the agent may act on an approval that it performs itself (RFC 3339).
    pub valid_until: Option<String>,
    /// Why it was cancelled.
    pub blocked_by: Option<String>,
    /// The execution, when a connector was called.
    pub execution: Option<Map<String, Value>>,
    /// The connector's response, if one executed the action.
    pub tool_response: Option<Map<String, Value>>,
}

impl ApprovalResult {
    /// Reads the answer for a final approval. One whose execution failed or has an unknown
    /// outcome is an [`Error::Request`] with status 502 and code `connector_error`.
    pub fn parse(approval_id: &str, answer: &Answer) -> Result<Self, Error> {
        if answer.status != 200 {
            return Err(Error::refused(answer));
        }
        let invalid = || Error::invalid(answer, "`status`");
        let Ok(Value::Object(mut members)) = serde_json::from_slice(&answer.body) else {
            return Err(invalid());
        };
        let status = text(&members, "status").ok_or_else(invalid)?;
        let receipt_id =
            text(&members, "final_receipt_id").or_else(|| text(&members, "receipt_id"));
        let outcome = members.get("execution").and_then(|e| e.get("status"));
        if let Some(outcome @ ("failed" | "unknown")) = outcome.and_then(Value::as_str) {
            return Err(Error::Request(Box::new(Refusal {
                status: 502,
                code: "connector_error".to_owned(),
                detail: Some(format!("approved, but the execution's status is {outcome}")),
                request_id: answer.request_id.clone(),
                receipt_id,
                body: Some(Value::Object(members)),
            })));
        }
        Ok(Self {
            approval_id: text(&members, "approval_id").unwrap_or_else(|| approval_id.to_owned()),
            status: match status.as_str() {
                "cancelled" => "denied".to_owned(),
                _ => status,
            },
            decided_by: text(&members, "decided_by"),
            decided_at: text(&members, "decided_at"),
            revision: members.get("revision").and_then(Value::as_u64),
            note: text(&members, "note"),
            receipt_id,
            performed_by: text(&members, "performed_by"),
            valid_until: text(&members, "valid_until"),
            blocked_by: text(&members, "blocked_by"),
            execution: object(&mut members, "execution"),
            tool_response: object(&mut members, "tool_response"),
        })
    }
}

/// The two members that say whether waiting is over.
#[derive(Deserialize)]
struct Progress {
    status: String,
    #[serde(default)]
    execution: Option<ExecutionProgress>,
}

#[derive(Deserialize)]
struct ExecutionProgress {
    status: String,
}

/// Whether the approval is still open, or its execution is. What cannot be read is not: the
/// caller is told that the answer is invalid.
pub(crate) fn is_open(body: &[u8]) -> bool {
    let Ok(progress) = serde_json::from_slice::<Progress>(body) else {
        return false;
    };
    progress.status == "pending" || progress.execution.is_some_and(|e| e.status == "pending")
}
