//! Calls and executions.

use std::sync::Arc;

use async_trait::async_trait;
use relynt_domain::{
    AgentId, ExecutionDetail, ExecutionId, ExecutionStatus, IdempotencyKey, Incarnation,
    OrganizationId, ReceiptId, Timestamp, ToolCall,
};
use relynt_gateway::ports::{
    Answer, Calls, ClosedOutcome, Closing, Decide, DecideError, Decided, Entropy, Execution, Facts,
    NewReceipt, OpenExecution, Plan, Recorded, Seen, StoreError, StoredCall, StoredCallState,
};
use relynt_json::write_canonical_str;
use relynt_ledger::Sha256;
use rusqlite::{Connection, params};
use zeroize::Zeroizing;

use super::SqliteStore;
use super::failure::{Failure, corrupt, refused};
use super::write::{self, CarriesOut, exactly_one};
use crate::keys::{CallIdentity, CallKey};
use crate::rows::{self, all, execute, first};
use crate::sql;

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
                Plan::Ready(decided) => Ok(Recorded::New(decided)),
                Plan::InTransaction(_) => Err(StoreError::Closed),
            },
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
            .points
            .read(move |reader| {
                SealedRow::of_execution(reader.connection(), organization, execution)
            })
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

/// The canonical body and the facts in one text: the body's length in front.
fn request_text(call: &ToolCall) -> Zeroizing<Vec<u8>> {
    let mut body = Zeroizing::new(Vec::with_capacity(256 + call.payload_canonical.len()));
    body.extend_from_slice(&[0; 4]);
    body.extend_from_slice(b"{\"action\":");
    write_canonical_str(call.action.as_str(), &mut body);
    body.extend_from_slice(b",\"instance_id\":");
    write_canonical_str(call.instance_id.as_str(), &mut body);
    body.extend_from_slice(b",\"payload\":");
    body.extend_from_slice(call.payload_canonical.as_bytes());
    body.extend_from_slice(b",\"resource\":");
    write_canonical_str(call.resource.as_str(), &mut body);
    body.push(b'}');
    // A body has at most 256 KiB.
    let len = u32::try_from(body.len() - 4).unwrap_or(u32::MAX);
    if let Some(head) = body.first_chunk_mut::<4>() {
        *head = len.to_be_bytes();
    }
    body.extend_from_slice(call.facts.as_bytes());
    body
}

/// Takes the two apart again.
pub(super) fn split_request(text: &[u8]) -> Option<(&str, &str)> {
    let (head, rest) = text.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_be_bytes(*head)).ok()?;
    let (body, facts) = rest.split_at_checked(len)?;
    Some((str::from_utf8(body).ok()?, str::from_utf8(facts).ok()?))
}

/// A call's sealed request.
struct SealedCall {
    key: CallKey,
    wrapped: Vec<u8>,
    body: Vec<u8>,
}

#[derive(Default)]
struct SealedOutcome {
    answer: Option<Vec<u8>>,
    tool_response: Option<Vec<u8>>,
}

/// What can be worked out about a decision before it is stored.
enum Prepared {
    Close {
        leaf: Sha256,
        answer: Option<Vec<u8>>,
    },
    Execute {
        draft: String,
    },
}

impl Prepared {
    fn new(decided: &Decided, sealed: &SealedCall, entropy: &dyn Entropy) -> Result<Self, Failure> {
        Ok(match decided {
            Decided::Close {
                receipt, answer, ..
            } => Self::Close {
                leaf: receipt.signed.leaf_hash(),
                answer: answer
                    .body
                    .as_ref()
                    .map(|body| sealed.key.seal_answer(entropy, body))
                    .transpose()?,
            },
            Decided::Execute(new) => Self::Execute {
                draft: write::draft_of(new)?,
            },
        })
    }
}

/// A decision on its way into the store.
struct Decision {
    seen: Seen,
    call: Arc<ToolCall>,
    stored_key: Vec<u8>,
    sealed: SealedCall,
    plan: Arc<Plan>,
    ready: Option<Prepared>,
    entropy: Arc<dyn Entropy>,
}

enum Outcome {
    /// The plan, as it was.
    Ready,
    New(Box<Decided>),
    Known(RawCall),
    Stale,
    Refused(DecideError),
}

impl Decision {
    fn record(&self, tx: &Connection) -> Result<Outcome, Failure> {
        let organization = self.seen.organization;
        if write::change_number(tx, organization)? != Some(self.seen.change) {
            return Ok(Outcome::Stale);
        }
        match (&*self.plan, &self.ready) {
            (Plan::Ready(decided), Some(prepared)) => {
                if self.store(tx, decided, prepared)? {
                    Ok(Outcome::Ready)
                } else {
                    self.known(tx)?
                        .ok_or_else(|| corrupt("a claimed key has no call"))
                }
            }
            (Plan::Ready(_), None) => Err(refused("a ready decision was not prepared")),
            (Plan::InTransaction(decide), _) => self.decide(tx, decide),
        }
    }

    /// Looks first: what decides is not asked about a key that was used before, and nothing has
    /// to be undone if it refuses.
    fn decide(&self, tx: &Connection, decide: &Decide) -> Result<Outcome, Failure> {
        if let Some(known) = self.known(tx)? {
            return Ok(known);
        }
        let call = &self.call;
        let open_approval = first(
            tx,
            sql::OPEN_APPROVAL,
            params![
                call.organization.as_bytes(),
                call.agent.as_bytes(),
                call.request_digest,
                call.received_at.unix_micros(),
            ],
            rows::open_approval,
        )?;
        let decided = match decide(&Facts { open_approval }) {
            Ok(decided) => decided,
            Err(error) => return Ok(Outcome::Refused(error)),
        };
        let prepared = Prepared::new(&decided, &self.sealed, &*self.entropy)?;
        if self.store(tx, &decided, &prepared)? {
            Ok(Outcome::New(Box::new(decided)))
        } else {
            Err(corrupt("a free key could not be claimed"))
        }
    }

    fn known(&self, tx: &Connection) -> Result<Option<Outcome>, Failure> {
        let call = &self.call;
        let raw = RawCall::find(tx, call.organization, call.agent, &self.stored_key)?;
        Ok(raw.map(Outcome::Known))
    }

    /// Claims the key and stores what was decided. False: the key was used before, and nothing
    /// was stored.
    fn store(
        &self,
        tx: &Connection,
        decided: &Decided,
        prepared: &Prepared,
    ) -> Result<bool, Failure> {
        let call = &self.call;
        let organization = call.organization;
        let (receipt_id, answer) = match decided {
            Decided::Close {
                receipt, answer, ..
            } => (receipt.id, Some(answer)),
            Decided::Execute(new) => (new.receipt_id, None),
        };
        let claimed = execute(
            tx,
            sql::CLAIM_CALL,
            params![
                organization.as_bytes(),
                call.agent.as_bytes(),
                self.stored_key,
                call.request_digest,
                receipt_id.as_bytes(),
                answer.map(|answer| answer.http_status),
                answer.map(|answer| answer.format),
                answer.is_some_and(|answer| answer.body.is_some()),
            ],
        )?;
        if claimed == 0 {
            return Ok(false);
        }
        let sealed_answer = match prepared {
            Prepared::Close { answer, .. } => answer.as_deref(),
            Prepared::Execute { .. } => None,
        };
        execute(
            tx,
            sql::INSERT_REQUEST,
            params![
                organization.as_bytes(),
                receipt_id.as_bytes(),
                call.agent.as_bytes(),
                self.stored_key,
                self.sealed.wrapped,
                self.sealed.body,
                sealed_answer,
            ],
        )?;
        match (decided, prepared) {
            (
                Decided::Close {
                    receipt, approval, ..
                },
                Prepared::Close { leaf, .. },
            ) => {
                write::receipt(tx, organization, receipt, leaf)?;
                if let Some(new) = approval {
                    write::approval(tx, organization, &new.record)?;
                }
            }
            (Decided::Execute(new), Prepared::Execute { draft }) => {
                let carries_out = CarriesOut {
                    request: receipt_id,
                    key: Some(&self.stored_key),
                };
                write::execution(tx, organization, new, draft, &carries_out)?;
            }
            _ => return Err(refused("a decision was not prepared as what it is")),
        }
        Ok(true)
    }
}

/// Closes an execution, if nobody has.
fn close(
    tx: &Connection,
    closing: &Closing,
    sealed: &SealedOutcome,
    leaf: &Sha256,
) -> Result<ClosedOutcome, Failure> {
    let Closing {
        organization,
        execution,
        receipt,
        answer,
        approval,
        ..
    } = closing;
    let call = write::execution_call(tx, *organization, execution.id)?
        .ok_or_else(|| refused("there is no such execution"))?;
    if call.receipt != receipt.id || call.approval != *approval {
        return Err(refused("the outcome speaks of another call or approval"));
    }
    let closed = execute(
        tx,
        sql::CLOSE_EXECUTION,
        params![
            execution.status.as_str(),
            execution.detail.map(ExecutionDetail::as_str),
            execution.response.as_str(),
            execution.attempts,
            execution.http_status,
            execution.finished_at.map(Timestamp::unix_micros),
            organization.as_bytes(),
            execution.id.as_bytes(),
        ],
    )?;
    if closed == 0 {
        return Ok(ClosedOutcome::AlreadyClosed);
    }
    write::receipt(tx, *organization, receipt, leaf)?;
    if let Some(answer) = answer {
        let key = call
            .key
            .as_deref()
            .ok_or_else(|| refused("the call was answered long ago"))?;
        let answered = execute(
            tx,
            sql::ANSWER_CALL,
            params![
                answer.http_status,
                answer.format,
                answer.body.is_some(),
                organization.as_bytes(),
                call.agent.as_bytes(),
                key,
            ],
        )?;
        exactly_one(answered, "an unanswered call")?;
    } else if call.key.is_some() {
        return Err(refused("the call would stay without an answer"));
    }
    if sealed.answer.is_some() || sealed.tool_response.is_some() {
        execute(
            tx,
            sql::KEEP_ANSWER,
            params![
                sealed.answer,
                sealed.tool_response,
                organization.as_bytes(),
                call.request.as_bytes(),
            ],
        )?;
    }
    if let Some(approval) = approval {
        let finished = execute(
            tx,
            sql::FINISH_APPROVAL,
            params![
                receipt.id.as_bytes(),
                organization.as_bytes(),
                approval.as_bytes(),
                execution.id.as_bytes(),
            ],
        )?;
        exactly_one(finished, "an approval that waits for this execution")?;
    }
    Ok(ClosedOutcome::Closed)
}

/// A call as its row has it.
pub(super) struct RawCall {
    request_digest: [u8; 32],
    receipt_id: ReceiptId,
    answered: Option<RawAnswer>,
}

struct RawAnswer {
    http_status: u16,
    format: u16,
    body_kept: bool,
    kept: Option<SealedRow>,
    receipt: Vec<u8>,
}

impl RawCall {
    fn find(
        connection: &Connection,
        organization: OrganizationId,
        agent: AgentId,
        key: &[u8],
    ) -> Result<Option<Self>, Failure> {
        let params = params![organization.as_bytes(), agent.as_bytes(), key];
        let found = first(connection, sql::FIND_CALL, params, |row| {
            let answer: Option<u16> = row.get(2)?;
            let format: Option<u16> = row.get(3)?;
            let body_kept: bool = row.get(4)?;
            Ok((
                row.get::<_, [u8; 32]>(0)?,
                rows::id(row, 1, ReceiptId::from_bytes)?,
                answer
                    .zip(format)
                    .map(|(status, format)| (status, format, body_kept)),
            ))
        })?;
        let Some((request_digest, receipt_id, answer)) = found else {
            return Ok(None);
        };
        let answered = match answer {
            None => None,
            Some((http_status, format, body_kept)) => Some(RawAnswer {
                http_status,
                format,
                body_kept,
                kept: if body_kept {
                    SealedRow::find(connection, sql::FIND_ANSWER, organization, receipt_id)?
                } else {
                    None
                },
                receipt: receipt_bytes(connection, organization, receipt_id)?,
            }),
        };
        Ok(Some(Self {
            request_digest,
            receipt_id,
            answered,
        }))
    }
}

fn receipt_bytes(
    connection: &Connection,
    organization: OrganizationId,
    id: ReceiptId,
) -> Result<Vec<u8>, Failure> {
    let params = params![organization.as_bytes(), id.as_bytes()];
    first(
        connection,
        sql::RECEIPT_BYTES,
        params,
        |row| Ok(row.get(0)?),
    )?
    .ok_or_else(|| corrupt(format!("receipt `{id}` of an answered call is missing")))
}

/// A sealed field of a call, with what is needed to unseal it.
pub(super) struct SealedRow {
    agent: AgentId,
    key: Vec<u8>,
    call_key: Option<Vec<u8>>,
    pub(super) sealed: Option<Vec<u8>>,
}

impl SealedRow {
    /// By the call's receipt, with one of the statements for that.
    pub(super) fn find(
        connection: &Connection,
        sql: &str,
        organization: OrganizationId,
        receipt: ReceiptId,
    ) -> Result<Option<Self>, Failure> {
        let params = params![organization.as_bytes(), receipt.as_bytes()];
        first(connection, sql, params, Self::read)
    }

    /// The tool response of an execution.
    pub(super) fn of_execution(
        connection: &Connection,
        organization: OrganizationId,
        execution: ExecutionId,
    ) -> Result<Option<Self>, Failure> {
        let params = params![organization.as_bytes(), execution.as_bytes()];
        first(connection, sql::FIND_RESPONSE, params, Self::read)
    }

    fn read(row: &rusqlite::Row<'_>) -> Result<Self, Failure> {
        Ok(Self {
            agent: rows::id(row, 0, AgentId::from_bytes)?,
            key: row.get(1)?,
            call_key: row.get(2)?,
            sealed: row.get(3)?,
        })
    }
}
