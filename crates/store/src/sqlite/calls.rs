//! Calls and executions.

use std::sync::Arc;

use async_trait::async_trait;
use relynt_domain::{
    AgentId, ExecutionId, ExecutionStatus, IdempotencyKey, Incarnation, OrganizationId, Timestamp,
    ToolCall,
};
use relynt_gateway::ports::{
    Answer, Calls, ClosedOutcome, Closing, Decided, Execution, NewReceipt, OpenExecution, Plan,
    Recorded, Seen, StoreError, StoredCall, StoredCallState,
};
use rusqlite::params;

use super::SqliteStore;
use super::decision::{Decision, Outcome, Prepared, SealedCall};
use super::outcome::{SealedOutcome, close};
use super::stored_call::{RawCall, SealedRow};
use super::write;
use crate::keys::{CallIdentity, CallKey};
use crate::rows::{self, all, first};
use crate::sql;
use crate::texts::request_text;

#[async_trait]
impl Calls for SqliteStore {
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
        let ready = match &plan {
            Plan::Ready(decided) => Some(Prepared::new(decided, &sealed, &*self.entropy)?),
            Plan::InTransaction(_) => None,
        };
        let plan = Arc::new(plan);
        let entropy = Arc::clone(&self.entropy);
        let key = Arc::clone(&sealed.key);
        let work = Decision {
            seen,
            call,
            stored_key,
            sealed,
            plan: Arc::clone(&plan),
            ready,
            entropy,
        };
        match self.writer.submit(move |tx| work.record(tx)).await? {
            Outcome::Ready => match Arc::unwrap_or_clone(plan) {
                Plan::Ready(decided) => Ok(self.new_decision(seen, decided, key)),
                Plan::InTransaction(_) => Err(StoreError::Closed),
            },
            Outcome::New(decided) => Ok(self.new_decision(seen, decided, key)),
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
            .points
            .read(move |reader| {
                reader.snapshot(|connection| RawCall::find(connection, organization, agent, &key))
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
        self.writer
            .submit(move |tx| close(tx, &closing, &sealed, &leaf))
            .await
    }

    async fn record_receipt(
        &self,
        organization: OrganizationId,
        receipt: NewReceipt,
    ) -> Result<(), StoreError> {
        let leaf = receipt.signed.leaf_hash();
        self.writer
            .submit(move |tx| write::receipt(tx, organization, &receipt, &leaf))
            .await
    }

    async fn list_left_behind(
        &self,
        incarnation: Incarnation,
        others: bool,
        due: Timestamp,
        limit: u32,
    ) -> Result<Vec<OpenExecution>, StoreError> {
        self.points
            .read(move |reader| {
                all(
                    reader.connection(),
                    sql::LEFT_BEHIND,
                    params![incarnation.as_bytes(), others, due.unix_micros(), limit],
                    rows::open_execution,
                )
            })
            .await
    }

    async fn find_execution(
        &self,
        organization: OrganizationId,
        id: ExecutionId,
    ) -> Result<Option<Execution>, StoreError> {
        self.points
            .read(move |reader| {
                first(
                    reader.connection(),
                    sql::FIND_EXECUTION,
                    params![organization.as_bytes(), id.as_bytes()],
                    rows::execution,
                )
            })
            .await
    }
}

impl SqliteStore {
    /// A decision that is durable; if it is carried out now, its key will be needed again at once.
    fn new_decision(&self, seen: Seen, decided: Box<Decided>, key: Arc<CallKey>) -> Recorded {
        if let Decided::Execute(new) = &*decided {
            self.keys.keep(seen.organization, new.id, key);
        }
        Recorded::New(decided)
    }

    /// Seals request and facts under a new key of the call.
    async fn seal_call(&self, call: &ToolCall) -> Result<SealedCall, StoreError> {
        let organization_key = self.organization_key(call.organization).await?;
        let identity = CallIdentity::new(call.organization, call.agent, &call.key);
        let (key, wrapped) = CallKey::random(&organization_key, &*self.entropy, identity)?;
        let body = key.seal_body(&*self.entropy, &request_text(call))?;
        let key = Arc::new(key);
        Ok(SealedCall { key, wrapped, body })
    }

    /// Seals what an outcome leaves, under the key that its call was sealed with.
    async fn seal_outcome(&self, closing: &Closing) -> Result<SealedOutcome, StoreError> {
        let (organization, execution) = (closing.organization, closing.execution.id);
        let kept = self.keys.take(organization, execution);
        let body = closing
            .answer
            .as_ref()
            .and_then(|answer| answer.body.as_ref());
        let response = closing.tool_response.as_ref();
        if body.is_none() && response.is_none() {
            return Ok(SealedOutcome::default());
        }
        let key = match kept {
            // Were it erased meanwhile, the row would not take what is sealed under it.
            Some(key) => key,
            None => match self.stored_key(organization, execution).await? {
                Some(key) => Arc::new(key),
                // Erased while it ran: what came back is not kept either.
                None => return Ok(SealedOutcome::default()),
            },
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

    /// The key of the call that an execution belongs to, unless it was erased.
    async fn stored_key(
        &self,
        organization: OrganizationId,
        execution: ExecutionId,
    ) -> Result<Option<CallKey>, StoreError> {
        let row = self
            .points
            .read(move |reader| {
                SealedRow::of_execution(reader.connection(), organization, execution)
            })
            .await?
            .ok_or_else(|| StoreError::Database("there is no such execution".to_owned()))?;
        self.call_key(organization, &row).await
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
