//! The second half of an executed action: call the connector, record the outcome, whatever it is.

use std::sync::Arc;
use std::time::Duration;

use relynt_domain::{
    Decision, ExecutionStatus, OrganizationId, ReceiptId, ResponseState, ToolCall,
};
use relynt_ledger::Receipt;

use crate::ports::{
    ClosedOutcome, Closing, Connector, Done, Execution, NewExecution, NewReceipt, Outcome, Permit,
    PermitRequest, Slot, Stage, StoreError,
};
use crate::receipts::{Columns, hash_text, risk_of, sign};
use crate::submit::submitted;
use crate::{Gateway, Submitted};

/// What `deadline_at` adds to the time that all attempts may take.
pub(crate) const DEADLINE_MARGIN: Duration = Duration::from_secs(5);
/// How often the recording of an outcome is tried again, with growing pauses: about 20 s.
const RECORD_TRIES: u32 = 8;

/// What is carried out, and by what.
pub(crate) struct Carriage {
    pub(crate) call: Arc<ToolCall>,
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) slot: Slot,
    pub(crate) budget: Duration,
}

/// The outcome is not recorded under this receipt.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsettled {
    /// Somebody closed the execution first.
    #[error("the execution had been closed")]
    AlreadyClosed,
    /// The store or the signer did not take it; recovery will close it as unknown.
    #[error("the outcome could not be recorded: {0}")]
    Unrecorded(String),
}

impl From<StoreError> for Unsettled {
    fn from(error: StoreError) -> Self {
        Self::Unrecorded(error.to_string())
    }
}

impl Gateway {
    /// Calls the connector for an intent that has just been committed, and records the outcome.
    pub(crate) async fn carry_out(
        &self,
        organization: OrganizationId,
        intent: NewExecution,
        carriage: Carriage,
    ) -> Result<Submitted, Unsettled> {
        let committed_at = self.clock.uptime();
        // Never past the deadline on record, however long the commit took.
        let left = intent.deadline_at.since(self.clock.now());
        let deadline = committed_at + left.min(carriage.budget + DEADLINE_MARGIN);
        let permit = Permit::new(PermitRequest {
            call: carriage.call,
            execution: intent.id,
            receipt: intent.receipt_id,
            approval: intent.approval,
            committed_at,
            deadline,
            slot: carriage.slot,
        });
        let done = carriage.connector.execute(permit).await;
        self.timed(Stage::Execute, committed_at);
        // A crash here leaves the intent: recovery closes it as unknown and sends nothing.
        self.settle(organization, &intent, &done).await
    }

    /// Records an outcome with its receipt and, for a call, its answer.
    pub(crate) async fn settle(
        &self,
        organization: OrganizationId,
        intent: &NewExecution,
        done: &Done,
    ) -> Result<Submitted, Unsettled> {
        let now = self.clock.now();
        let execution = execution_of(intent, &done.outcome, now);
        let receipt = self.outcome_receipt(intent, &execution, done, intent.receipt_id, now)?;
        let (answer, body) = self.answer(
            receipt.signed.record(),
            done.tool_response.as_deref(),
            &intent.request_id,
        );
        let closing = Closing {
            organization,
            execution: execution.clone(),
            receipt: receipt.clone(),
            answer: intent.approval.is_none().then(|| answer.clone()),
            tool_response: done.tool_response.clone(),
            approval: intent.approval,
        };
        let began = self.clock.uptime();
        let closed = self.record_outcome(&closing).await?;
        self.timed(Stage::Commit, began);
        if let Some(approval) = intent.approval {
            self.publish(organization, approval).await;
        }
        match closed {
            ClosedOutcome::Closed => Ok(submitted(&receipt, &answer, body)),
            ClosedOutcome::AlreadyClosed => {
                self.record_late(organization, intent, &closing, done)
                    .await?;
                Err(Unsettled::AlreadyClosed)
            }
        }
    }

    fn outcome_receipt(
        &self,
        intent: &NewExecution,
        execution: &Execution,
        done: &Done,
        id: ReceiptId,
        now: relynt_domain::Timestamp,
    ) -> Result<NewReceipt, Unsettled> {
        let decision = match execution.status {
            ExecutionStatus::Succeeded => Decision::Allow,
            ExecutionStatus::Failed | ExecutionStatus::Unknown | ExecutionStatus::Pending => {
                Decision::Error
            }
        };
        let receipt = Receipt {
            execution: Some(crate::receipts::execution(execution)),
            response_hash: done.response_hash.as_ref().map(hash_text),
            ..intent.draft.clone()
        };
        let columns = Columns {
            id,
            created_at: now,
            agent: intent.agent,
            approval: intent.approval,
            decision,
            risk_level: risk_of(&receipt),
        };
        self.signer
            .with(|key| sign(receipt, columns, key))
            .map_err(|error| Unsettled::Unrecorded(error.to_string()))
    }

    /// The outcome is known and must not be lost to a passing fault: tried again for a while.
    async fn record_outcome(&self, closing: &Closing) -> Result<ClosedOutcome, StoreError> {
        let mut pause = Duration::from_millis(100);
        let mut tries = 1;
        loop {
            match self.store.record_outcome(closing.clone()).await {
                Ok(closed) => return Ok(closed),
                Err(error) if tries == RECORD_TRIES => {
                    tracing::error!(execution = %closing.execution.id, "an outcome could not be recorded: {error}");
                    return Err(error);
                }
                Err(error) => {
                    tracing::warn!(execution = %closing.execution.id, "recording an outcome is tried again: {error}");
                    self.timer.sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(5));
                    tries += 1;
                }
            }
        }
    }

    /// The execution was closed by somebody else. If that was an earlier try of our own, all is
    /// well; otherwise the true outcome is kept as one more receipt.
    async fn record_late(
        &self,
        organization: OrganizationId,
        intent: &NewExecution,
        closing: &Closing,
        done: &Done,
    ) -> Result<(), Unsettled> {
        let stored = self
            .store
            .find_receipt(organization, intent.receipt_id)
            .await?;
        if stored.is_some_and(|stored| stored.bytes == closing.receipt.signed.bytes()) {
            return Ok(());
        }
        if closing.execution.detail == Some(relynt_domain::ExecutionDetail::LeftBehind) {
            // Recovery came second: it knows nothing that is not on record.
            return Ok(());
        }
        let now = self.clock.now();
        let random = self
            .random()
            .map_err(|error| Unsettled::Unrecorded(error.to_string()))?;
        let late = NewExecution {
            draft: Receipt {
                event: relynt_ledger::Event::LateOutcome,
                previous_receipt_id: Some(intent.receipt_id.to_string()),
                ..intent.draft.clone()
            },
            ..intent.clone()
        };
        let id = ReceiptId::new(now, random);
        let receipt = self.outcome_receipt(&late, &closing.execution, done, id, now)?;
        tracing::error!(execution = %intent.id, status = %closing.execution.status, "an outcome arrived after its execution had been closed");
        self.store.record_receipt(organization, receipt).await?;
        Ok(())
    }
}

fn execution_of(
    intent: &NewExecution,
    outcome: &Outcome,
    now: relynt_domain::Timestamp,
) -> Execution {
    // An outcome that says nothing certain is unknown, whatever it is called.
    let status = match outcome.status {
        ExecutionStatus::Pending => ExecutionStatus::Unknown,
        status => status,
    };
    Execution {
        id: intent.id,
        agent: intent.agent,
        status,
        detail: outcome.detail,
        response: if status == ExecutionStatus::Succeeded || outcome.http_status.is_some() {
            outcome.response
        } else {
            ResponseState::None
        },
        connector: intent.connector,
        connector_version: intent.connector_version,
        attempts: outcome.attempts,
        http_status: outcome.http_status,
        started_at: intent.started_at,
        finished_at: Some(now),
    }
}
