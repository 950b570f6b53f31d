//! What was left behind, and what nobody answered in time.

use std::time::Duration;

use relynt_domain::{ApprovalStatus, Decision, ExecutionStatus, ReceiptId};
use relynt_ledger::Receipt;

use crate::execute::Unsettled;
use crate::ports::{Done, NewReceipt, Outcome, Resolution, Resolved, StoreError, Then};
use crate::receipts::{Columns, of_approval, sign};
use crate::{Gateway, ports::DecideError};

/// How long after its deadline an execution counts as left behind.
const LEFT_BEHIND_AFTER: Duration = Duration::from_secs(10);
/// How many are closed in one step.
const STEP: u32 = 100;

impl Gateway {
    /// Closes executions that were left behind as unknown, each with its receipt; nothing is sent
    /// again. `others`: also those of other incarnations whose deadline has not passed, which only
    /// a store that proves them dead allows. One step; how many were closed.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn recover(&self, others: bool) -> Result<usize, StoreError> {
        let due = self.clock.now().before(LEFT_BEHIND_AFTER);
        let open = self
            .store
            .list_left_behind(self.incarnation, others, due, STEP)
            .await?;
        let found = open.len();
        for execution in open {
            let done = Done {
                outcome: Outcome::left_behind(),
                tool_response: None,
                response_hash: None,
            };
            debug_assert_eq!(done.outcome.status, ExecutionStatus::Unknown);
            match self
                .settle(execution.organization, &execution.intent, &done)
                .await
            {
                Ok(_) | Err(Unsettled::AlreadyClosed) => {}
                Err(Unsettled::Unrecorded(why)) => {
                    return Err(StoreError::Database(why));
                }
            }
            tracing::warn!(execution = %execution.intent.id, "an execution was left behind: its outcome is unknown");
        }
        Ok(found)
    }

    /// Ends approvals that nobody decided in time. One step; how many were ended.
    ///
    /// # Errors
    /// The store does not answer, or nothing can be signed: they stay pending, and no vote counts
    /// any more.
    pub async fn expire_due(&self) -> Result<usize, StoreError> {
        let due = self.store.list_expired(self.clock.now(), STEP).await?;
        let found = due.len();
        for (organization, id) in due {
            self.expire(organization, id).await?;
        }
        Ok(found)
    }

    pub(crate) async fn expire(
        &self,
        organization: relynt_domain::OrganizationId,
        id: relynt_domain::ApprovalId,
    ) -> Result<(), StoreError> {
        let Some(record) = self.store.find_approval(organization, id).await? else {
            return Ok(());
        };
        let now = self.clock.now();
        let unsigned = |error: &dyn std::fmt::Display| StoreError::Database(error.to_string());
        let random = self.random().map_err(|error| unsigned(&error))?;
        let receipt_id = ReceiptId::new(now, random);
        let receipt = Receipt {
            reason: format!("expired: nobody decided before {}", record.expires_at),
            ..of_approval(organization, &record, receipt_id, now)
        };
        let receipt = self
            .closing_receipt(&record, receipt, receipt_id, Decision::Deny, now)
            .map_err(|error| unsigned(&error))?;
        let resolved = self
            .store
            .record_resolution(Resolution {
                organization,
                seen: None,
                approval: id,
                revision: record.revision,
                to: ApprovalStatus::Expired,
                at: now,
                vote: None,
                decided_by: None,
                note: None,
                blocked_by: None,
                valid_until: None,
                then: Then::Close(Box::new(receipt)),
            })
            .await?;
        if matches!(resolved, Resolved::Done(_)) {
            self.publish(organization, id).await;
        }
        Ok(())
    }

    pub(crate) fn closing_receipt(
        &self,
        record: &relynt_domain::ApprovalRecord,
        receipt: Receipt,
        id: ReceiptId,
        decision: Decision,
        now: relynt_domain::Timestamp,
    ) -> Result<NewReceipt, DecideError> {
        let columns = Columns {
            id,
            created_at: now,
            agent: record.agent,
            approval: Some(record.id),
            decision,
            risk_level: record.risk_level,
        };
        self.signer.with(|key| sign(receipt, columns, key))
    }
}
