//! The closing of an execution.

use relynt_domain::{ExecutionDetail, Timestamp};
use relynt_gateway::ports::{ClosedOutcome, Closing};
use relynt_ledger::Sha256;

use super::failure::{Failure, refused};
use super::session::Session;
use super::sql;
use super::values::Id;
use super::write::{self, exactly_one};

/// What an outcome leaves, sealed.
#[derive(Default)]
pub(super) struct SealedOutcome {
    pub(super) answer: Option<Vec<u8>>,
    pub(super) tool_response: Option<Vec<u8>>,
}

/// Closes an execution, if nobody has.
pub(super) async fn close(
    tx: &Session,
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
    let call = write::execution_call(tx, *organization, execution.id)
        .await?
        .ok_or_else(|| refused("there is no such execution"))?;
    if call.receipt != receipt.id || call.approval != *approval {
        return Err(refused("the outcome speaks of another call or approval"));
    }
    let of = Id::from(organization.as_bytes());
    let id = Id::from(execution.id.as_bytes());
    let closed = tx
        .execute(
            sql::CLOSE_EXECUTION,
            &[
                &execution.status.as_str(),
                &execution.detail.map(ExecutionDetail::as_str),
                &execution.response.as_str(),
                &i64::from(execution.attempts),
                &execution.http_status.map(i64::from),
                &execution.finished_at.map(Timestamp::unix_micros),
                &of,
                &id,
            ],
        )
        .await?;
    if closed == 0 {
        return Ok(ClosedOutcome::AlreadyClosed);
    }
    write::receipt(tx, *organization, receipt, leaf).await?;
    if let Some(answer) = answer {
        let key = call
            .key
            .as_deref()
            .ok_or_else(|| refused("the call was answered long ago"))?;
        let answered = tx
            .execute(
                sql::ANSWER_CALL,
                &[
                    &i64::from(answer.http_status),
                    &i64::from(answer.format),
                    &answer.body.is_some(),
                    &of,
                    &Id::from(call.agent.as_bytes()),
                    &key,
                ],
            )
            .await?;
        exactly_one(answered, "an unanswered call")?;
    } else if call.key.is_some() {
        return Err(refused("the call would stay without an answer"));
    }
    if sealed.answer.is_some() || sealed.tool_response.is_some() {
        let request = Id::from(call.request.as_bytes());
        tx.execute(
            sql::KEEP_ANSWER,
            &[&sealed.answer, &sealed.tool_response, &of, &request],
        )
        .await?;
    }
    if let Some(approval) = approval {
        let approval = Id::from(approval.as_bytes());
        let receipt = Id::from(receipt.id.as_bytes());
        let finished = tx
            .execute(sql::FINISH_APPROVAL, &[&receipt, &of, &approval, &id])
            .await?;
        exactly_one(finished, "an approval that waits for this execution")?;
    }
    Ok(ClosedOutcome::Closed)
}
