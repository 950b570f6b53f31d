//! Values that do not need a store.

use std::sync::Arc;
use std::time::Duration;

use relynt_domain::{
    Action, AgentId, ApprovalId, ApprovalRecord, ApprovalStatus, ConnectorId, CredentialId,
    Decider, Decision, ExecutionId, ExecutionStatus, IdempotencyKey, Incarnation, InstanceId,
    OrganizationId, PerformedBy, PolicyVersion, ReceiptId, RecordId, Resource, ResponseState,
    RiskLevel, Timestamp, ToolCall, UserId,
};
use relynt_gateway::ports::{
    AdminEntry, Answer, Clock as _, Closing, Decided, Entropy as _, Execution, NewApproval,
    NewExecution, NewReceipt, Plan, Resolution, Then,
};
use relynt_json::{Object, Value, parse};
use relynt_ledger::{AdminRecord, Event, PolicyVerdict, Receipt, SigningKey, sha256};

use crate::{FixedClock, SeededEntropy};

/// Makes values: every id is new, every time a millisecond after the last one.
#[derive(Debug)]
pub struct Maker {
    clock: FixedClock,
    entropy: SeededEntropy,
    key: SigningKey,
}

impl Maker {
    /// A maker whose ids follow from a seed.
    pub fn new(seed: u64) -> Self {
        let key = SigningKey::from_seed(&[7; 32]).expect("a key");
        Self {
            clock: FixedClock::default(),
            entropy: SeededEntropy::new(seed),
            key,
        }
    }

    /// A maker whose ids follow from a name.
    pub fn named(name: &str) -> Self {
        let digest = sha256(name.as_bytes());
        Self::new(u64::from_le_bytes(
            *digest.first_chunk().expect("eight bytes"),
        ))
    }

    /// The key that signs.
    pub const fn signing_key(&self) -> &SigningKey {
        &self.key
    }

    /// The next time.
    pub fn now(&self) -> Timestamp {
        self.clock.advance(Duration::from_millis(1));
        self.clock.now()
    }

    /// Some random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes).expect("seeded chance");
        bytes
    }

    /// A new id.
    pub fn id<T>(&self, make: fn(Timestamp, [u8; 10]) -> T) -> T {
        make(self.now(), self.bytes())
    }

    /// A new idempotency key, a version 7 UUID as the SDK sends it.
    pub fn key(&self) -> IdempotencyKey {
        IdempotencyKey::new(self.id(RecordId::new).to_string().as_bytes()).expect("a key")
    }

    /// A call with a new key and this payload.
    pub fn call_with(
        &self,
        organization: OrganizationId,
        agent: AgentId,
        payload: &str,
    ) -> Arc<ToolCall> {
        let payload = parse(payload.as_bytes()).expect("JSON");
        let facts = "{\"tags\":[]}";
        Arc::new(ToolCall {
            organization,
            agent,
            credential: self.id(CredentialId::new),
            key: self.key(),
            action: Action::new("update_deal").expect("an action"),
            resource: Resource::new("crm:deal:1").expect("a resource"),
            instance_id: InstanceId::new("run-1").expect("an instance"),
            payload_canonical: payload.to_canonical(),
            request_hash: sha256(payload.to_canonical().as_bytes()),
            request_digest: sha256(payload.to_canonical().as_bytes()),
            payload: Some(payload),
            facts: Arc::from(facts),
            facts_hash: sha256(facts.as_bytes()),
            received_at: self.now(),
            request_id: "request-1".to_owned(),
            traceparent: None,
        })
    }

    /// A call with a new key and a payload of its own.
    pub fn call(&self, organization: OrganizationId, agent: AgentId) -> Arc<ToolCall> {
        let amount = u32::from_le_bytes(self.bytes());
        self.call_with(organization, agent, &format!("{{\"amount\":{amount}}}"))
    }

    /// A receipt that has not been signed, about nobody.
    pub fn draft(&self) -> Receipt {
        let call = self.call(self.id(OrganizationId::new), self.id(AgentId::new));
        self.draft_of(&call, self.id(ReceiptId::new), Decision::Allow)
    }

    /// The receipt of a call, not signed yet.
    pub fn draft_of(&self, call: &ToolCall, id: ReceiptId, decision: Decision) -> Receipt {
        Receipt {
            event: Event::Call,
            receipt_id: id.to_string(),
            previous_receipt_id: None,
            created_at: self.now().to_string(),
            organization_id: call.organization.to_string(),
            agent_id: call.agent.to_string(),
            credential_id: Some(call.credential.to_string()),
            instance_id: call.instance_id.as_str().to_owned(),
            action: call.action.as_str().to_owned(),
            resource: call.resource.as_str().to_owned(),
            verdict: Some(PolicyVerdict::Allow),
            decision: relynt_ledger::Decision::from_text(decision.as_str()).expect("a decision"),
            reason: "rule `one` allows".to_owned(),
            risk_level: relynt_ledger::RiskLevel::Low,
            policy_version: "v1".to_owned(),
            policy_digest: relynt_ledger::sha256_text(b"[]"),
            rule_id: Some("one".to_owned()),
            performed_by: None,
            valid_until: None,
            request_hash: relynt_ledger::sha256_text(call.payload_canonical.as_bytes()),
            response_hash: None,
            connector: None,
            execution: None,
            approval_id: None,
            revision: None,
            approvers: None,
            grant_id: None,
            idempotency_key: Some(call.key.as_str().to_owned()),
            effect_hash: None,
            facts_hash: None,
        }
    }

    /// Signs a receipt and puts its columns beside it.
    pub fn sign(&self, receipt: Receipt) -> NewReceipt {
        let decision = Decision::from_word(receipt.decision.as_str()).expect("a decision");
        let risk_level = RiskLevel::from_word(receipt.risk_level.as_str()).expect("a risk level");
        NewReceipt {
            id: receipt.receipt_id.parse().expect("an id"),
            created_at: Timestamp::parse(&receipt.created_at).expect("a time"),
            agent: receipt.agent_id.parse().expect("an id"),
            instance_id: receipt.instance_id.clone(),
            approval: receipt
                .approval_id
                .as_ref()
                .map(|id| id.parse().expect("an id")),
            action: receipt.action.clone(),
            resource: receipt.resource.clone(),
            decision,
            risk_level,
            signed: receipt.sign(&self.key).expect("a signature"),
        }
    }

    /// A signed receipt of a call.
    pub fn receipt(&self, call: &ToolCall, decision: Decision) -> NewReceipt {
        self.sign(self.draft_of(call, self.id(ReceiptId::new), decision))
    }

    /// The call is answered at once.
    pub fn close(&self, call: &ToolCall, decision: Decision) -> Decided {
        Decided::Close {
            receipt: Box::new(self.receipt(call, decision)),
            answer: Answer {
                http_status: 200,
                format: 1,
                body: None,
            },
            approval: None,
        }
    }

    /// As [`close`](Self::close), as a plan.
    pub fn closed(&self, call: &ToolCall, decision: Decision) -> Plan {
        Plan::Ready(Box::new(self.close(call, decision)))
    }

    /// A pending approval of a call, which expires in an hour, and its receipt.
    pub fn asked(&self, call: &ToolCall) -> (ApprovalRecord, Decided) {
        let id = self.id(ApprovalId::new);
        let receipt_id = self.id(ReceiptId::new);
        let receipt = self.sign(Receipt {
            event: Event::ApprovalRequested,
            approval_id: Some(id.to_string()),
            ..self.draft_of(call, receipt_id, Decision::PendingApproval)
        });
        let record = ApprovalRecord {
            id,
            status: ApprovalStatus::Pending,
            created_at: receipt.created_at,
            expires_at: receipt.created_at.after(Duration::from_hours(1)),
            revision: 1,
            agent: call.agent,
            credential: call.credential,
            idempotency_key: call.key.clone(),
            instance_id: call.instance_id.clone(),
            action: call.action.as_str().to_owned(),
            resource: call.resource.as_str().to_owned(),
            request_digest: call.request_digest,
            request_hash: call.request_hash,
            reason: "rule `one` requires approval".to_owned(),
            risk_level: RiskLevel::High,
            policy_version: PolicyVersion(1),
            policy_digest: sha256(b"[]"),
            rule_id: Some("one".to_owned()),
            connector: Some((self.id(ConnectorId::new), self.bytes())),
            performed_by: PerformedBy::Gateway,
            valid_until: None,
            receipt_id,
            final_receipt_id: None,
            decided_by: None,
            decided_at: None,
            note: None,
            blocked_by: None,
            execution: None,
            votes: Vec::new(),
        };
        let decided = Decided::Close {
            receipt: Box::new(receipt),
            answer: Answer {
                http_status: 200,
                format: 1,
                body: None,
            },
            approval: Some(Box::new(NewApproval {
                record: record.clone(),
            })),
        };
        (record, decided)
    }

    /// The intent of carrying out a call.
    pub fn intent(&self, call: &ToolCall, incarnation: Incarnation) -> NewExecution {
        let receipt_id = self.id(ReceiptId::new);
        let now = self.now();
        NewExecution {
            id: self.id(ExecutionId::new),
            receipt_id,
            draft: self.draft_of(call, receipt_id, Decision::Error),
            agent: call.agent,
            approval: None,
            connector: self.id(ConnectorId::new),
            connector_version: 3,
            incarnation,
            request_digest: call.request_digest,
            started_at: now,
            deadline_at: now.after(Duration::from_secs(15)),
            request_id: "request-1".to_owned(),
        }
    }

    /// The success of an execution, with an answer for its call unless it is an approval's.
    pub fn success(&self, organization: OrganizationId, intent: &NewExecution) -> Closing {
        let now = self.now();
        let answer = Answer {
            http_status: 200,
            format: 1,
            body: Some(b"{\"ok\":1}".to_vec()),
        };
        Closing {
            organization,
            execution: Execution {
                id: intent.id,
                agent: intent.agent,
                status: ExecutionStatus::Succeeded,
                detail: None,
                response: ResponseState::Complete,
                connector: intent.connector,
                connector_version: intent.connector_version,
                attempts: 1,
                http_status: Some(201),
                started_at: intent.started_at,
                finished_at: Some(now),
            },
            receipt: self.sign(Receipt {
                created_at: now.to_string(),
                decision: relynt_ledger::Decision::Allow,
                ..intent.draft.clone()
            }),
            answer: intent.approval.is_none().then_some(answer),
            tool_response: Some("{\"deal\":\"won\"}".to_owned()),
            approval: intent.approval,
        }
    }

    /// The final receipt of an approval.
    pub fn final_receipt(
        &self,
        organization: OrganizationId,
        record: &ApprovalRecord,
    ) -> NewReceipt {
        self.sign(self.final_draft(organization, record))
    }

    /// The same, not signed.
    pub fn final_draft(&self, organization: OrganizationId, record: &ApprovalRecord) -> Receipt {
        let call = self.call(organization, record.agent);
        Receipt {
            event: Event::ApprovalClosed,
            previous_receipt_id: Some(record.receipt_id.to_string()),
            approval_id: Some(record.id.to_string()),
            ..self.draft_of(&call, self.id(ReceiptId::new), Decision::Deny)
        }
    }

    /// The signed record of an administrative act.
    pub fn entry(&self, organization: OrganizationId, act: &str, subject: &str) -> AdminEntry {
        let (id, created_at) = (self.id(RecordId::new), self.now());
        let record = AdminRecord {
            record_id: id.to_string(),
            created_at: created_at.to_string(),
            organization_id: organization.to_string(),
            actor: "system".to_owned(),
            act: act.to_owned(),
            subject: Some(subject.to_owned()),
            detail: Object::new(),
            request_id: None,
        };
        AdminEntry {
            id,
            created_at,
            act: act.to_owned(),
            subject: subject.to_owned(),
            bytes: record.sign(&self.key).expect("a signature").into_bytes(),
        }
    }

    /// An incarnation.
    pub fn incarnation(&self) -> Incarnation {
        self.id(Incarnation::new)
    }

    /// A person.
    pub fn user(&self) -> UserId {
        self.id(UserId::new)
    }

    /// An empty list of rules.
    pub fn no_rules() -> Value {
        Value::Array(Vec::new())
    }
}

/// The end of an approval, a minute after it was asked for, by nobody; to be changed by the test.
pub fn resolution(
    organization: OrganizationId,
    record: &ApprovalRecord,
    to: ApprovalStatus,
    then: Then,
) -> Resolution {
    Resolution {
        organization,
        seen: None,
        approval: record.id,
        revision: record.revision,
        to,
        at: record.created_at.after(Duration::from_mins(1)),
        vote: None,
        decided_by: None::<Decider>,
        note: None,
        blocked_by: None,
        valid_until: None,
        then,
    }
}
