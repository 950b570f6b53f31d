//! Writing what several methods write.

use relynt_domain::{
    AgentId, ApprovalId, ApprovalRecord, BlockedBy, ChangeNumber, ExecutionId, OrganizationId,
    ReceiptId, Timestamp,
};
use relynt_gateway::ports::{AdminEntry, NewExecution, NewReceipt};
use relynt_ledger::{AdminRecord, Sha256, leaf_hash};

use super::failure::{Failure, refused};
use super::session::{Ask, Session};
use super::sql;
use super::values::{Id, get, id as read_id, maybe_id};
use crate::draft;
use crate::texts::write_votes;

/// The organization's change number, which cannot change before this transaction ends.
pub(super) async fn change_number(
    tx: &Session,
    organization: OrganizationId,
) -> Result<Option<ChangeNumber>, Failure> {
    let ids = [Id::from(organization.as_bytes())];
    let row = tx.first(sql::LOCK_NUMBERS, &[&ids.as_slice()]).await?;
    row.map(|row| Ok(ChangeNumber(get(&row, 1)?))).transpose()
}

/// Adds a receipt, and to the log's queue that it was added.
pub(super) async fn receipt(
    tx: &Session,
    organization: OrganizationId,
    receipt: &NewReceipt,
    leaf: &Sha256,
) -> Result<(), Failure> {
    let organization = Id::from(organization.as_bytes());
    let id = Id::from(receipt.id.as_bytes());
    let created_at = receipt.created_at.unix_micros();
    let agent = Id::from(receipt.agent.as_bytes());
    let approval = receipt.approval.as_ref().map(ApprovalId::as_bytes);
    let approval = approval.map(Id::from);
    let (decision, risk_level) = (receipt.decision.as_str(), receipt.risk_level.as_str());
    let (bytes, leaf) = (receipt.signed.bytes(), leaf.as_slice());
    tx.ask(vec![
        Ask::new(
            sql::INSERT_RECEIPT,
            vec![
                &organization,
                &id,
                &created_at,
                &agent,
                &receipt.instance_id,
                &approval,
                &receipt.action,
                &receipt.resource,
                &decision,
                &risk_level,
                &bytes,
            ],
        ),
        Ask::new(sql::QUEUE_LEAF, vec![&organization, &id, &"receipt", &leaf]),
    ])
    .await?;
    Ok(())
}

/// Adds an administrative record, and to the log's queue that it was added.
pub(super) async fn admin_record(
    tx: &Session,
    organization: OrganizationId,
    entry: &AdminEntry,
) -> Result<(), Failure> {
    let organization = Id::from(organization.as_bytes());
    let id = Id::from(entry.id.as_bytes());
    let created_at = entry.created_at.unix_micros();
    let leaf = leaf_hash(AdminRecord::SCHEMA, &entry.bytes);
    let leaf = leaf.as_slice();
    tx.ask(vec![
        Ask::new(
            sql::INSERT_ADMIN_RECORD,
            vec![
                &organization,
                &id,
                &created_at,
                &entry.act,
                &entry.subject,
                &entry.bytes,
            ],
        ),
        Ask::new(sql::QUEUE_LEAF, vec![&organization, &id, &"admin", &leaf]),
    ])
    .await?;
    Ok(())
}

/// Whether this very receipt is stored.
pub(super) async fn has_receipt(
    tx: &Session,
    organization: OrganizationId,
    receipt: &NewReceipt,
) -> Result<bool, Failure> {
    let (of, id) = (
        Id::from(organization.as_bytes()),
        Id::from(receipt.id.as_bytes()),
    );
    let row = tx.first(sql::FIND_RECEIPT, &[&of, &id]).await?;
    match row {
        Some(row) => Ok(get::<&[u8]>(&row, 0)? == receipt.signed.bytes()),
        None => Ok(false),
    }
}

/// Whether this administrative record is stored.
pub(super) async fn has_admin_record(
    tx: &Session,
    organization: OrganizationId,
    entry: &AdminEntry,
) -> Result<bool, Failure> {
    let (of, id) = (
        Id::from(organization.as_bytes()),
        Id::from(entry.id.as_bytes()),
    );
    Ok(tx
        .first(sql::FIND_ADMIN_RECORD, &[&of, &id])
        .await?
        .is_some())
}

/// The text of an intent's draft.
pub(super) fn draft_of(new: &NewExecution) -> Result<String, Failure> {
    draft::write(&new.draft).map_err(|error| refused(error.to_string()))
}

/// The intent of an execution as a row.
pub(super) struct ExecutionParams<'a> {
    organization: Id,
    id: Id,
    request: Id,
    key: Option<&'a [u8]>,
    receipt: Id,
    agent: Id,
    approval: Option<Id>,
    connector: Id,
    connector_version: i64,
    incarnation: Id,
    request_digest: &'a [u8],
    request_id: &'a str,
    draft: &'a str,
    started_at: i64,
    deadline_at: i64,
}

impl<'a> ExecutionParams<'a> {
    /// Of the call whose request has this receipt; `key` is answered with its outcome.
    pub(super) fn new(
        organization: OrganizationId,
        new: &'a NewExecution,
        draft: &'a str,
        request: ReceiptId,
        key: Option<&'a [u8]>,
    ) -> Self {
        Self {
            organization: organization.as_bytes().into(),
            id: new.id.as_bytes().into(),
            request: request.as_bytes().into(),
            key,
            receipt: new.receipt_id.as_bytes().into(),
            agent: new.agent.as_bytes().into(),
            approval: new.approval.as_ref().map(|id| id.as_bytes().into()),
            connector: new.connector.as_bytes().into(),
            connector_version: new.connector_version.into(),
            incarnation: new.incarnation.as_bytes().into(),
            request_digest: &new.request_digest,
            request_id: &new.request_id,
            draft,
            started_at: new.started_at.unix_micros(),
            deadline_at: new.deadline_at.unix_micros(),
        }
    }

    pub(super) fn ask(&self) -> Ask<'_> {
        Ask::new(
            sql::INSERT_EXECUTION,
            vec![
                &self.organization,
                &self.id,
                &self.request,
                &self.key,
                &self.receipt,
                &self.agent,
                &self.approval,
                &self.connector,
                &self.connector_version,
                &self.incarnation,
                &self.request_digest,
                &self.request_id,
                &self.draft,
                &self.started_at,
                &self.deadline_at,
            ],
        )
    }
}

/// A pending approval as a row.
pub(super) struct ApprovalParams<'a> {
    organization: Id,
    record: &'a ApprovalRecord,
    id: Id,
    agent: Id,
    credential: Id,
    numbers: [i64; 4],
    words: [&'a str; 5],
    digests: [&'a [u8]; 3],
    connector: Option<Id>,
    connector_binding: Option<&'a [u8]>,
    receipt: Id,
    end: EndParams<'a>,
}

impl<'a> ApprovalParams<'a> {
    pub(super) fn new(organization: OrganizationId, record: &'a ApprovalRecord) -> Self {
        let connector = record.connector.as_ref();
        Self {
            organization: organization.as_bytes().into(),
            record,
            id: record.id.as_bytes().into(),
            agent: record.agent.as_bytes().into(),
            credential: record.credential.as_bytes().into(),
            numbers: [
                record.created_at.unix_micros(),
                record.expires_at.unix_micros(),
                record.revision.into(),
                record.policy_version.0.into(),
            ],
            words: [
                record.status.as_str(),
                record.idempotency_key.as_str(),
                record.instance_id.as_str(),
                record.risk_level.as_str(),
                record.performed_by.as_str(),
            ],
            digests: [
                &record.request_digest,
                &record.request_hash,
                &record.policy_digest,
            ],
            connector: connector.map(|(id, _)| id.as_bytes().into()),
            connector_binding: connector.map(|(_, binding)| binding.as_slice()),
            receipt: record.receipt_id.as_bytes().into(),
            end: EndParams::new(organization, record),
        }
    }

    pub(super) fn ask(&self) -> Ask<'_> {
        let Self {
            record,
            numbers: [created_at, expires_at, revision, policy_version],
            words: [status, key, instance_id, risk_level, performed_by],
            digests: [request_digest, request_hash, policy_digest],
            end,
            ..
        } = self;
        Ask::new(
            sql::INSERT_APPROVAL,
            vec![
                &self.id,
                status,
                created_at,
                expires_at,
                revision,
                &self.agent,
                &self.credential,
                key,
                instance_id,
                &record.action,
                &record.resource,
                request_digest,
                request_hash,
                &record.reason,
                risk_level,
                policy_version,
                policy_digest,
                &record.rule_id,
                &self.connector,
                &self.connector_binding,
                performed_by,
                &end.valid_until,
                &self.receipt,
                &end.final_receipt,
                &end.decided_by,
                &end.decided_at,
                &record.note,
                &end.blocked_by,
                &end.execution,
                &end.votes,
                &self.organization,
            ],
        )
    }
}

/// What the end of an approval changes.
struct EndParams<'a> {
    organization: Id,
    id: Id,
    status: &'a str,
    votes: String,
    decided_by: Option<String>,
    decided_at: Option<i64>,
    note: Option<&'a str>,
    blocked_by: Option<&'a str>,
    valid_until: Option<i64>,
    final_receipt: Option<Id>,
    execution: Option<Id>,
}

impl<'a> EndParams<'a> {
    fn new(organization: OrganizationId, record: &'a ApprovalRecord) -> Self {
        let final_receipt = record.final_receipt_id.as_ref();
        let execution = record.execution.as_ref();
        Self {
            organization: organization.as_bytes().into(),
            id: record.id.as_bytes().into(),
            status: record.status.as_str(),
            votes: write_votes(&record.votes),
            decided_by: record.decided_by.as_ref().map(ToString::to_string),
            decided_at: record.decided_at.map(Timestamp::unix_micros),
            note: record.note.as_deref(),
            blocked_by: record.blocked_by.map(BlockedBy::as_str),
            valid_until: record.valid_until.map(Timestamp::unix_micros),
            final_receipt: final_receipt.map(|id| ReceiptId::as_bytes(id).into()),
            execution: execution.map(|id| ExecutionId::as_bytes(id).into()),
        }
    }
}

/// Writes the end of an approval that this transaction has locked and read as pending.
pub(super) async fn end_of_approval(
    tx: &Session,
    organization: OrganizationId,
    record: &ApprovalRecord,
) -> Result<(), Failure> {
    let end = EndParams::new(organization, record);
    let changed = tx
        .execute(
            sql::END_APPROVAL,
            &[
                &end.status,
                &end.votes,
                &end.decided_by,
                &end.decided_at,
                &end.note,
                &end.blocked_by,
                &end.valid_until,
                &end.final_receipt,
                &end.execution,
                &end.organization,
                &end.id,
            ],
        )
        .await?;
    exactly_one(changed, "a pending approval")
}

pub(super) fn exactly_one(changed: u64, what: &str) -> Result<(), Failure> {
    if changed == 1 {
        Ok(())
    } else {
        Err(refused(format!("there is no such thing as {what}")))
    }
}

/// The call that an execution belongs to.
pub(super) struct ExecutionCall {
    pub(super) request: ReceiptId,
    pub(super) agent: AgentId,
    pub(super) key: Option<Vec<u8>>,
    pub(super) receipt: ReceiptId,
    pub(super) approval: Option<ApprovalId>,
}

pub(super) async fn execution_call(
    tx: &Session,
    organization: OrganizationId,
    execution: ExecutionId,
) -> Result<Option<ExecutionCall>, Failure> {
    let (organization, execution) = (
        Id::from(organization.as_bytes()),
        Id::from(execution.as_bytes()),
    );
    let row = tx
        .first(sql::EXECUTION_CALL, &[&organization, &execution])
        .await?;
    let read = |row: tokio_postgres::Row| {
        Ok(ExecutionCall {
            request: read_id(&row, 0, ReceiptId::from_bytes)?,
            agent: read_id(&row, 1, AgentId::from_bytes)?,
            key: get(&row, 2)?,
            receipt: read_id(&row, 3, ReceiptId::from_bytes)?,
            approval: maybe_id(&row, 4, ApprovalId::from_bytes)?,
        })
    };
    row.map(read).transpose()
}
