//! What is written down about a decision, and signed.

use relynt_domain::{
    AgentId, ApprovalId, ApprovalRecord, Decision, OrganizationId, ReceiptId, RiskLevel, Timestamp,
    ToolCall, Verdict, Vote,
};
pub(crate) use relynt_ledger::sha256;
use relynt_ledger::{Approver, ConnectorRef, Receipt, SigningKey};

use crate::ports::{DecideError, Execution, NewReceipt};

/// Translates a closed set of words from the domain to the ledger: the two sets are the same, and
/// a test of this module says so.
macro_rules! ledger_words {
    ($($name:ident: $domain:ty => $ledger:ty { $($variant:ident),* $(,)? })*) => {$(
        pub(crate) const fn $name(word: $domain) -> $ledger {
            match word { $(<$domain>::$variant => <$ledger>::$variant,)* }
        }
    )*};
}

ledger_words! {
    verdict_word: Verdict => relynt_ledger::PolicyVerdict { Allow, Deny, RequireApproval, Error }
    decision_word: Decision => relynt_ledger::Decision { Allow, Deny, PendingApproval, Error }
    risk_word: RiskLevel => relynt_ledger::RiskLevel { Low, Medium, High }
    status_word: relynt_domain::ExecutionStatus => relynt_ledger::ExecutionStatus {
        Pending, Succeeded, Failed, Unknown,
    }
    detail_word: relynt_domain::ExecutionDetail => relynt_ledger::ExecutionDetail {
        NotSent, Refused, Timeout, Broken, LeftBehind,
    }
    response_word: relynt_domain::ResponseState => relynt_ledger::ResponseState {
        Complete, Incomplete, None,
    }
    vote_word: relynt_domain::VoteKind => relynt_ledger::Vote { Approve, Deny }
    channel_word: relynt_domain::Channel => relynt_ledger::Channel { Token }
}

/// `sha256:<hex>` of a digest that is already there.
pub(crate) fn hash_text(digest: &[u8; 32]) -> String {
    let hex = |nibble: u8| nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
    let mut text = Vec::with_capacity(71);
    text.extend_from_slice(b"sha256:");
    text.extend(
        digest
            .iter()
            .flat_map(|byte| [hex(byte >> 4), hex(byte & 15)]),
    );
    // Nothing but ASCII was written.
    String::from_utf8(text).unwrap_or_default()
}

/// The policy that spoke, as receipts name it.
#[derive(Debug, Clone)]
pub(crate) struct PolicyRef {
    pub(crate) version: String,
    pub(crate) digest: String,
}

/// What a policy said.
#[derive(Debug, Clone)]
pub(crate) struct Ruling {
    pub(crate) verdict: Verdict,
    pub(crate) risk_level: RiskLevel,
    pub(crate) reason: String,
    pub(crate) rule_id: Option<String>,
}

/// The receipt of a call as far as its verdict tells; the decision is set by what comes of it.
pub(crate) fn of_call(
    call: &ToolCall,
    id: ReceiptId,
    policy: &PolicyRef,
    ruling: &Ruling,
    at: Timestamp,
) -> Receipt {
    Receipt {
        event: relynt_ledger::Event::Call,
        receipt_id: id.to_string(),
        previous_receipt_id: None,
        created_at: at.to_string(),
        organization_id: call.organization.to_string(),
        agent_id: call.agent.to_string(),
        credential_id: Some(call.credential.to_string()),
        instance_id: call.instance_id.to_string(),
        action: call.action.to_string(),
        resource: call.resource.to_string(),
        verdict: Some(verdict_word(ruling.verdict)),
        decision: relynt_ledger::Decision::Error,
        reason: ruling.reason.clone(),
        risk_level: risk_word(ruling.risk_level),
        policy_version: policy.version.clone(),
        policy_digest: policy.digest.clone(),
        rule_id: ruling.rule_id.clone(),
        performed_by: None,
        valid_until: None,
        request_hash: hash_text(&call.request_hash),
        response_hash: None,
        connector: None,
        execution: None,
        approval_id: None,
        revision: None,
        approvers: None,
        grant_id: None,
        idempotency_key: Some(call.key.as_str().to_owned()),
        effect_hash: None,
        facts_hash: Some(hash_text(&call.facts_hash)),
    }
}

/// The receipt of an approval's end, in everything that its request already says.
pub(crate) fn of_approval(
    organization: OrganizationId,
    approval: &ApprovalRecord,
    id: ReceiptId,
    at: Timestamp,
) -> Receipt {
    Receipt {
        event: relynt_ledger::Event::ApprovalClosed,
        receipt_id: id.to_string(),
        previous_receipt_id: Some(approval.receipt_id.to_string()),
        created_at: at.to_string(),
        organization_id: organization.to_string(),
        agent_id: approval.agent.to_string(),
        credential_id: Some(approval.credential.to_string()),
        instance_id: approval.instance_id.to_string(),
        action: approval.action.clone(),
        resource: approval.resource.clone(),
        verdict: Some(relynt_ledger::PolicyVerdict::RequireApproval),
        decision: relynt_ledger::Decision::Error,
        reason: approval.reason.clone(),
        risk_level: risk_word(approval.risk_level),
        policy_version: approval.policy_version.to_string(),
        policy_digest: hash_text(&approval.policy_digest),
        rule_id: approval.rule_id.clone(),
        performed_by: None,
        valid_until: None,
        request_hash: hash_text(&approval.request_hash),
        response_hash: None,
        connector: None,
        execution: None,
        approval_id: Some(approval.id.to_string()),
        revision: Some(approval.revision),
        approvers: Some(approval.votes.iter().map(approver).collect()),
        grant_id: None,
        idempotency_key: Some(approval.idempotency_key.as_str().to_owned()),
        effect_hash: None,
        facts_hash: None,
    }
}

/// A vote as receipts have it.
pub(crate) fn approver(vote: &Vote) -> Approver {
    Approver {
        by: vote.by.to_string(),
        vote: vote_word(vote.vote),
        at: vote.at.to_string(),
        channel: channel_word(vote.channel),
        revision: vote.revision,
    }
}

/// An execution as receipts have it.
pub(crate) fn execution(execution: &Execution) -> relynt_ledger::Execution {
    relynt_ledger::Execution {
        execution_id: execution.id.to_string(),
        status: status_word(execution.status),
        detail: execution.detail.map(detail_word),
        response: response_word(execution.response),
        connector_id: execution.connector.to_string(),
        connector_version: execution.connector_version,
        attempts: execution.attempts,
        http_status: execution.http_status,
        started_at: execution.started_at.to_string(),
        finished_at: execution.finished_at.map(|at| at.to_string()),
    }
}

/// A connector as receipts have it.
pub(crate) fn connector(id: relynt_domain::ConnectorId, version: u32) -> ConnectorRef {
    ConnectorRef {
        id: id.to_string(),
        version,
    }
}

/// The columns that a receipt is found by, which it repeats.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns {
    pub(crate) id: ReceiptId,
    pub(crate) created_at: Timestamp,
    pub(crate) agent: AgentId,
    pub(crate) approval: Option<ApprovalId>,
    pub(crate) decision: Decision,
    pub(crate) risk_level: RiskLevel,
}

/// Signs a receipt and puts its columns beside it.
pub(crate) fn sign(
    mut receipt: Receipt,
    columns: Columns,
    key: &SigningKey,
) -> Result<NewReceipt, DecideError> {
    // The columns are written from the same values, so that the two cannot differ.
    receipt.receipt_id = columns.id.to_string();
    receipt.created_at = columns.created_at.to_string();
    receipt.approval_id = columns.approval.map(|id| id.to_string());
    receipt.decision = decision_word(columns.decision);
    receipt.risk_level = risk_word(columns.risk_level);
    let (instance_id, action, resource) = (
        receipt.instance_id.clone(),
        receipt.action.clone(),
        receipt.resource.clone(),
    );
    let signed = receipt
        .sign(key)
        .map_err(|error| DecideError(error.to_string()))?;
    Ok(NewReceipt {
        id: columns.id,
        created_at: columns.created_at,
        agent: columns.agent,
        instance_id,
        approval: columns.approval,
        action,
        resource,
        decision: columns.decision,
        risk_level: columns.risk_level,
        signed,
    })
}

/// The domain's word for the ledger's, for receipts that are read back.
pub(crate) fn risk_of(receipt: &Receipt) -> RiskLevel {
    match receipt.risk_level {
        relynt_ledger::RiskLevel::Low => RiskLevel::Low,
        relynt_ledger::RiskLevel::Medium => RiskLevel::Medium,
        relynt_ledger::RiskLevel::High => RiskLevel::High,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_domain_and_ledger_are_the_same() {
        assert_eq!(
            detail_word(relynt_domain::ExecutionDetail::LeftBehind).as_str(),
            relynt_domain::ExecutionDetail::LeftBehind.as_str()
        );
        for decision in [
            Decision::Allow,
            Decision::Deny,
            Decision::PendingApproval,
            Decision::Error,
        ] {
            assert_eq!(decision_word(decision).as_str(), decision.as_str());
        }
        for verdict in [
            Verdict::Allow,
            Verdict::Deny,
            Verdict::RequireApproval,
            Verdict::Error,
        ] {
            assert_eq!(verdict_word(verdict).as_str(), verdict.as_str());
        }
    }

    #[test]
    fn a_digest_is_written_as_the_ledger_writes_it() {
        assert_eq!(hash_text(&sha256(b"x")), relynt_ledger::sha256_text(b"x"));
    }
}
