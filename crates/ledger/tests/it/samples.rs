//! The records of the golden vectors, as code.

use relynt_json::{Object, Value, parse};
use relynt_ledger::{
    AdminRecord, Approver, Channel, ConnectorRef, Decision, Event, Execution, ExecutionDetail,
    ExecutionStatus, KeySet, PerformedBy, PolicyVerdict, PublishedKey, Receipt, ResponseState,
    RiskLevel, SigningKey, Trust, Vote, policy_digest, request_hash, sha256_text,
};

/// Bytes 00 to 1f: known to everybody, good for vectors alone.
pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed(&std::array::from_fn(|at| u8::try_from(at).unwrap())).unwrap()
}

/// A key that nobody named.
pub(crate) fn other_key() -> SigningKey {
    SigningKey::from_seed(&[0x42; 32]).unwrap()
}

pub(crate) fn published() -> PublishedKey {
    PublishedKey {
        not_before: Some("2026-01-01T00:00:00.000Z".to_owned()),
        ..key().public_key().clone().into()
    }
}

/// The key of the vectors, vouched for in the given way.
pub(crate) fn keys(trust: Trust) -> KeySet {
    let mut keys = KeySet::new();
    keys.insert(published(), trust);
    keys
}

pub(crate) const RULES: &str = r#"[{"action":"*","decision":"deny","resource_pattern":"*"}]"#;

pub(crate) fn payload() -> Value {
    parse(r#"{"stage":"closed_won","amount":125000.50,"note":"Müller & Söhne 😂"}"#.as_bytes())
        .unwrap()
}

fn id(last: u32) -> String {
    format!("018f3a4e-7c00-7000-8000-{last:012x}")
}

fn time(second: u32) -> String {
    format!("2026-01-31T09:30:{second:02}.000Z")
}

/// A call that no rule allows.
pub(crate) fn denied() -> Receipt {
    let (action, resource, instance) = ("crm.delete_record", "crm:deal:D-1", "run-1");
    Receipt {
        event: Event::Call,
        receipt_id: id(1),
        previous_receipt_id: None,
        created_at: time(0),
        organization_id: id(0xa0),
        agent_id: id(0xa1),
        credential_id: Some(id(0xa2)),
        instance_id: instance.to_owned(),
        action: action.to_owned(),
        resource: resource.to_owned(),
        verdict: Some(PolicyVerdict::Deny),
        decision: Decision::Deny,
        reason: "no rule matches".to_owned(),
        risk_level: RiskLevel::Medium,
        policy_version: "v1".to_owned(),
        policy_digest: policy_digest(RULES),
        rule_id: None,
        performed_by: None,
        valid_until: None,
        request_hash: request_hash(action, instance, None, resource),
        response_hash: None,
        connector: None,
        execution: None,
        approval_id: None,
        revision: None,
        approvers: None,
        grant_id: None,
        idempotency_key: Some(id(0xb1)),
        effect_hash: None,
        facts_hash: None,
    }
}

/// A call that a connector executed; text that has to be escaped.
pub(crate) fn executed() -> Receipt {
    let (action, resource, instance) = ("crm.update_record", "crm:deal:Ä/\"1\"", "run\\2");
    Receipt {
        receipt_id: id(2),
        created_at: time(2),
        action: action.to_owned(),
        resource: resource.to_owned(),
        instance_id: instance.to_owned(),
        verdict: Some(PolicyVerdict::Allow),
        decision: Decision::Allow,
        reason: "rule `updates` (1) allows 😀".to_owned(),
        risk_level: RiskLevel::Low,
        policy_version: "v2".to_owned(),
        rule_id: Some("updates".to_owned()),
        performed_by: Some(PerformedBy::Gateway),
        request_hash: request_hash(action, instance, Some(&payload()), resource),
        response_hash: Some(sha256_text(br#"{"ok": true}"#)),
        connector: Some(connector()),
        execution: Some(execution()),
        ..denied()
    }
}

/// A call for which a person is asked.
pub(crate) fn requested() -> Receipt {
    Receipt {
        event: Event::ApprovalRequested,
        receipt_id: id(3),
        created_at: time(3),
        verdict: Some(PolicyVerdict::RequireApproval),
        decision: Decision::PendingApproval,
        reason: "rule `closing` (2) requires approval: `stage` is in [closed_won]".to_owned(),
        risk_level: RiskLevel::High,
        rule_id: Some("closing".to_owned()),
        performed_by: Some(PerformedBy::Gateway),
        approval_id: Some(id(0xc1)),
        revision: Some(1),
        ..executed_call_facts()
    }
}

/// The end of that approval: approved and executed.
pub(crate) fn closed() -> Receipt {
    Receipt {
        event: Event::ApprovalClosed,
        receipt_id: id(4),
        previous_receipt_id: Some(id(3)),
        created_at: time(41),
        decision: Decision::Allow,
        response_hash: Some(sha256_text(b"")),
        connector: Some(connector()),
        execution: Some(Execution {
            http_status: Some(204),
            started_at: time(40),
            finished_at: Some(time(41)),
            ..execution()
        }),
        approvers: Some(vec![Approver {
            by: format!("user:{}", id(0xa3)),
            vote: Vote::Approve,
            at: time(40),
            channel: Channel::Token,
            revision: 1,
        }]),
        ..requested()
    }
}

/// An execution of which nobody knows the outcome.
pub(crate) fn left_behind() -> Receipt {
    Receipt {
        receipt_id: id(5),
        created_at: time(59),
        decision: Decision::Error,
        reason: "rule `updates` (1) allows; the outcome of the execution is not known".to_owned(),
        response_hash: None,
        execution: Some(Execution {
            status: ExecutionStatus::Unknown,
            detail: Some(ExecutionDetail::LeftBehind),
            response: ResponseState::None,
            http_status: None,
            finished_at: Some(time(59)),
            ..execution()
        }),
        ..executed()
    }
}

/// A call that no connector executes: the agent performs it itself.
pub(crate) fn left_to_the_agent() -> Receipt {
    Receipt {
        receipt_id: id(7),
        created_at: time(10),
        performed_by: Some(PerformedBy::Agent),
        valid_until: Some("2026-01-31T09:31:10.000Z".to_owned()),
        ..executed_call_facts()
    }
}

fn executed_call_facts() -> Receipt {
    Receipt {
        response_hash: None,
        connector: None,
        execution: None,
        ..executed()
    }
}

fn connector() -> ConnectorRef {
    ConnectorRef {
        id: id(0xd1),
        version: 3,
    }
}

fn execution() -> Execution {
    Execution {
        execution_id: id(0xe1),
        status: ExecutionStatus::Succeeded,
        detail: None,
        response: ResponseState::Complete,
        connector_id: id(0xd1),
        connector_version: 3,
        attempts: 1,
        http_status: Some(200),
        started_at: time(1),
        finished_at: Some(time(2)),
    }
}

/// The activation of a policy version.
pub(crate) fn activated() -> AdminRecord {
    let detail: Object = [
        ("version", Value::from("v2")),
        ("previous_version", "v1".into()),
        ("acknowledged", false.into()),
        ("note", Value::Null),
        ("rules", 2_u32.into()),
    ]
    .into_iter()
    .collect();
    AdminRecord {
        record_id: id(6),
        created_at: "2026-01-31T09:29:59.999Z".to_owned(),
        organization_id: id(0xa0),
        actor: format!("user:{}", id(0xa3)),
        act: "policy.activate".to_owned(),
        subject: Some("v2".to_owned()),
        detail,
        request_id: Some("req-1".to_owned()),
    }
}

pub(crate) fn receipts() -> [(&'static str, Receipt); 6] {
    [
        ("denied", denied()),
        ("executed", executed()),
        ("requested", requested()),
        ("closed", closed()),
        ("left_behind", left_behind()),
        ("left_to_the_agent", left_to_the_agent()),
    ]
}

/// Name and signed bytes of every record of the vectors.
pub(crate) fn signed() -> Vec<(&'static str, Vec<u8>)> {
    let admin = activated().sign(&key()).unwrap().into_bytes();
    let mut all: Vec<_> = receipts()
        .into_iter()
        .map(|(name, receipt)| (name, receipt.sign(&key()).unwrap().into_bytes()))
        .collect();
    all.push(("activated", admin));
    all
}
