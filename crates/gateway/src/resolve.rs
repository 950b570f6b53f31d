//! A person decides.

use std::sync::Arc;
use std::time::Duration;

use relynt_domain::{
    AgentId, ApprovalId, ApprovalRecord, ApprovalStatus, BlockedBy, Channel, Decider, Decision,
    ExecutionId, OrganizationId, PerformedBy, ReceiptId, Role, Scope, Timestamp, ToolCall, Verdict,
    Vote, VoteKind,
};
use relynt_ledger::Receipt;

use crate::directory::{ConnectorEntry, Snapshot};
use crate::execute::{Carriage, DEADLINE_MARGIN};
use crate::plan::{callable, evaluate};
use crate::ports::{
    Connector, EntropyError, NewExecution, Resolution, Resolved, Slot, StoreError, Then,
};
use crate::receipts::{approver, of_approval};
use crate::request::{hashes_of, parse_request};
use crate::{AuthError, Gateway, Person};

const STALE_TRIES: u32 = 3;

/// A vote as it came in.
#[derive(Debug, Clone)]
pub struct DecideApproval {
    /// Which approval.
    pub approval: ApprovalId,
    /// What it says.
    pub vote: VoteKind,
    /// On which revision; none: the one that is pending.
    pub revision: Option<u32>,
    /// The decider's remark.
    pub note: Option<String>,
}

/// A vote was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The person may not decide.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// There is no such approval here.
    #[error("there is no such approval")]
    NotFound,
    /// It had ended before.
    #[error("the approval is {status} already{}", .by.as_ref().map(|by| format!(", decided by {by}")).unwrap_or_default())]
    Ended {
        /// How it ended.
        status: ApprovalStatus,
        /// Who decided.
        by: Option<Decider>,
    },
    /// Another revision is pending.
    #[error("revision {current} is pending: look at it again")]
    OtherRevision {
        /// Which one is.
        current: u32,
    },
    /// What the approval was bound to changed: it is cancelled now, and nothing was executed.
    #[error("{}; the approval is cancelled and nothing was executed", cancelled(*.0))]
    Cancelled(BlockedBy),
    /// The store, the signer or the connector cannot take it now; the approval stays pending
    /// unless it says otherwise.
    #[error("{0}")]
    Unavailable(String),
}

const fn cancelled(by: BlockedBy) -> &'static str {
    match by {
        BlockedBy::Digest => "the stored request is not the one that was to be approved",
        BlockedBy::AgentDisabled => "the agent is disabled",
        BlockedBy::ConnectorChanged => "the connector has changed since",
        BlockedBy::Policy => "a policy activated since denies it",
        BlockedBy::CredentialRotated => "the agent's credentials were rotated",
    }
}

impl From<StoreError> for ResolveError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<EntropyError> for ResolveError {
    fn from(error: EntropyError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// What remains to be done after a vote: an execution whose intent is durable. Whoever gets one
/// must run it ([`Gateway::carry_out_tail`]) in a task that outlives the voter.
#[must_use = "an execution whose intent is durable has to be carried out"]
pub struct Tail {
    organization: OrganizationId,
    intent: NewExecution,
    carriage: Carriage,
}

/// What an approve leads to.
enum Approved {
    Perform {
        connector: Arc<dyn Connector>,
        entry: Arc<ConnectorEntry>,
        call: Arc<ToolCall>,
        slot: Slot,
    },
    ByAgent,
    Blocked(BlockedBy),
}

impl Gateway {
    /// Takes a person's vote. The vote, the approval's end and what follows (final receipt, or the
    /// intent of the execution) commit together or not at all.
    ///
    /// # Errors
    /// See [`ResolveError`].
    pub async fn decide_approval(
        &self,
        person: &Person,
        vote: DecideApproval,
    ) -> Result<Option<Tail>, ResolveError> {
        let mut person = self.person_again(person)?;
        for _ in 0..STALE_TRIES {
            person.require(Role::Approver, Scope::ApprovalsDecide)?;
            let organization = person.organization();
            let record = self
                .store
                .find_approval(organization, vote.approval)
                .await?
                .ok_or(ResolveError::NotFound)?;
            let record = self.still_pending(organization, record, &vote).await?;
            let now = self.clock.now();
            let ballot = Vote {
                by: Decider::User(person.user()),
                vote: vote.vote,
                at: now,
                channel: Channel::Token,
                revision: record.revision,
            };
            let (resolution, tail) = match vote.vote {
                VoteKind::Deny => (self.deny(organization, &record, &ballot, &vote, now)?, None),
                VoteKind::Approve => {
                    self.approve(&person.snapshot, &record, &ballot, &vote, now)
                        .await?
                }
            };
            let blocked = resolution.blocked_by;
            match self.store.record_resolution(resolution).await? {
                Resolved::Done(_) => {
                    // The vote is durable. If an execution follows, a crash from here on leaves its
                    // intent, which recovery closes as unknown.
                    self.publish(organization, vote.approval).await;
                    return blocked.map_or(Ok(tail), |by| Err(ResolveError::Cancelled(by)));
                }
                Resolved::NotFound => return Err(ResolveError::NotFound),
                // The next round says what it is now.
                Resolved::NotPending(_) => {}
                Resolved::Stale => {
                    self.reload(organization).await?;
                }
            }
            person = self.person_again(&person)?;
        }
        Err(ResolveError::Unavailable(
            "the rules keep changing".to_owned(),
        ))
    }

    /// Carries out what an approve led to.
    pub async fn carry_out_tail(&self, tail: Tail) {
        // Whatever comes of it is on record; the approval tells.
        let _ = self
            .carry_out(tail.organization, tail.intent, tail.carriage)
            .await;
    }

    async fn still_pending(
        &self,
        organization: OrganizationId,
        record: ApprovalRecord,
        vote: &DecideApproval,
    ) -> Result<ApprovalRecord, ResolveError> {
        if record.status.is_end() {
            return Err(ResolveError::Ended {
                status: record.status,
                by: record.decided_by,
            });
        }
        if self.clock.now() >= record.expires_at {
            self.expire(organization, record.id).await?;
            return Err(ResolveError::Ended {
                status: ApprovalStatus::Expired,
                by: None,
            });
        }
        if vote
            .revision
            .is_some_and(|revision| revision != record.revision)
        {
            return Err(ResolveError::OtherRevision {
                current: record.revision,
            });
        }
        Ok(record)
    }

    fn deny(
        &self,
        organization: OrganizationId,
        record: &ApprovalRecord,
        ballot: &Vote,
        vote: &DecideApproval,
        now: Timestamp,
    ) -> Result<Resolution, ResolveError> {
        let receipt_id = ReceiptId::new(now, self.random()?);
        let receipt = Receipt {
            reason: format!("denied by {}", ballot.by),
            approvers: Some(with_vote(record, ballot)),
            ..of_approval(organization, record, receipt_id, now)
        };
        let receipt = self.closing(record, receipt, receipt_id, Decision::Deny, now)?;
        Ok(Resolution {
            organization,
            // A deny is always taken.
            seen: None,
            approval: record.id,
            revision: record.revision,
            to: ApprovalStatus::Denied,
            at: now,
            vote: Some(ballot.clone()),
            decided_by: Some(ballot.by.clone()),
            note: vote.note.clone(),
            blocked_by: None,
            valid_until: None,
            then: Then::Close(receipt),
        })
    }

    async fn approve(
        &self,
        snapshot: &Arc<Snapshot>,
        record: &ApprovalRecord,
        ballot: &Vote,
        vote: &DecideApproval,
        now: Timestamp,
    ) -> Result<(Resolution, Option<Tail>), ResolveError> {
        let organization = snapshot.organization.id;
        let receipt_id = ReceiptId::new(now, self.random()?);
        let approved = self.check_binding(snapshot, record, now).await?;
        let base = Receipt {
            approvers: Some(with_vote(record, ballot)),
            ..of_approval(organization, record, receipt_id, now)
        };
        let resolution = |to: ApprovalStatus, then: Then| Resolution {
            organization,
            seen: Some(snapshot.change),
            approval: record.id,
            revision: record.revision,
            to,
            at: now,
            vote: Some(ballot.clone()),
            decided_by: Some(ballot.by.clone()),
            note: vote.note.clone(),
            blocked_by: None,
            valid_until: None,
            then,
        };
        match approved {
            Approved::Blocked(by) => {
                let decision = match by {
                    BlockedBy::AgentDisabled => Decision::Deny,
                    _ => Decision::Error,
                };
                let receipt = Receipt {
                    reason: format!("cancelled: {}", cancelled(by)),
                    ..base
                };
                let receipt = self.closing(record, receipt, receipt_id, decision, now)?;
                let resolution = Resolution {
                    blocked_by: Some(by),
                    decided_by: None,
                    ..resolution(ApprovalStatus::Cancelled, Then::Close(receipt))
                };
                Ok((resolution, None))
            }
            Approved::ByAgent => {
                let valid_until = now.after(self.settings.approved_valid);
                let receipt = Receipt {
                    performed_by: Some(relynt_ledger::PerformedBy::Agent),
                    valid_until: Some(valid_until.to_string()),
                    ..base
                };
                let receipt = self.closing(record, receipt, receipt_id, Decision::Allow, now)?;
                let resolution = Resolution {
                    valid_until: Some(valid_until),
                    ..resolution(ApprovalStatus::Approved, Then::Close(receipt))
                };
                Ok((resolution, None))
            }
            Approved::Perform {
                connector,
                entry,
                call,
                slot,
            } => {
                let budget = connector.budget(&record.action);
                let intent = NewExecution {
                    id: ExecutionId::new(now, self.random()?),
                    receipt_id,
                    draft: Receipt {
                        performed_by: Some(relynt_ledger::PerformedBy::Gateway),
                        connector: Some(crate::receipts::connector(
                            entry.record.id,
                            entry.record.version,
                        )),
                        ..base
                    },
                    agent: record.agent,
                    approval: Some(record.id),
                    connector: entry.record.id,
                    connector_version: entry.record.version,
                    incarnation: self.incarnation,
                    request_digest: record.request_digest,
                    started_at: now,
                    deadline_at: now.after(budget + DEADLINE_MARGIN),
                    request_id: call.request_id.clone(),
                };
                let then = Then::Execute(Box::new(intent.clone()));
                let carriage = Carriage {
                    call,
                    connector,
                    slot,
                    budget,
                };
                let tail = Tail {
                    organization,
                    intent,
                    carriage,
                };
                Ok((resolution(ApprovalStatus::Approved, then), Some(tail)))
            }
        }
    }

    /// What is executed is exactly what was shown: the same request, an enabled agent, the same
    /// connector with the same origin and routes, and no policy since that would deny.
    async fn check_binding(
        &self,
        snapshot: &Arc<Snapshot>,
        record: &ApprovalRecord,
        now: Timestamp,
    ) -> Result<Approved, ResolveError> {
        let agent = snapshot.agent(record.agent);
        let Some(agent) =
            agent.filter(|entry| entry.agent.status == relynt_domain::AgentStatus::Active)
        else {
            return Ok(Approved::Blocked(BlockedBy::AgentDisabled));
        };
        let organization = snapshot.organization.id;
        let request = self
            .store
            .find_request(organization, record.receipt_id)
            .await?;
        let Some((action, resource, instance_id, payload, payload_canonical)) =
            request.and_then(|request| parse_request(&request.body))
        else {
            return Ok(Approved::Blocked(BlockedBy::Digest));
        };
        let hashes = hashes_of(&action, &resource, &instance_id, &payload_canonical);
        if hashes.request_digest != record.request_digest
            || hashes.request_hash != record.request_hash
        {
            return Ok(Approved::Blocked(BlockedBy::Digest));
        }
        let call = Arc::new(ToolCall {
            organization,
            agent: record.agent,
            credential: record.credential,
            key: record.idempotency_key.clone(),
            action,
            resource,
            instance_id,
            payload,
            payload_canonical,
            request_hash: hashes.request_hash,
            request_digest: hashes.request_digest,
            facts: Arc::clone(&agent.facts),
            facts_hash: agent.facts_hash,
            received_at: now,
            request_id: record.id.to_string(),
            traceparent: None,
        });
        if snapshot.active.version != record.policy_version {
            match evaluate(snapshot, &call).verdict {
                Verdict::Allow | Verdict::RequireApproval => {}
                Verdict::Deny | Verdict::Error => {
                    return Ok(Approved::Blocked(BlockedBy::Policy));
                }
            }
        }
        let entry = snapshot.connector_for(&record.action, &record.resource);
        let Ok(target) = callable(entry) else {
            return Ok(Approved::Blocked(BlockedBy::ConnectorChanged));
        };
        let present = target.as_ref().map(|(e, c)| (e.record.id, c.binding()));
        if present != record.connector {
            return Ok(Approved::Blocked(BlockedBy::ConnectorChanged));
        }
        let Some((entry, connector)) = target else {
            debug_assert_eq!(record.performed_by, PerformedBy::Agent);
            return Ok(Approved::ByAgent);
        };
        let fits = connector.check_route(
            call.action.as_str(),
            call.resource.as_str(),
            call.payload.as_ref(),
        );
        if fits.is_err() {
            return Ok(Approved::Blocked(BlockedBy::ConnectorChanged));
        }
        let slot = connector.try_slot().ok_or_else(|| {
            ResolveError::Unavailable("every slot of the connector is taken: try again".to_owned())
        })?;
        Ok(Approved::Perform {
            connector,
            entry,
            call,
            slot,
        })
    }

    fn closing(
        &self,
        record: &ApprovalRecord,
        receipt: Receipt,
        id: ReceiptId,
        decision: Decision,
        now: Timestamp,
    ) -> Result<Box<crate::ports::NewReceipt>, ResolveError> {
        self.closing_receipt(record, receipt, id, decision, now)
            .map(Box::new)
            .map_err(|error| ResolveError::Unavailable(error.to_string()))
    }

    /// Waits until the approval is final or the time is up; the state as it then is. None at once
    /// if there is none, or not of the agent that is asked for.
    pub(crate) async fn wait_until_final(
        &self,
        organization: OrganizationId,
        id: ApprovalId,
        only: Option<AgentId>,
        wait: Duration,
    ) -> Result<Option<Arc<crate::ApprovalView>>, StoreError> {
        let since = self.clock.uptime();
        let waiting = self.waiters.join((organization, id));
        let mut state = waiting.watched.state.subscribe();
        {
            let _reading = waiting.watched.reading.lock().await;
            if waiting.watched.state.borrow().is_none() {
                let Some(view) = self.read_approval(organization, id).await? else {
                    return Ok(None);
                };
                waiting.watched.state.send_replace(Some(Arc::new(view)));
            }
        }
        loop {
            let view = state.borrow_and_update().clone();
            let shown = view.as_ref().map(|view| view.record.agent);
            if only.is_some_and(|agent| shown != Some(agent)) {
                return Ok(None);
            }
            let left = wait.saturating_sub(self.clock.uptime().saturating_sub(since));
            if left.is_zero() || view.as_ref().is_some_and(|view| view.is_final()) {
                return Ok(view);
            }
            if self.within(left, state.changed()).await.is_none() {
                return Ok(state.borrow().clone());
            }
        }
    }

    /// Tells those who wait for an approval how it stands now.
    pub(crate) async fn publish(&self, organization: OrganizationId, id: ApprovalId) {
        let Some(watched) = self.waiters.find((organization, id)) else {
            return;
        };
        let _reading = watched.reading.lock().await;
        match self.read_approval(organization, id).await {
            Ok(Some(view)) => {
                watched.state.send_replace(Some(Arc::new(view)));
            }
            Ok(None) => {}
            // Those who wait see it when their time is up, or ask again.
            Err(error) => {
                tracing::warn!(approval = %id, "an approval could not be read for those who wait: {error}");
            }
        }
    }
}

fn with_vote(record: &ApprovalRecord, ballot: &Vote) -> Vec<relynt_ledger::Approver> {
    record.votes.iter().chain([ballot]).map(approver).collect()
}
