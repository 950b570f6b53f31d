//! Calls as their rows have them, still sealed.

use relynt_domain::{AgentId, ReceiptId};
use tokio_postgres::Row;

use super::failure::{Failure, corrupt};
use super::values::{array, get, id, maybe_number};

/// A call as its row has it.
#[derive(Clone)]
pub(super) struct RawCall {
    pub(super) request_digest: [u8; 32],
    pub(super) receipt_id: ReceiptId,
    pub(super) answered: Option<RawAnswer>,
}

#[derive(Clone)]
pub(super) struct RawAnswer {
    pub(super) http_status: u16,
    pub(super) format: u16,
    pub(super) body_kept: bool,
    pub(super) kept: Option<SealedRow>,
    pub(super) receipt: Vec<u8>,
}

impl RawCall {
    /// From a row of `FIND_CALL`.
    pub(super) fn read(row: &Row) -> Result<Self, Failure> {
        let receipt_id = id(row, 1, ReceiptId::from_bytes)?;
        let answer = maybe_number(row, 2)?.zip(maybe_number(row, 3)?);
        let body_kept: bool = get(row, 4)?;
        let answered = match answer {
            None => None,
            Some((http_status, format)) => Some(RawAnswer {
                http_status,
                format,
                body_kept,
                kept: if body_kept && get::<Option<&[u8]>>(row, 7)?.is_some() {
                    Some(SealedRow::read(row, 6)?)
                } else {
                    None
                },
                receipt: get::<Option<Vec<u8>>>(row, 5)?.ok_or_else(|| {
                    corrupt(format!(
                        "receipt `{receipt_id}` of an answered call is missing"
                    ))
                })?,
            }),
        };
        Ok(Self {
            request_digest: array(row, 0)?,
            receipt_id,
            answered,
        })
    }
}

/// A sealed field of a call, with what is needed to unseal it.
#[derive(Clone)]
pub(super) struct SealedRow {
    pub(super) agent: AgentId,
    pub(super) key: Vec<u8>,
    pub(super) call_key: Option<Vec<u8>>,
    pub(super) sealed: Option<Vec<u8>>,
}

impl SealedRow {
    /// From four columns of a row.
    pub(super) fn read(row: &Row, at: usize) -> Result<Self, Failure> {
        Ok(Self {
            agent: id(row, at, AgentId::from_bytes)?,
            key: get(row, at + 1)?,
            call_key: get(row, at + 2)?,
            sealed: get(row, at + 3)?,
        })
    }
}
