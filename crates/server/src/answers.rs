//! How a closed call is answered: rendered from its receipt, the same bytes for ever

use http::StatusCode;
use relynt_api::{Decision, ErrorCode, Json, Problem, ToolCallAnswer};
use relynt_gateway::ports::{AnswerParts, Answers, RenderedAnswer};
use relynt_ledger::{Decision as Came, ExecutionStatus, PolicyVerdict, Receipt};

use crate::wire::ToWire;

/// The wire's rendering of answers, format 1.
///
/// A change of what is rendered is a new format number, and the old one stays: a replay is byte
/// for byte what was answered first.
#[derive(Debug, Clone, Copy, Default)]
pub struct WireAnswers;

impl Answers for WireAnswers {
    fn format(&self) -> u16 {
        1
    }

    fn render(&self, answer: &AnswerParts<'_>) -> RenderedAnswer {
        let receipt = answer.receipt;
        match receipt.decision {
            Came::Allow => decided(Decision::Allow, answer),
            Came::Deny => decided(Decision::Deny, answer),
            Came::PendingApproval => decided(Decision::PendingApproval, answer),
            Came::Error if receipt.verdict == Some(PolicyVerdict::Error) => {
                problem(ErrorCode::PolicyError, receipt.reason.clone(), answer)
            }
            Came::Error => problem(ErrorCode::ConnectorError, outcome(receipt), answer),
        }
    }
}

fn decided(decision: Decision, answer: &AnswerParts<'_>) -> RenderedAnswer {
    let receipt = answer.receipt;
    let allowed = decision == Decision::Allow;
    rendered(
        StatusCode::OK,
        &ToolCallAnswer {
            decision,
            receipt_id: receipt.receipt_id.clone(),
            reason: receipt.reason.clone(),
            risk_level: receipt.risk_level.wire(),
            policy_version: receipt.policy_version.clone(),
            approval_id: receipt.approval_id.clone(),
            tool_response: json(answer.tool_response),
            performed_by: receipt.performed_by.filter(|_| allowed).map(|by| by.wire()),
            valid_until: receipt.valid_until.clone().filter(|_| allowed),
            execution: receipt.execution.as_ref().map(ToWire::wire),
            tool_response_erased: answer.tool_response_erased,
        },
    )
}

fn problem(code: ErrorCode, detail: String, answer: &AnswerParts<'_>) -> RenderedAnswer {
    let receipt = answer.receipt;
    let problem = Problem {
        receipt_id: Some(receipt.receipt_id.clone()),
        execution: receipt.execution.as_ref().map(ToWire::wire),
        tool_response: json(answer.tool_response),
        ..Problem::new(code, detail, answer.request_id)
    };
    let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    rendered(status, &problem)
}

/// What came of an execution that did not succeed, in a sentence.
fn outcome(receipt: &Receipt) -> String {
    match receipt.execution.as_ref().map(|done| done.status) {
        Some(ExecutionStatus::Failed) => {
            "the action was allowed, but the connector's target did not carry it out"
        }
        _ => "the action was allowed, but whether it was carried out is not known",
    }
    .to_owned()
}

fn json(text: Option<&str>) -> Option<Json> {
    Json::from_text(text?.to_owned()).ok()
}

fn rendered<T: serde::Serialize>(status: StatusCode, body: &T) -> RenderedAnswer {
    RenderedAnswer {
        http_status: status.as_u16(),
        // These types have no map with keys that are not texts: writing them does not fail.
        body: serde_json::to_vec(body).unwrap_or_default(),
    }
}
