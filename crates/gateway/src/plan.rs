//! What a call comes to: evaluated, signed where that needs no transaction, and ready to be recorded.

use std::sync::Arc;
use std::time::Duration;

use relynt_domain::{
    ApprovalId, ApprovalRecord, ApprovalStatus, Decision, ExecutionId, Fault, PerformedBy,
    ReceiptId, Timestamp, ToolCall, Verdict,
};
use relynt_ledger::Receipt;
use relynt_policy::{AgentFacts, Request};

use crate::directory::{ConnectorEntry, Snapshot};
use crate::ports::{
    Answer, Connector, DecideError, Decided, Facts, NewApproval, NewExecution, Plan, Slot,
};
use crate::receipts::{Columns, PolicyRef, Ruling, of_call, sign};
use crate::{Gateway, SubmitError};

/// What is to be recorded, and what is to be called afterwards.
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    pub(crate) target: Option<Target>,
    /// The answer's body, where it is known already.
    pub(crate) body: Option<Vec<u8>>,
}

pub(crate) struct Target {
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) slot: Slot,
    pub(crate) budget: Duration,
}

impl Gateway {
    /// Evaluates the call and says what is to be recorded.
    pub(crate) fn plan(
        &self,
        snapshot: &Arc<Snapshot>,
        call: &Arc<ToolCall>,
    ) -> Result<Planned, SubmitError> {
        let entry = snapshot.connector_for(call.action.as_str(), call.resource.as_str());
        let connector = callable(entry)?;
        if let Some((_, connector)) = &connector {
            connector
                .check_route(
                    call.action.as_str(),
                    call.resource.as_str(),
                    call.payload.as_ref(),
                )
                .map_err(|fault| SubmitError::Invalid(vec![Fault::new("/resource", fault.0)]))?;
        }
        let evaluation = evaluate(snapshot, call);
        let now = self.clock.now();
        let policy = PolicyRef {
            version: snapshot.active.version.to_string(),
            digest: crate::receipts::hash_text(&snapshot.active.digest),
        };
        let ruling = Ruling {
            verdict: evaluation.verdict,
            risk_level: evaluation.risk_level,
            reason: evaluation.reason,
            rule_id: evaluation.rule_id,
        };
        let receipt_id = ReceiptId::new(now, self.random()?);
        let receipt = of_call(call, receipt_id, &policy, &ruling, now);
        let close = |receipt: Receipt, decision: Decision| -> Result<Planned, SubmitError> {
            let (decided, body) = self.close(call, receipt, receipt_id, &ruling, decision, now)?;
            Ok(Planned {
                plan: Plan::Ready(Box::new(decided)),
                target: None,
                body: Some(body),
            })
        };
        match (ruling.verdict, connector) {
            (Verdict::Deny, _) => close(receipt, Decision::Deny),
            (Verdict::Error, _) => close(receipt, Decision::Error),
            (Verdict::Allow, None) => {
                let valid_until = now.after(self.settings.direct_valid).to_string();
                let performed_by = Some(relynt_ledger::PerformedBy::Agent);
                close(
                    Receipt {
                        performed_by,
                        valid_until: Some(valid_until),
                        ..receipt
                    },
                    Decision::Allow,
                )
            }
            (Verdict::Allow, Some((entry, connector))) => {
                let slot = connector.try_slot().ok_or_else(no_slot)?;
                let budget = connector.budget(call.action.as_str());
                let intent = self.intent(call, receipt, receipt_id, &entry, now, budget)?;
                Ok(Planned {
                    plan: Plan::Ready(Box::new(Decided::Execute(Box::new(intent)))),
                    target: Some(Target {
                        connector,
                        slot,
                        budget,
                    }),
                    body: None,
                })
            }
            (Verdict::RequireApproval, connector) => {
                let expires_in = evaluation
                    .approval_expires_in
                    .unwrap_or(self.settings.approval_expires_in);
                let record = ApprovalRecord {
                    id: ApprovalId::new(now, self.random()?),
                    status: ApprovalStatus::Pending,
                    created_at: now,
                    expires_at: now.after(expires_in),
                    revision: 1,
                    agent: call.agent,
                    credential: call.credential,
                    idempotency_key: call.key.clone(),
                    instance_id: call.instance_id.clone(),
                    action: call.action.to_string(),
                    resource: call.resource.to_string(),
                    request_digest: call.request_digest,
                    request_hash: call.request_hash,
                    reason: ruling.reason.clone(),
                    risk_level: ruling.risk_level,
                    policy_version: snapshot.active.version,
                    policy_digest: snapshot.active.digest,
                    rule_id: ruling.rule_id.clone(),
                    connector: connector.as_ref().map(|(e, c)| (e.record.id, c.binding())),
                    performed_by: performer(connector.is_some()),
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
                let plan = self.ask(call, receipt, receipt_id, &ruling, record, now);
                Ok(Planned {
                    plan,
                    target: None,
                    body: None,
                })
            }
        }
    }

    /// A person is asked, or the request joins one that is pending: which, only the transaction
    /// can tell.
    fn ask(
        &self,
        call: &ToolCall,
        receipt: Receipt,
        receipt_id: ReceiptId,
        ruling: &Ruling,
        record: ApprovalRecord,
        now: Timestamp,
    ) -> Plan {
        let receipt = Receipt {
            event: relynt_ledger::Event::ApprovalRequested,
            ..receipt
        };
        let (agent, risk_level) = (call.agent, ruling.risk_level);
        let format = self.answers.format();
        let key = self.signer.key();
        Plan::InTransaction(Arc::new(
            move |facts: &Facts| -> Result<Decided, DecideError> {
                let (id, revision, approval) = match &facts.open_approval {
                    Some(open) => (open.id, open.revision, None),
                    None => (
                        record.id,
                        record.revision,
                        Some(Box::new(NewApproval {
                            record: record.clone(),
                        })),
                    ),
                };
                let receipt = Receipt {
                    revision: Some(revision),
                    ..receipt.clone()
                };
                let columns = Columns {
                    id: receipt_id,
                    created_at: now,
                    agent,
                    approval: Some(id),
                    decision: Decision::PendingApproval,
                    risk_level,
                };
                Ok(Decided::Close {
                    receipt: Box::new(sign(receipt, columns, &key)?),
                    answer: Answer {
                        http_status: 200,
                        format,
                        body: None,
                    },
                    approval,
                })
            },
        ))
    }

    fn close(
        &self,
        call: &ToolCall,
        receipt: Receipt,
        id: ReceiptId,
        ruling: &Ruling,
        decision: Decision,
        now: Timestamp,
    ) -> Result<(Decided, Vec<u8>), SubmitError> {
        let columns = Columns {
            id,
            created_at: now,
            agent: call.agent,
            approval: None,
            decision,
            risk_level: ruling.risk_level,
        };
        let receipt = self
            .signer
            .with(|key| sign(receipt, columns, key))
            .map_err(|error| SubmitError::Unavailable(error.to_string()))?;
        let (answer, body) = self.answer(receipt.signed.record(), None, &call.request_id);
        let decided = Decided::Close {
            receipt: Box::new(receipt),
            answer,
            approval: None,
        };
        Ok((decided, body))
    }

    fn intent(
        &self,
        call: &ToolCall,
        receipt: Receipt,
        receipt_id: ReceiptId,
        entry: &ConnectorEntry,
        now: Timestamp,
        budget: Duration,
    ) -> Result<NewExecution, SubmitError> {
        Ok(NewExecution {
            id: ExecutionId::new(now, self.random()?),
            receipt_id,
            draft: Receipt {
                performed_by: Some(relynt_ledger::PerformedBy::Gateway),
                connector: Some(crate::receipts::connector(
                    entry.record.id,
                    entry.record.version,
                )),
                ..receipt
            },
            agent: call.agent,
            approval: None,
            connector: entry.record.id,
            connector_version: entry.record.version,
            incarnation: self.incarnation,
            request_digest: call.request_digest,
            started_at: now,
            deadline_at: now.after(budget + crate::execute::DEADLINE_MARGIN),
            request_id: call.request_id.clone(),
        })
    }
}

/// What the active policy says to a call.
pub(crate) fn evaluate(snapshot: &Snapshot, call: &ToolCall) -> relynt_policy::Evaluation {
    let agent = snapshot.agent(call.agent);
    snapshot.active.policy.evaluate(&Request {
        action: call.action.as_str(),
        resource: call.resource.as_str(),
        payload: call.payload.as_ref(),
        agent: agent.map(|entry| AgentFacts {
            id: entry.agent.id,
            name: entry.agent.name.as_str(),
            tags: entry.agent.tags.as_slice(),
        }),
    })
}

/// A connector that can be called, and what is stored of it.
pub(crate) type Callable = (Arc<ConnectorEntry>, Arc<dyn Connector>);

/// The connector that would perform it, if one does and can.
pub(crate) fn callable(
    entry: Option<&Arc<ConnectorEntry>>,
) -> Result<Option<Callable>, SubmitError> {
    let Some(entry) = entry else { return Ok(None) };
    match &entry.callable {
        Ok(connector) => Ok(Some((Arc::clone(entry), Arc::clone(connector)))),
        Err(_) => Err(SubmitError::Unavailable(format!(
            "connector `{}` cannot be called: save it again",
            entry.record.definition.name
        ))),
    }
}

pub(crate) fn no_slot() -> SubmitError {
    SubmitError::Unavailable("every slot of the connector is taken".to_owned())
}

pub(crate) const fn performer(has_connector: bool) -> PerformedBy {
    if has_connector {
        PerformedBy::Gateway
    } else {
        PerformedBy::Agent
    }
}
