//! Writing what several methods write.

use relynt_domain::{
    AgentId, ApprovalId, ApprovalRecord, BlockedBy, ChangeNumber, ExecutionId, OrganizationId,
    ReceiptId, Timestamp,
};
use relynt_gateway::ports::{AdminEntry, NewExecution, NewReceipt};
use relynt_ledger::{AdminRecord, Sha256, leaf_hash};
use rusqlite::params;

use super::failure::{Failure, refused};
use super::tx::Tx;
use crate::rows::{execute, id as read_id, maybe_id};
use crate::texts::write_votes;
use crate::{draft, sql};

/// The organization's change number, as this transaction sees it.
pub(super) fn change_number(
    tx: &Tx<'_>,
    organization: OrganizationId,
) -> Result<Option<ChangeNumber>, Failure> {
    tx.first_kept(
        sql::CHANGE_NUMBER,
        params![organization.as_bytes()],
        |row| Ok(ChangeNumber(row.get(0)?)),
    )
}

/// Adds a receipt, and to the log's queue that it was added.
pub(super) fn receipt(
    tx: &Tx<'_>,
    organization: OrganizationId,
    receipt: &NewReceipt,
    leaf: &Sha256,
) -> Result<(), Failure> {
    tx.execute_kept(
        sql::INSERT_RECEIPT,
        params![
            organization.as_bytes(),
            receipt.id.as_bytes(),
            receipt.created_at.unix_micros(),
            receipt.agent.as_bytes(),
            receipt.instance_id,
            receipt.approval.as_ref().map(ApprovalId::as_bytes),
            receipt.action,
            receipt.resource,
            receipt.decision.as_str(),
            receipt.risk_level.as_str(),
            receipt.signed.bytes(),
        ],
    )?;
    queue(tx, organization, "receipt", receipt.id.as_bytes(), leaf)
}

/// Adds an administrative record, and to the log's queue that it was added.
pub(super) fn admin_record(
    tx: &Tx<'_>,
    organization: OrganizationId,
    entry: &AdminEntry,
    leaf: &Sha256,
) -> Result<(), Failure> {
    execute(
        tx,
        sql::INSERT_ADMIN_RECORD,
        params![
            organization.as_bytes(),
            entry.id.as_bytes(),
            entry.created_at.unix_micros(),
            entry.act,
            entry.subject,
            entry.bytes,
        ],
    )?;
    queue(tx, organization, "admin", entry.id.as_bytes(), leaf)
}

pub(super) fn admin_leaf(entry: &AdminEntry) -> Sha256 {
    leaf_hash(AdminRecord::SCHEMA, &entry.bytes)
}

fn queue(
    tx: &Tx<'_>,
    organization: OrganizationId,
    kind: &str,
    id: &[u8; 16],
    leaf: &Sha256,
) -> Result<(), Failure> {
    tx.execute_kept(
        sql::QUEUE_LEAF,
        params![organization.as_bytes(), kind, id, leaf],
    )?;
    Ok(())
}

/// What an execution carries out.
pub(super) struct CarriesOut<'a> {
    /// The call whose request it is.
    pub(super) request: ReceiptId,
    /// The key that is answered with its outcome.
    pub(super) key: Option<&'a [u8]>,
}

/// The text of an intent's draft.
pub(super) fn draft_of(new: &NewExecution) -> Result<String, Failure> {
    draft::write(&new.draft).map_err(|error| refused(error.to_string()))
}

/// Adds the intent of an execution.
pub(super) fn execution(
    tx: &Tx<'_>,
    organization: OrganizationId,
    new: &NewExecution,
    draft: &str,
    carries_out: &CarriesOut<'_>,
) -> Result<(), Failure> {
    tx.execute_kept(
        sql::INSERT_EXECUTION,
        params![
            organization.as_bytes(),
            new.id.as_bytes(),
            carries_out.request.as_bytes(),
            carries_out.key,
            new.receipt_id.as_bytes(),
            new.agent.as_bytes(),
            new.approval.as_ref().map(ApprovalId::as_bytes),
            new.connector.as_bytes(),
            new.connector_version,
            new.incarnation.as_bytes(),
            new.request_digest,
            new.request_id,
            draft,
            new.started_at.unix_micros(),
            new.deadline_at.unix_micros(),
        ],
    )?;
    Ok(())
}

/// Adds a pending approval.
pub(super) fn approval(
    tx: &Tx<'_>,
    organization: OrganizationId,
    record: &ApprovalRecord,
) -> Result<(), Failure> {
    let connector = record.connector.as_ref();
    execute(
        tx,
        sql::INSERT_APPROVAL,
        params![
            record.id.as_bytes(),
            record.status.as_str(),
            record.created_at.unix_micros(),
            record.expires_at.unix_micros(),
            record.revision,
            record.agent.as_bytes(),
            record.credential.as_bytes(),
            record.idempotency_key.as_str(),
            record.instance_id.as_str(),
            record.action,
            record.resource,
            record.request_digest,
            record.request_hash,
            record.reason,
            record.risk_level.as_str(),
            record.policy_version.0,
            record.policy_digest,
            record.rule_id,
            connector.map(|(id, _)| id.as_bytes()),
            connector.map(|(_, binding)| binding),
            record.performed_by.as_str(),
            record.valid_until.map(Timestamp::unix_micros),
            record.receipt_id.as_bytes(),
            record.final_receipt_id.as_ref().map(ReceiptId::as_bytes),
            record.decided_by.as_ref().map(ToString::to_string),
            record.decided_at.map(Timestamp::unix_micros),
            record.note,
            record.blocked_by.map(BlockedBy::as_str),
            record.execution.as_ref().map(ExecutionId::as_bytes),
            write_votes(&record.votes),
            organization.as_bytes(),
        ],
    )?;
    Ok(())
}

/// Writes the end of an approval that this transaction has read as pending.
pub(super) fn end_of_approval(
    tx: &Tx<'_>,
    organization: OrganizationId,
    record: &ApprovalRecord,
) -> Result<(), Failure> {
    let changed = execute(
        tx,
        sql::END_APPROVAL,
        params![
            record.status.as_str(),
            write_votes(&record.votes),
            record.decided_by.as_ref().map(ToString::to_string),
            record.decided_at.map(Timestamp::unix_micros),
            record.note,
            record.blocked_by.map(BlockedBy::as_str),
            record.valid_until.map(Timestamp::unix_micros),
            record.final_receipt_id.as_ref().map(ReceiptId::as_bytes),
            record.execution.as_ref().map(ExecutionId::as_bytes),
            organization.as_bytes(),
            record.id.as_bytes(),
        ],
    )?;
    exactly_one(changed, "a pending approval")
}

pub(super) fn exactly_one(changed: usize, what: &str) -> Result<(), Failure> {
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

pub(super) fn execution_call(
    tx: &Tx<'_>,
    organization: OrganizationId,
    id: ExecutionId,
) -> Result<Option<ExecutionCall>, Failure> {
    tx.first_kept(
        sql::EXECUTION_CALL,
        params![organization.as_bytes(), id.as_bytes()],
        |row| {
            Ok(ExecutionCall {
                request: read_id(row, 0, ReceiptId::from_bytes)?,
                agent: read_id(row, 1, AgentId::from_bytes)?,
                key: row.get(2)?,
                receipt: read_id(row, 3, ReceiptId::from_bytes)?,
                approval: maybe_id(row, 4, ApprovalId::from_bytes)?,
            })
        },
    )
}
