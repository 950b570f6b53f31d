//! Calls as their rows have them, still sealed.

use relynt_domain::{AgentId, ExecutionId, OrganizationId, ReceiptId};
use rusqlite::{Connection, params};

use super::failure::{Failure, corrupt};
use crate::rows::{self, first};
use crate::sql;

/// A call as its row has it.
pub(super) struct RawCall {
    pub(super) request_digest: [u8; 32],
    pub(super) receipt_id: ReceiptId,
    pub(super) answered: Option<RawAnswer>,
}

pub(super) struct RawAnswer {
    pub(super) http_status: u16,
    pub(super) format: u16,
    pub(super) body_kept: bool,
    pub(super) kept: Option<SealedRow>,
    pub(super) receipt: Vec<u8>,
}

impl RawCall {
    pub(super) fn find(
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
    pub(super) agent: AgentId,
    pub(super) key: Vec<u8>,
    pub(super) call_key: Option<Vec<u8>>,
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
