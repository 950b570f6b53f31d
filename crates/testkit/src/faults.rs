//! A store that fails where a test says so: the tests that sell a gateway.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use relynt_domain::{
    AgentId, ApprovalId, ApprovalRecord, ApprovalStatus, ChangeNumber, ExecutionId, IdempotencyKey,
    Incarnation, OrganizationId, PolicyVersion, ReceiptId, Timestamp, ToolCall, UserId,
};
use relynt_gateway::ports::{
    AdminEntry, Administration, ApprovalPage, Approvals, Calls, Change, ChangeError, Changes,
    ClosedOutcome, Closing, Execution, Ledger, NewOrganization, NewReceipt, OpenExecution,
    OrganizationRow, Page, Plan, PolicyRow, ReceiptFilter, ReceiptPage, Recorded, Request,
    Resolution, Resolved, Seen, Store, StoreError, StoreGauges, StoredCall, StoredReceipt,
    StoredSigningKey, Touched,
};

/// How a method fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nothing is done.
    Before,
    /// It is done, and the answer is lost: what a COMMIT can do.
    After,
}

/// A store in front of a real one.
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    faults: Mutex<HashMap<&'static str, Vec<Failure>>>,
    asked: Mutex<HashMap<String, u64>>,
}

impl FaultyStore {
    /// Passes everything on until told otherwise.
    pub fn new(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            faults: Mutex::default(),
            asked: Mutex::default(),
        })
    }

    /// The next call of this method fails in this way; more add up.
    pub fn fail(&self, method: &'static str, failure: Failure) {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.entry(method).or_default().push(failure);
    }

    /// How often this method was asked so far.
    pub fn asked(&self, method: &str) -> u64 {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.get(method).copied().unwrap_or_default()
    }

    fn take(&self, method: &str) -> Option<Failure> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        *asked.entry(method.to_owned()).or_default() += 1;
        drop(asked);
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let left = faults.get_mut(method)?;
        if left.is_empty() {
            None
        } else {
            Some(left.remove(0))
        }
    }
}

fn injected() -> StoreError {
    StoreError::Database("a fault that the test asked for".to_owned())
}

#[async_trait]
impl Calls for FaultyStore {
    async fn record_decision(
        &self,
        seen: Seen,
        call: Arc<ToolCall>,
        plan: Plan,
    ) -> Result<Recorded, StoreError> {
        let fault = self.take("record_decision");
        if fault == Some(Failure::Before) {
            return Err(injected());
        }
        let done = self.inner.record_decision(seen, call, plan).await;
        if fault == Some(Failure::After) {
            return Err(injected());
        }
        done
    }

    async fn find_call(
        &self,
        organization: OrganizationId,
        agent: AgentId,
        key: &IdempotencyKey,
    ) -> Result<Option<StoredCall>, StoreError> {
        let fault = self.take("find_call");
        if fault == Some(Failure::Before) {
            return Err(injected());
        }
        let done = self.inner.find_call(organization, agent, key).await;
        if fault == Some(Failure::After) {
            return Err(injected());
        }
        done
    }

    async fn record_outcome(&self, closing: Closing) -> Result<ClosedOutcome, StoreError> {
        let fault = self.take("record_outcome");
        if fault == Some(Failure::Before) {
            return Err(injected());
        }
        let done = self.inner.record_outcome(closing).await;
        if fault == Some(Failure::After) {
            return Err(injected());
        }
        done
    }

    async fn record_receipt(
        &self,
        organization: OrganizationId,
        receipt: NewReceipt,
    ) -> Result<(), StoreError> {
        let fault = self.take("record_receipt");
        if fault == Some(Failure::Before) {
            return Err(injected());
        }
        let done = self.inner.record_receipt(organization, receipt).await;
        if fault == Some(Failure::After) {
            return Err(injected());
        }
        done
    }

    async fn list_left_behind(
        &self,
        incarnation: Incarnation,
        others: bool,
        due: Timestamp,
        limit: u32,
    ) -> Result<Vec<OpenExecution>, StoreError> {
        let fault = self.take("list_left_behind");
        if fault == Some(Failure::Before) {
            return Err(injected());
        }
        let done = self
            .inner
            .list_left_behind(incarnation, others, due, limit)
            .await;
        if fault == Some(Failure::After) {
            return Err(injected());
        }
        done
    }

    async fn find_execution(
        &self,
        organization: OrganizationId,
        id: ExecutionId,
    ) -> Result<Option<Execution>, StoreError> {
        let fault = self.take("find_execution");
        if fault == Some(Failure::Before) {
            return Err(injected());
        }
        let done = self.inner.find_execution(organization, id).await;
        if fault == Some(Failure::After) {
            return Err(injected());
        }
        done
    }
}

#[async_trait]
impl Approvals for FaultyStore {
    async fn find_approval(
        &self,
        organization: OrganizationId,
        id: ApprovalId,
    ) -> Result<Option<ApprovalRecord>, StoreError> {
        let fault = self.take("find_approval");
        if fault == Some(Failure::Before) {
            return Err(injected());
        }
        let done = self.inner.find_approval(organization, id).await;
        if fault == Some(Failure::After) {
            return Err(injected());
        }
        done
    }

    async fn find_request(
        &self,
        organization: OrganizationId,
        receipt: ReceiptId,
    ) -> Result<Option<Request>, StoreError> {
        let fault = self.take("find_request");
        if fault == Some(Failure::Before) {
            return Err(injected());
        }
        let done = self.inner.find_request(organization, receipt).await;
        if fault == Some(Failure::After) {
            return Err(injected());
        }
        done
    }

    async fn find_tool_response(
        &self,
        organization: OrganizationId,
        execution: ExecutionId,
    ) -> Result<Option<String>, StoreError> {
        let fault = self.take("find_tool_response");
        if fault == Some(Failure::Before) {
            return Err(injected());
        }
        let done = self.inner.find_tool_response(organization, execution).await;
        if fault == Some(Failure::After) {
            return Err(injected());
        }
        done
    }

    async fn list_approvals(
        &self,
        organization: OrganizationId,
        status: Option<ApprovalStatus>,
        agent: Option<AgentId>,
        page: Page,
    ) -> Result<ApprovalPage, StoreError> {
        let fault = self.take("list_approvals");
        if fault == Some(Failure::Before) {
            return Err(injected());
        }
        let done = self
            .inner
            .list_approvals(organization, status, agent, page)
            .await;
        if fault == Some(Failure::After) {
            return Err(injected());
        }
        done
    }

    async fn record_resolution(&self, resolution: Resolution) -> Result<Resolved, StoreError> {
        let fault = self.take("record_resolution");
        if fault == Some(Failure::Before) {
            return Err(injected());
        }
        let done = self.inner.record_resolution(resolution).await;
        if fault == Some(Failure::After) {
            return Err(injected());
        }
        done
    }

    async fn list_expired(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(OrganizationId, ApprovalId)>, StoreError> {
        let fault = self.take("list_expired");
        if fault == Some(Failure::Before) {
            return Err(injected());
        }
        let done = self.inner.list_expired(now, limit).await;
        if fault == Some(Failure::After) {
            return Err(injected());
        }
        done
    }
}

#[async_trait]
impl Ledger for FaultyStore {
    async fn list_receipts(
        &self,
        organization: OrganizationId,
        filter: ReceiptFilter,
        page: Page,
    ) -> Result<ReceiptPage, StoreError> {
        let fault = self.take("list_receipts");
        if fault == Some(Failure::Before) {
            return Err(injected());
        }
        let done = self.inner.list_receipts(organization, filter, page).await;
        if fault == Some(Failure::After) {
            return Err(injected());
        }
        done
    }

    async fn find_receipt(
        &self,
        organization: OrganizationId,
        id: ReceiptId,
    ) -> Result<Option<StoredReceipt>, StoreError> {
        let fault = self.take("find_receipt");
        if fault == Some(Failure::Before) {
            return Err(injected());
        }
        let done = self.inner.find_receipt(organization, id).await;
        if fault == Some(Failure::After) {
            return Err(injected());
        }
        done
    }

    async fn list_signing_keys(&self) -> Result<Vec<StoredSigningKey>, StoreError> {
        let fault = self.take("list_signing_keys");
        if fault == Some(Failure::Before) {
            return Err(injected());
        }
        let done = self.inner.list_signing_keys().await;
        if fault == Some(Failure::After) {
            return Err(injected());
        }
        done
    }

    async fn record_signing_key(&self, key: StoredSigningKey) -> Result<(), StoreError> {
        let fault = self.take("record_signing_key");
        if fault == Some(Failure::Before) {
            return Err(injected());
        }
        let done = self.inner.record_signing_key(key).await;
        if fault == Some(Failure::After) {
            return Err(injected());
        }
        done
    }
}

#[async_trait]
impl Administration for FaultyStore {
    async fn list_organizations(&self) -> Result<Vec<OrganizationRow>, StoreError> {
        let fault = self.take("list_organizations");
        if fault == Some(Failure::Before) {
            return Err(injected());
        }
        let done = self.inner.list_organizations().await;
        if fault == Some(Failure::After) {
            return Err(injected());
        }
        done
    }

    async fn record_organization(&self, new: NewOrganization) -> Result<UserId, ChangeError> {
        let fault = self.take("record_organization");
        if fault == Some(Failure::Before) {
            return Err(injected().into());
        }
        let done = self.inner.record_organization(new).await;
        if fault == Some(Failure::After) {
            return Err(injected().into());
        }
        done
    }

    async fn load_changes(
        &self,
        organization: OrganizationId,
        since: ChangeNumber,
    ) -> Result<Option<Changes>, StoreError> {
        let fault = self.take("load_changes");
        if fault == Some(Failure::Before) {
            return Err(injected());
        }
        let done = self.inner.load_changes(organization, since).await;
        if fault == Some(Failure::After) {
            return Err(injected());
        }
        done
    }

    async fn record_change(
        &self,
        seen: Seen,
        change: Change,
        entry: AdminEntry,
    ) -> Result<ChangeNumber, ChangeError> {
        let fault = self.take("record_change");
        if fault == Some(Failure::Before) {
            return Err(injected().into());
        }
        let done = self.inner.record_change(seen, change, entry).await;
        if fault == Some(Failure::After) {
            return Err(injected().into());
        }
        done
    }

    async fn list_policies(
        &self,
        organization: OrganizationId,
        before: Option<PolicyVersion>,
        limit: u32,
    ) -> Result<Vec<PolicyRow>, StoreError> {
        let fault = self.take("list_policies");
        if fault == Some(Failure::Before) {
            return Err(injected());
        }
        let done = self.inner.list_policies(organization, before, limit).await;
        if fault == Some(Failure::After) {
            return Err(injected());
        }
        done
    }

    async fn find_policy(
        &self,
        organization: OrganizationId,
        version: PolicyVersion,
    ) -> Result<Option<PolicyRow>, StoreError> {
        let fault = self.take("find_policy");
        if fault == Some(Failure::Before) {
            return Err(injected());
        }
        let done = self.inner.find_policy(organization, version).await;
        if fault == Some(Failure::After) {
            return Err(injected());
        }
        done
    }

    async fn record_touched(&self, touched: Vec<Touched>) -> Result<(), StoreError> {
        let fault = self.take("record_touched");
        if fault == Some(Failure::Before) {
            return Err(injected());
        }
        let done = self.inner.record_touched(touched).await;
        if fault == Some(Failure::After) {
            return Err(injected());
        }
        done
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn check_writable(&self) -> Result<(), StoreError> {
        if self.take("check_writable").is_some() {
            return Err(injected());
        }
        self.inner.check_writable().await
    }

    fn gauges(&self) -> StoreGauges {
        self.inner.gauges()
    }
}
