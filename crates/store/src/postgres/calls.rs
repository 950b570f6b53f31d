//! Calls and executions.

use std::sync::Arc;

use async_trait::async_trait;
use relynt_domain::{
    AgentId, ExecutionId, ExecutionStatus, IdempotencyKey, Incarnation, OrganizationId, Timestamp,
    ToolCall,
};
use relynt_gateway::ports::{
    Answer, Calls, ClosedOutcome, Closing, Execution, NewReceipt, OpenExecution, Plan, Recorded,
    Seen, StoreError, StoredCall, StoredCallState,
};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

use super::decision::{Decision, Outcome, Prepared, Ready, SealedCall};
use super::outcome::{SealedOutcome, close};
use super::session::Ask;
use super::stored_call::{RawCall, SealedRow};
use super::values::{Id, id};
use super::writer::Command;
use super::{PostgresStore, rows, sql, write};
use crate::keys::{CallIdentity, CallKey};
use crate::texts::request_text;

#[async_trait]
impl Calls for PostgresStore {
    async fn record_decision(
        &self,
        seen: Seen,
        call: Arc<ToolCall>,
        plan: Plan,
    ) -> Result<Recorded, StoreError> {
        if call.organization != seen.organization {
            return Err(StoreError::Database(
                "the call is another organization's".to_owned(),
            ));
        }
        let sealed = self.seal_call(&call).await?;
        let stored_key = call.key.stored();
        let (decide, ready) = match plan {
            Plan::Ready(decided) => {
                let prepared = Prepared::new(&decided, &sealed, &*self.entropy)?;
                (None, Some(Ready { decided, prepared }))
            }
            Plan::InTransaction(decide) => (Some(decide), None),
        };
        let decision = Decision {
            seen,
            call,
            stored_key,
            sealed,
            decide,
            ready,
        };
        match self.decide(decision).await? {
            Outcome::New(decided) => Ok(Recorded::New(decided)),
            Outcome::Known(raw) => Ok(Recorded::Known(
                self.open_call(seen.organization, raw).await?,
            )),
            Outcome::Stale => Ok(Recorded::Stale),
            Outcome::Refused(error) => Ok(Recorded::Refused(error)),
        }
    }

    async fn find_call(
        &self,
        organization: OrganizationId,
        agent: AgentId,
        key: &IdempotencyKey,
    ) -> Result<Option<StoredCall>, StoreError> {
        let key = key.stored();
        let found = self
            .run(async move |core| {
                let (of, agent) = (
                    Id::from(organization.as_bytes()),
                    Id::from(agent.as_bytes()),
                );
                let ask = Ask::new(sql::FIND_CALL, vec![&of, &agent, &key]);
                let row = core.first(organization, ask).await?;
                row.as_ref().map(RawCall::read).transpose()
            })
            .await?;
        match found {
            Some(raw) => self.open_call(organization, raw).await.map(Some),
            None => Ok(None),
        }
    }

    async fn record_outcome(&self, closing: Closing) -> Result<ClosedOutcome, StoreError> {
        if closing.execution.status == ExecutionStatus::Pending {
            return Err(StoreError::Database(
                "an outcome cannot be `pending`".to_owned(),
            ));
        }
        let sealed = self.seal_outcome(&closing).await?;
        let leaf = closing.receipt.signed.leaf_hash();
        self.run(async move |core| {
            core.write_once(
                closing.organization,
                async |tx| close(tx, &closing, &sealed, &leaf).await,
                async |tx| {
                    let stored =
                        write::has_receipt(tx, closing.organization, &closing.receipt).await?;
                    Ok(stored.then_some(ClosedOutcome::Closed))
                },
            )
            .await
        })
        .await
    }

    async fn record_receipt(
        &self,
        organization: OrganizationId,
        receipt: NewReceipt,
    ) -> Result<(), StoreError> {
        let leaf = receipt.signed.leaf_hash();
        self.run(async move |core| {
            core.write_once(
                organization,
                async |tx| write::receipt(tx, organization, &receipt, &leaf).await,
                async |tx| {
                    let stored = write::has_receipt(tx, organization, &receipt).await?;
                    Ok(stored.then_some(()))
                },
            )
            .await
        })
        .await
    }

    async fn list_left_behind(
        &self,
        incarnation: Incarnation,
        others: bool,
        due: Timestamp,
        limit: u32,
    ) -> Result<Vec<OpenExecution>, StoreError> {
        self.run(async move |core| {
            let incarnation = Id::from(incarnation.as_bytes());
            let (due, limit) = (due.unix_micros(), i64::from(limit));
            let heads = core
                .look_up(Ask::new(
                    sql::LEFT_BEHIND,
                    vec![&incarnation, &others, &due, &limit],
                ))
                .await?;
            let mut organizations = Vec::with_capacity(heads.len());
            let (mut of, mut ids): (Vec<Id>, Vec<Id>) = (Vec::new(), Vec::new());
            for head in &heads {
                let organization = id(head, 0, OrganizationId::from_bytes)?;
                of.push(organization.as_bytes().into());
                ids.push(id(head, 1, Id)?);
                if !organizations.contains(&organization) {
                    organizations.push(organization);
                }
            }
            let ask = Ask::new(sql::OPEN_EXECUTIONS, vec![&of, &ids]);
            let rows = core.read(&organizations, &[ask]).await?;
            rows.iter().flatten().map(rows::open_execution).collect()
        })
        .await
    }

    async fn find_execution(
        &self,
        organization: OrganizationId,
        execution: ExecutionId,
    ) -> Result<Option<Execution>, StoreError> {
        self.run(async move |core| {
            let (of, execution) = (
                Id::from(organization.as_bytes()),
                Id::from(execution.as_bytes()),
            );
            let ask = Ask::new(sql::FIND_EXECUTION, vec![&of, &execution]);
            let row = core.first(organization, ask).await?;
            row.as_ref().map(rows::execution).transpose()
        })
        .await
    }
}

impl PostgresStore {
    /// Puts a decision into the queue and waits for its group.
    async fn decide(&self, decision: Decision) -> Result<Outcome, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.stats.queued();
        if let Err(error) = self.decisions.try_send(Command { decision, answer }) {
            self.stats.taken(1);
            return Err(match error {
                TrySendError::Full(_) => StoreError::Overloaded,
                TrySendError::Closed(_) => StoreError::Closed,
            });
        }
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Seals request and facts under a new key of the call.
    async fn seal_call(&self, call: &ToolCall) -> Result<SealedCall, StoreError> {
        let organization_key = self.organization_key(call.organization).await?;
        let identity = CallIdentity::new(call.organization, call.agent, &call.key);
        let (key, wrapped) = CallKey::random(&organization_key, &*self.entropy, identity)?;
        let body = key.seal_body(&*self.entropy, &request_text(call))?;
        Ok(SealedCall { key, wrapped, body })
    }

    /// Seals what an outcome leaves, under the key that its call was sealed with.
    async fn seal_outcome(&self, closing: &Closing) -> Result<SealedOutcome, StoreError> {
        let body = closing
            .answer
            .as_ref()
            .and_then(|answer| answer.body.as_ref());
        let response = closing.tool_response.as_ref();
        if body.is_none() && response.is_none() {
            return Ok(SealedOutcome::default());
        }
        let (organization, execution) = (closing.organization, closing.execution.id);
        let row = self
            .sealed_response(organization, execution)
            .await?
            .ok_or_else(|| StoreError::Database("there is no such execution".to_owned()))?;
        // Erased while it ran: what came back is not kept either.
        let Some(key) = self.call_key(organization, &row).await? else {
            return Ok(SealedOutcome::default());
        };
        let entropy = &*self.entropy;
        Ok(SealedOutcome {
            answer: body
                .map(|body| key.seal_answer(entropy, body))
                .transpose()?,
            tool_response: response
                .map(|text| key.seal_response(entropy, execution, text.as_bytes()))
                .transpose()?,
        })
    }

    /// The tool response of an execution.
    pub(super) async fn sealed_response(
        &self,
        organization: OrganizationId,
        execution: ExecutionId,
    ) -> Result<Option<SealedRow>, StoreError> {
        self.run(async move |core| {
            let (of, execution) = (
                Id::from(organization.as_bytes()),
                Id::from(execution.as_bytes()),
            );
            let ask = Ask::new(sql::FIND_RESPONSE, vec![&of, &execution]);
            let row = core.first(organization, ask).await?;
            row.map(|row| SealedRow::read(&row, 0)).transpose()
        })
        .await
    }

    /// The key of a call, unless it was erased.
    pub(super) async fn call_key(
        &self,
        organization: OrganizationId,
        row: &SealedRow,
    ) -> Result<Option<CallKey>, StoreError> {
        let Some(wrapped) = &row.call_key else {
            return Ok(None);
        };
        let organization_key = self.organization_key(organization).await?;
        let identity = CallIdentity::stored(organization, row.agent, &row.key);
        Ok(Some(CallKey::unwrap_from(
            &organization_key,
            identity,
            wrapped,
        )?))
    }

    async fn open_call(
        &self,
        organization: OrganizationId,
        raw: RawCall,
    ) -> Result<StoredCall, StoreError> {
        let RawCall {
            request_digest,
            receipt_id,
            answered,
        } = raw;
        let Some(answered) = answered else {
            return Ok(StoredCall {
                request_digest,
                receipt_id,
                state: StoredCallState::Running,
            });
        };
        let mut body = None;
        if let Some(row) = &answered.kept
            && let Some(sealed) = &row.sealed
            && let Some(key) = self.call_key(organization, row).await?
        {
            body = Some(key.unseal_answer(sealed)?.to_vec());
        }
        let state = StoredCallState::Answered {
            erased: answered.body_kept && body.is_none(),
            answer: Answer {
                http_status: answered.http_status,
                format: answered.format,
                body,
            },
            receipt: answered.receipt,
        };
        Ok(StoredCall {
            request_digest,
            receipt_id,
            state,
        })
    }
}
