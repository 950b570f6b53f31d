//! Everything the gateway needs from outside, in one place.
//!
//! A method of the store is a business fact: one transaction that commits whole or not at all.
//! None of them hands a transaction out.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use relynt_domain::{
    AgentId, ApprovalId, ApprovalRecord, ChangeNumber, ExecutionId, IdempotencyKey, Incarnation,
    OrganizationId, PolicyVersion, ReceiptId, Timestamp, ToolCall, UserId,
};

mod administration;
mod calls;
mod connector;
mod ledger;
mod stages;

pub use administration::{
    AdminEntry, Change, ChangeError, Changes, NewOrganization, OrganizationRow, PolicyRow, Touched,
};
pub use calls::{
    Answer, ApprovalPage, ClosedOutcome, Closing, Decide, DecideError, Decided, Execution, Facts,
    NewApproval, NewExecution, OpenApproval, OpenExecution, Plan, Recorded, Request, Resolution,
    Resolved, Seen, StoredCall, StoredCallState, Then, WithReceipt,
};
pub use connector::{
    Connector, Connectors, Done, Outcome, Permit, PermitRequest, Refusal, RouteFault, Slot,
};
pub use ledger::{NewReceipt, Page, ReceiptFilter, ReceiptPage, StoredReceipt, StoredSigningKey};
pub use stages::{Stage, Stages, Untimed};

/// The store did not do what was asked. Nothing is known to have been committed unless the method
/// says otherwise; the caller may ask again with the same key.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Its queue is full.
    #[error("the store's queue is full")]
    Overloaded,
    /// It is shutting down, or a failed sync has stopped it.
    #[error("the store is closed")]
    Closed,
    /// The disk is full or the file cannot be written.
    #[error("the store cannot be written: {0}")]
    Unwritable(String),
    /// Anything else from the database.
    #[error("the store failed: {0}")]
    Database(String),
    /// What was read cannot be what was written.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
}

/// Calls and executions: the hot path.
#[async_trait]
pub trait Calls: Send + Sync {
    /// Claims the call's key and, in the same transaction, stores the sealed request and what was
    /// decided: the signed receipt with its approval, or the intent of an execution.
    ///
    /// [`Recorded::Stale`] if the organization's change number is not `seen` any more: nothing was
    /// stored and everything is to be done again, from the credential on.
    async fn record_decision(
        &self,
        seen: Seen,
        call: Arc<ToolCall>,
        plan: Plan,
    ) -> Result<Recorded, StoreError>;

    /// The call of this key, if there is one.
    async fn find_call(
        &self,
        organization: OrganizationId,
        agent: AgentId,
        key: &IdempotencyKey,
    ) -> Result<Option<StoredCall>, StoreError>;

    /// Closes an execution: outcome, receipt, the call's answer and the approval's end in one
    /// transaction. The first closing wins; a later one changes nothing.
    async fn record_outcome(&self, closing: Closing) -> Result<ClosedOutcome, StoreError>;

    /// Stores one more receipt about something that is closed already.
    async fn record_receipt(
        &self,
        organization: OrganizationId,
        receipt: NewReceipt,
    ) -> Result<(), StoreError>;

    /// Open executions that another incarnation owns, or whose deadline passed before `due`,
    /// oldest first, at most `limit`.
    async fn list_left_behind(
        &self,
        incarnation: Incarnation,
        others: bool,
        due: Timestamp,
        limit: u32,
    ) -> Result<Vec<OpenExecution>, StoreError>;

    /// An execution as it is now.
    async fn find_execution(
        &self,
        organization: OrganizationId,
        id: ExecutionId,
    ) -> Result<Option<Execution>, StoreError>;
}

/// Approvals.
#[async_trait]
pub trait Approvals: Send + Sync {
    /// An approval, whatever its state.
    async fn find_approval(
        &self,
        organization: OrganizationId,
        id: ApprovalId,
    ) -> Result<Option<ApprovalRecord>, StoreError>;

    /// The request an approval is about, unsealed; none if it was erased.
    async fn find_request(
        &self,
        organization: OrganizationId,
        receipt: ReceiptId,
    ) -> Result<Option<Request>, StoreError>;

    /// The target's answer kept for an approval or call, unsealed, as canonical JSON.
    async fn find_tool_response(
        &self,
        organization: OrganizationId,
        execution: ExecutionId,
    ) -> Result<Option<String>, StoreError>;

    /// Approvals by (`created_at`, id) descending, of one status or agent if given.
    async fn list_approvals(
        &self,
        organization: OrganizationId,
        status: Option<relynt_domain::ApprovalStatus>,
        agent: Option<AgentId>,
        page: Page,
    ) -> Result<ApprovalPage, StoreError>;

    /// Ends a pending approval: vote, transition, and what follows from it (final receipt, or the
    /// intent of its execution) in one transaction. The first wins.
    async fn record_resolution(&self, resolution: Resolution) -> Result<Resolved, StoreError>;

    /// Pending approvals of any organization whose time is up, at most `limit`.
    async fn list_expired(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(OrganizationId, ApprovalId)>, StoreError>;
}

/// Receipts and signing keys.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// The receipts that match, newest first; complete for what was answered before the request.
    async fn list_receipts(
        &self,
        organization: OrganizationId,
        filter: ReceiptFilter,
        page: Page,
    ) -> Result<ReceiptPage, StoreError>;

    /// A receipt with the columns it is found by.
    async fn find_receipt(
        &self,
        organization: OrganizationId,
        id: ReceiptId,
    ) -> Result<Option<StoredReceipt>, StoreError>;

    /// Every signing key there ever was, oldest first.
    async fn list_signing_keys(&self) -> Result<Vec<StoredSigningKey>, StoreError>;

    /// Adds a signing key; its seed is sealed with the master key.
    async fn record_signing_key(&self, key: StoredSigningKey) -> Result<(), StoreError>;
}

/// Organizations and what is configured in them.
#[async_trait]
pub trait Administration: Send + Sync {
    /// Every organization with its name.
    async fn list_organizations(&self) -> Result<Vec<OrganizationRow>, StoreError>;

    /// Creates an organization with its Owner, their token, the key of its secrets, `v1` and the
    /// record of it. The Owner's id: that of the person with this e-mail address, if there is one.
    async fn record_organization(&self, new: NewOrganization) -> Result<UserId, ChangeError>;

    /// Everything of the organization that changed after `since`; all of it for the default. None
    /// if there is no such organization.
    async fn load_changes(
        &self,
        organization: OrganizationId,
        since: ChangeNumber,
    ) -> Result<Option<Changes>, StoreError>;

    /// Makes one change with its signed record, if the change number still is what was seen.
    async fn record_change(
        &self,
        seen: Seen,
        change: Change,
        entry: AdminEntry,
    ) -> Result<ChangeNumber, ChangeError>;

    /// Policy versions, newest first.
    async fn list_policies(
        &self,
        organization: OrganizationId,
        before: Option<PolicyVersion>,
        limit: u32,
    ) -> Result<Vec<PolicyRow>, StoreError>;

    /// One policy version.
    async fn find_policy(
        &self,
        organization: OrganizationId,
        version: PolicyVersion,
    ) -> Result<Option<PolicyRow>, StoreError>;

    /// Notes when credentials, tokens and agents were last used. Never on the path of a decision.
    async fn record_touched(&self, touched: Vec<Touched>) -> Result<(), StoreError>;
}

/// All of it.
#[async_trait]
pub trait Store: Calls + Approvals + Ledger + Administration {
    /// Whether the store can be written right now: a real commit, not a guess.
    async fn check_writable(&self) -> Result<(), StoreError>;

    /// How it does: queue length, size of the last group, and so on, for metrics.
    fn gauges(&self) -> StoreGauges;
}

/// What the store tells of itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct StoreGauges {
    /// Commands waiting for the writer.
    pub queue_depth: u64,
    /// Groups committed since the start.
    pub groups: u64,
    /// Commands in those groups.
    pub commands: u64,
}

/// What time it is.
pub trait Clock: Send + Sync {
    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// Time since the machine started, suspension included (`CLOCK_BOOTTIME`): what bounds the
    /// sending of a request.
    fn uptime(&self) -> Duration;
}

/// Waiting.
#[async_trait]
pub trait Timer: Send + Sync {
    /// Ends after so much time.
    async fn sleep(&self, duration: Duration);
}

/// Where chance comes from.
pub trait Entropy: Send + Sync {
    /// Fills the buffer with bytes that nobody can predict.
    ///
    /// # Errors
    /// The system has none to give: whatever needed them does not happen.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError>;
}

/// The system gives no randomness.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the system gives no randomness")]
pub struct EntropyError;

/// How a closed call is answered: the wire's bytes, made by whoever knows the wire.
///
/// The same input gives the same bytes for ever under one format number.
pub trait Answers: Send + Sync {
    /// The number of the present format, kept with each call.
    fn format(&self) -> u16;

    /// The status and body that this receipt, with this tool response, is answered with.
    fn render(&self, answer: &AnswerParts<'_>) -> RenderedAnswer;
}

/// What an answer is made from.
#[derive(Debug, Clone, Copy)]
pub struct AnswerParts<'a> {
    /// The format number it was given in first.
    pub format: u16,
    /// The receipt.
    pub receipt: &'a relynt_ledger::Receipt,
    /// The target's answer as canonical JSON, if it is still kept.
    pub tool_response: Option<&'a str>,
    /// Whether there was one and it was erased.
    pub tool_response_erased: bool,
    /// The request's id, for the bodies that have it.
    pub request_id: &'a str,
}

/// Status and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedAnswer {
    /// The HTTP status.
    pub http_status: u16,
    /// The body's bytes.
    pub body: Vec<u8>,
}
