//! The closing of an execution.

use relynt_domain::{ExecutionDetail, Timestamp};
use relynt_gateway::ports::{ClosedOutcome, Closing};
use relynt_ledger::Sha256;
use rusqlite::params;

use super::failure::{Failure, refused};
use super::tx::Tx;
use super::write::{self, exactly_one};
use crate::rows::execute;
use crate::sql;

/// What an outcome leaves, sealed.
#[derive(Default)]
pub(super) struct SealedOutcome {
    pub(super) answer: Option<Vec<u8>>,
    pub(super) tool_response: Option<Vec<u8>>,
}

/// Closes an execution, if nobody has.
pub(super) fn close(
    tx: &Tx<'_>,
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
    let closed = tx.execute_kept(
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
        let answered = tx.execute_kept(
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
        tx.execute_kept(
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
