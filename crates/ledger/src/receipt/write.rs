//! The quick way to a receipt's canonical bytes: its keys are ASCII and known, so their order is
//! written down here instead of sorted each time. A test compares it with the general way.

use super::{Approver, ConnectorRef, Execution, Receipt};
use crate::key::KeyId;
use crate::members::{number, optional, string, word};
use crate::words::{ExecutionDetail, PerformedBy, PolicyVerdict};

/// Appends the receipt without its signature; says where the signature belongs.
pub(super) fn receipt(of: &Receipt, key_id: &KeyId, out: &mut Vec<u8>) -> usize {
    string("{\"action\":", &of.action, out);
    string(",\"agent_id\":", &of.agent_id, out);
    optional(",\"approval_id\":", of.approval_id.as_deref(), out);
    approvers(of.approvers.as_deref(), out);
    connector(of.connector.as_ref(), out);
    string(",\"created_at\":", &of.created_at, out);
    optional(",\"credential_id\":", of.credential_id.as_deref(), out);
    word(",\"decision\":", of.decision.as_str(), out);
    optional(",\"effect_hash\":", of.effect_hash.as_deref(), out);
    word(",\"event\":", of.event.as_str(), out);
    execution(of.execution.as_ref(), out);
    optional(",\"facts_hash\":", of.facts_hash.as_deref(), out);
    optional(",\"grant_id\":", of.grant_id.as_deref(), out);
    optional(",\"idempotency_key\":", of.idempotency_key.as_deref(), out);
    string(",\"instance_id\":", &of.instance_id, out);
    word(",\"key_id\":", key_id.as_str(), out);
    string(",\"organization_id\":", &of.organization_id, out);
    optional(
        ",\"performed_by\":",
        of.performed_by.map(PerformedBy::as_str),
        out,
    );
    string(",\"policy_digest\":", &of.policy_digest, out);
    string(",\"policy_version\":", &of.policy_version, out);
    optional(
        ",\"previous_receipt_id\":",
        of.previous_receipt_id.as_deref(),
        out,
    );
    string(",\"reason\":", &of.reason, out);
    string(",\"receipt_id\":", &of.receipt_id, out);
    string(",\"request_hash\":", &of.request_hash, out);
    string(",\"resource\":", &of.resource, out);
    optional(",\"response_hash\":", of.response_hash.as_deref(), out);
    number(",\"revision\":", of.revision, out);
    word(",\"risk_level\":", of.risk_level.as_str(), out);
    optional(",\"rule_id\":", of.rule_id.as_deref(), out);
    word(",\"schema\":", Receipt::SCHEMA, out);
    let signature_at = out.len();
    optional(",\"valid_until\":", of.valid_until.as_deref(), out);
    optional(",\"verdict\":", of.verdict.map(PolicyVerdict::as_str), out);
    out.push(b'}');
    signature_at
}

fn approvers(of: Option<&[Approver]>, out: &mut Vec<u8>) {
    let Some(votes) = of else {
        out.extend_from_slice(b",\"approvers\":null");
        return;
    };
    out.extend_from_slice(b",\"approvers\":[");
    for (position, vote) in votes.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        string("{\"at\":", &vote.at, out);
        string(",\"by\":", &vote.by, out);
        word(",\"channel\":", vote.channel.as_str(), out);
        number(",\"revision\":", Some(vote.revision), out);
        word(",\"vote\":", vote.vote.as_str(), out);
        out.push(b'}');
    }
    out.push(b']');
}

fn connector(of: Option<&ConnectorRef>, out: &mut Vec<u8>) {
    let Some(connector) = of else {
        out.extend_from_slice(b",\"connector\":null");
        return;
    };
    string(",\"connector\":{\"id\":", &connector.id, out);
    number(",\"version\":", Some(connector.version), out);
    out.push(b'}');
}

fn execution(of: Option<&Execution>, out: &mut Vec<u8>) {
    let Some(execution) = of else {
        out.extend_from_slice(b",\"execution\":null");
        return;
    };
    number(
        ",\"execution\":{\"attempts\":",
        Some(execution.attempts),
        out,
    );
    string(",\"connector_id\":", &execution.connector_id, out);
    number(
        ",\"connector_version\":",
        Some(execution.connector_version),
        out,
    );
    optional(
        ",\"detail\":",
        execution.detail.map(ExecutionDetail::as_str),
        out,
    );
    string(",\"execution_id\":", &execution.execution_id, out);
    optional(",\"finished_at\":", execution.finished_at.as_deref(), out);
    number(
        ",\"http_status\":",
        execution.http_status.map(u32::from),
        out,
    );
    word(",\"response\":", execution.response.as_str(), out);
    string(",\"started_at\":", &execution.started_at, out);
    word(",\"status\":", execution.status.as_str(), out);
    out.push(b'}');
}
