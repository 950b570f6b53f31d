//! A call: decide, record, perhaps execute, answer.

use std::sync::Arc;
use std::time::Duration;

use relynt_domain::{
    Action, ApprovalId, ApprovalRecord, ApprovalStatus, Decision, ExecutionId, Fault,
    IdempotencyKey, InstanceId, PerformedBy, ReceiptId, Resource, Timestamp, ToolCall,
    ToolCallDraft, Verdict,
};
use relynt_json::{Object, Value};
use relynt_ledger::Receipt;
use relynt_policy::{AgentFacts, Request};

use crate::directory::{ConnectorEntry, Snapshot};
use crate::execute::Carriage;
use crate::ports::{
    Answer, AnswerParts, Connector, DecideError, Decided, EntropyError, Facts, NewApproval,
    NewExecution, NewReceipt, Plan, Recorded, Seen, Slot, StoreError, StoredCall, StoredCallState,
};
use crate::receipts::{Columns, PolicyRef, Ruling, of_call, sha256, sign};
use crate::running::Entered;
use crate::{AuthError, Caller, Gateway};

/// How long a call waits for another with the same key.
const WAIT_FOR_FIRST: Duration = Duration::from_secs(10);
/// How often a call that another process has under way is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How often, so that it is as long as the wait for a first call in this process.
const LOOKS: u32 = 50;
/// How often a decision is made again because rules changed meanwhile.
const STALE_TRIES: u32 = 3;

/// A call as it came in.
#[derive(Debug, Clone)]
pub struct Intake {
    /// The body.
    pub draft: ToolCallDraft,
    /// The run.
    pub instance_id: InstanceId,
    /// What makes a retry the same call.
    pub key: IdempotencyKey,
    /// The id of this request.
    pub request_id: String,
    /// The caller's W3C `traceparent`, if valid.
    pub traceparent: Option<String>,
}

/// An answered call.
#[derive(Debug, Clone)]
pub struct Submitted {
    /// The HTTP status: 200, 422 or 502.
    pub http_status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// Whether it was answered before, and nothing was done now.
    pub replayed: bool,
    /// What came of it, for logs and metrics.
    pub decision: Decision,
    /// The receipt, for logs.
    pub receipt_id: String,
}

/// A call was not answered; nothing was executed for it, and its key is free, unless it says
/// otherwise.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The caller may not (any more).
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The request does not fit the route of its action.
    #[error("the request does not fit the connector's route")]
    Invalid(Vec<Fault>),
    /// The key was used with other parameters.
    #[error("the idempotency key was used before with another action, resource or payload")]
    KeyReused,
    /// The first call with this key has not finished.
    #[error("the first call with this idempotency key has not finished")]
    InProgress,
    /// The store, the signer or the connector cannot take it now. It may have been done all the
    /// same: the same key tells.
    #[error("{0}")]
    Unavailable(String),
}

impl From<StoreError> for SubmitError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<EntropyError> for SubmitError {
    fn from(error: EntropyError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// What is to be recorded, and what is to be called afterwards.
struct Planned {
    plan: Plan,
    target: Option<Target>,
}

struct Target {
    connector: Arc<dyn Connector>,
    slot: Slot,
    budget: Duration,
}

impl Gateway {
    /// Decides a call, executes it where a connector does, and answers it.
    ///
    /// Must not be dropped half-way: whoever serves requests runs it as a task of its own, so that
    /// a caller who leaves ends nothing.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub async fn submit(&self, caller: Caller, intake: Intake) -> Result<Submitted, SubmitError> {
        let waiting_since = self.clock.uptime();
        loop {
            match self.running.enter(caller.agent, intake.key.stored()) {
                Entered::First(_guard) => return self.decide(caller, &intake).await,
                Entered::Full => return Err(SubmitError::InProgress),
                Entered::Later(mut later) => {
                    let waited = self.clock.uptime().saturating_sub(waiting_since);
                    let left = WAIT_FOR_FIRST.saturating_sub(waited);
                    self.within(left, later.ended())
                        .await
                        .ok_or(SubmitError::InProgress)?;
                    let call = self.call_of(&caller, &intake)?;
                    if let Some(known) = self.find_call(&call).await? {
                        return self.replay(&call, known).await;
                    }
                    // The first left nothing behind: the next one tries.
                }
            }
        }
    }

    async fn decide(&self, caller: Caller, intake: &Intake) -> Result<Submitted, SubmitError> {
        let mut caller = caller;
        for _ in 0..STALE_TRIES {
            let call = Arc::new(self.call_of(&caller, intake)?);
            let planned = match self.plan(&caller.snapshot, &call) {
                Ok(planned) => planned,
                // A key that was used before is answered from its record, whatever is wrong now.
                Err(refusal) => {
                    return match self.find_call(&call).await? {
                        Some(known) => self.replay(&call, known).await,
                        None => Err(refusal),
                    };
                }
            };
            let seen = Seen {
                organization: call.organization,
                change: caller.snapshot.change,
            };
            match self
                .store
                .record_decision(seen, Arc::clone(&call), planned.plan)
                .await?
            {
                // From here on the decision is durable: a crash leaves a closed call, or an intent
                // that recovery closes as unknown.
                Recorded::New(decided) => return self.finish(call, *decided, planned.target).await,
                Recorded::Known(known) => return self.replay(&call, known).await,
                Recorded::Refused(error) => {
                    return Err(SubmitError::Unavailable(error.to_string()));
                }
                Recorded::Stale => {
                    self.reload(call.organization).await?;
                    caller = self.again(&caller)?;
                }
            }
        }
        Err(SubmitError::Unavailable(
            "the rules keep changing".to_owned(),
        ))
    }

    fn call_of(&self, caller: &Caller, intake: &Intake) -> Result<ToolCall, SubmitError> {
        let agent = caller
            .snapshot
            .agent(caller.agent)
            .ok_or(AuthError::Unknown)?;
        let draft = &intake.draft;
        let payload_canonical = draft
            .payload
            .as_ref()
            .map_or_else(|| "null".to_owned(), Value::to_canonical);
        let hashes = hashes_of(
            &draft.action,
            &draft.resource,
            &intake.instance_id,
            &payload_canonical,
        );
        Ok(ToolCall {
            organization: caller.snapshot.organization.id,
            agent: caller.agent,
            credential: caller.credential,
            key: intake.key.clone(),
            action: draft.action.clone(),
            resource: draft.resource.clone(),
            instance_id: intake.instance_id.clone(),
            payload: draft.payload.clone(),
            payload_canonical,
            request_hash: hashes.request_hash,
            request_digest: hashes.request_digest,
            facts: Arc::clone(&agent.facts),
            facts_hash: agent.facts_hash,
            received_at: self.clock.now(),
            request_id: intake.request_id.clone(),
            traceparent: intake.traceparent.clone(),
        })
    }

    /// Evaluates the call and says what is to be recorded.
    fn plan(&self, snapshot: &Arc<Snapshot>, call: &Arc<ToolCall>) -> Result<Planned, SubmitError> {
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
            let decided = self.close(call, receipt, receipt_id, &ruling, decision, now)?;
            Ok(Planned {
                plan: Plan::Ready(Box::new(decided)),
                target: None,
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
                Ok(Planned { plan, target: None })
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
    ) -> Result<Decided, SubmitError> {
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
        let answer = self.answer(receipt.signed.record(), None, &call.request_id);
        Ok(Decided::Close {
            receipt: Box::new(receipt),
            answer,
            approval: None,
        })
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

    async fn finish(
        &self,
        call: Arc<ToolCall>,
        decided: Decided,
        target: Option<Target>,
    ) -> Result<Submitted, SubmitError> {
        match decided {
            Decided::Close {
                receipt, answer, ..
            } => Ok(self.render(&receipt, &answer, &call.request_id)),
            Decided::Execute(intent) => {
                let Some(Target {
                    connector,
                    slot,
                    budget,
                }) = target
                else {
                    // The intent of a plan without a target cannot be; recovery would close it.
                    return Err(SubmitError::Unavailable(
                        "the execution has no target".to_owned(),
                    ));
                };
                let organization = call.organization;
                let carriage = Carriage {
                    call: Arc::clone(&call),
                    connector,
                    slot,
                    budget,
                };
                let settled = self.carry_out(organization, *intent, carriage).await;
                match settled {
                    Ok(submitted) => Ok(submitted),
                    // Closed by recovery meanwhile, or not recorded yet: the record answers.
                    Err(_) => match self.find_call(&call).await? {
                        Some(known) => self.replay(&call, known).await,
                        None => Err(SubmitError::Unavailable(
                            "the outcome could not be recorded".to_owned(),
                        )),
                    },
                }
            }
        }
    }

    fn render(&self, receipt: &NewReceipt, answer: &Answer, request_id: &str) -> Submitted {
        let body = answer.body.clone().unwrap_or_else(|| {
            self.answers
                .render(&AnswerParts {
                    format: answer.format,
                    receipt: receipt.signed.record(),
                    tool_response: None,
                    tool_response_erased: false,
                    request_id,
                })
                .body
        });
        Submitted {
            http_status: answer.http_status,
            body,
            replayed: false,
            decision: receipt.decision,
            receipt_id: receipt.id.to_string(),
        }
    }

    /// How a closed call is answered, and what of it has to be kept.
    pub(crate) fn answer(
        &self,
        receipt: &Receipt,
        tool_response: Option<&str>,
        request_id: &str,
    ) -> Answer {
        let format = self.answers.format();
        let rendered = self.answers.render(&AnswerParts {
            format,
            receipt,
            tool_response,
            tool_response_erased: false,
            request_id,
        });
        // What its receipt says can be rendered again; the rest is kept, sealed.
        let keep = rendered.http_status != 200 || tool_response.is_some();
        Answer {
            http_status: rendered.http_status,
            format,
            body: keep.then_some(rendered.body),
        }
    }

    async fn find_call(&self, call: &ToolCall) -> Result<Option<StoredCall>, StoreError> {
        self.store
            .find_call(call.organization, call.agent, &call.key)
            .await
    }

    /// Answers a call whose key was used before: as it was answered then, or not at all.
    async fn replay(&self, call: &ToolCall, known: StoredCall) -> Result<Submitted, SubmitError> {
        let mut known = known;
        for _ in 0..=LOOKS {
            if known.request_digest != call.request_digest {
                return Err(SubmitError::KeyReused);
            }
            match known.state {
                StoredCallState::Answered {
                    answer,
                    receipt,
                    erased,
                } => {
                    return self.replayed(&answer, &receipt, erased, &call.request_id);
                }
                StoredCallState::Running => {
                    self.timer.sleep(LOOK_AGAIN).await;
                    known = self.find_call(call).await?.ok_or(SubmitError::InProgress)?;
                }
            }
        }
        Err(SubmitError::InProgress)
    }

    fn replayed(
        &self,
        answer: &Answer,
        receipt: &[u8],
        erased: bool,
        request_id: &str,
    ) -> Result<Submitted, SubmitError> {
        let signed = Receipt::from_bytes(receipt).map_err(|_| {
            SubmitError::Unavailable("the stored receipt cannot be read".to_owned())
        })?;
        let receipt = signed.record();
        let body = answer.body.clone().unwrap_or_else(|| {
            self.answers
                .render(&AnswerParts {
                    format: answer.format,
                    receipt,
                    tool_response: None,
                    tool_response_erased: erased,
                    request_id,
                })
                .body
        });
        Ok(Submitted {
            http_status: answer.http_status,
            body,
            replayed: true,
            decision: Decision::from_word(receipt.decision.as_str()).unwrap_or(Decision::Error),
            receipt_id: receipt.receipt_id.clone(),
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

/// The two hashes of a request.
pub(crate) struct Hashes {
    pub(crate) request_hash: [u8; 32],
    pub(crate) request_digest: [u8; 32],
}

/// SHA-256 over the canonical body, with and without `instance_id`.
pub(crate) fn hashes_of(
    action: &Action,
    resource: &Resource,
    instance_id: &InstanceId,
    payload_canonical: &str,
) -> Hashes {
    let mut body = Vec::with_capacity(payload_canonical.len() + 256);
    let mut write = |instance: Option<&InstanceId>| {
        body.clear();
        // The names are in their canonical order (RFC 8785, section 3.2.3).
        body.extend_from_slice(b"{\"action\":");
        relynt_json::write_canonical_str(action.as_str(), &mut body);
        if let Some(instance) = instance {
            body.extend_from_slice(b",\"instance_id\":");
            relynt_json::write_canonical_str(instance.as_str(), &mut body);
        }
        body.extend_from_slice(b",\"payload\":");
        body.extend_from_slice(payload_canonical.as_bytes());
        body.extend_from_slice(b",\"resource\":");
        relynt_json::write_canonical_str(resource.as_str(), &mut body);
        body.push(b'}');
        sha256(&body)
    };
    Hashes {
        request_hash: write(Some(instance_id)),
        request_digest: write(None),
    }
}

/// The body of a stored request, taken apart again.
pub(crate) fn parse_request(
    body: &str,
) -> Option<(Action, Resource, InstanceId, Option<Value>, String)> {
    let Value::Object(mut body) = relynt_json::parse_canonical(body.as_bytes()).ok()? else {
        return None;
    };
    let text = |object: &mut Object, name: &str| match object.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let action = Action::new(&text(&mut body, "action")?).ok()?;
    let resource = Resource::new(&text(&mut body, "resource")?).ok()?;
    let instance = InstanceId::new(&text(&mut body, "instance_id")?).ok()?;
    let payload = match body.remove("payload") {
        None | Some(Value::Null) => None,
        Some(payload) => Some(payload),
    };
    let canonical = payload
        .as_ref()
        .map_or_else(|| "null".to_owned(), Value::to_canonical);
    Some((action, resource, instance, payload, canonical))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hashes_are_those_of_the_ledger() {
        let payload = relynt_json::parse(br#"{"b":1.50,"a":"\u00e9"}"#).unwrap();
        let (action, resource) = (Action::new("a\"b").unwrap(), Resource::new("r:1").unwrap());
        let instance = InstanceId::new("run").unwrap();
        let hashes = hashes_of(&action, &resource, &instance, &payload.to_canonical());
        assert_eq!(
            crate::receipts::hash_text(&hashes.request_hash),
            relynt_ledger::request_hash("a\"b", "run", Some(&payload), "r:1")
        );
        assert_eq!(
            crate::receipts::hash_text(&hashes.request_digest),
            relynt_ledger::request_digest("a\"b", Some(&payload), "r:1")
        );
    }

    #[test]
    fn a_stored_request_reads_back_whatever_numbers_it_has() {
        // Legal as sent, and written canonically as an integer that the reader of bodies refuses.
        let payload = relynt_json::parse(br#"{"amount":1e20}"#).unwrap();
        let body = format!(
            r#"{{"action":"a","instance_id":"i","payload":{},"resource":"r"}}"#,
            payload.to_canonical()
        );
        let (.., read, canonical) = parse_request(&body).unwrap();
        assert_eq!(read, Some(payload));
        assert_eq!(canonical, r#"{"amount":100000000000000000000}"#);
    }
}
