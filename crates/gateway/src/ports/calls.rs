//! What passes between the flow and the store for calls, executions and approvals.

use std::sync::Arc;

use relynt_domain::{
    AgentId, ApprovalId, ApprovalRecord, ApprovalStatus, BlockedBy, ChangeNumber, ConnectorId,
    Decider, ExecutionDetail, ExecutionId, ExecutionStatus, Incarnation, OrganizationId, ReceiptId,
    ResponseState, Timestamp, Vote,
};
use relynt_ledger::Receipt;

use super::ledger::NewReceipt;

/// The state that something was decided under.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Whose.
    pub organization: OrganizationId,
    /// Its number.
    pub change: ChangeNumber,
}

/// What a decision reads inside the deciding transaction.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// A pending, unexpired approval of the same agent for the same request digest.
    pub open_approval: Option<OpenApproval>,
}

/// An approval that an identical request joins.
#[derive(Debug, Clone)]
pub struct OpenApproval {
    /// Its id.
    pub id: ApprovalId,
    /// Which revision is pending.
    pub revision: u32,
    /// Until when.
    pub expires_at: Timestamp,
}

/// The decision could not be made or signed; nothing is stored.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the decision could not be signed: {0}")]
pub struct DecideError(pub String);

/// Decides and signs; pure, and may be called again with newer facts.
pub type Decide = Arc<dyn Fn(&Facts) -> Result<Decided, DecideError> + Send + Sync>;

/// How a call is decided.
#[derive(Clone)]
pub enum Plan {
    /// Already, ahead of the transaction: the rule reads no state.
    Ready(Box<Decided>),
    /// Inside the transaction, from the facts read there.
    InTransaction(Decide),
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ready(_) => "Ready",
            Self::InTransaction(_) => "InTransaction",
        })
    }
}

/// What was decided.
#[derive(Debug, Clone)]
pub enum Decided {
    /// The call is closed with this receipt; an approval may come with it.
    Close {
        /// The signed receipt.
        receipt: Box<NewReceipt>,
        /// How it is answered.
        answer: Answer,
        /// The approval it opens; none if it opens none or joins one.
        approval: Option<Box<NewApproval>>,
    },
    /// A connector is to be called: only the intent is durable so far.
    Execute(Box<NewExecution>),
}

/// How a call was answered, so that a replay is the same.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub http_status: u16,
    /// The format number.
    pub format: u16,
    /// The body to be kept sealed; none if it can be rendered again from the receipt.
    pub body: Option<Vec<u8>>,
}

/// An approval to be stored; its id and the receipt of its request are in the record.
#[derive(Debug, Clone)]
pub struct NewApproval {
    /// The whole record, pending.
    pub record: ApprovalRecord,
}

/// The intent of an execution.
#[derive(Debug, Clone)]
pub struct NewExecution {
    /// Its id.
    pub id: ExecutionId,
    /// The receipt that will speak about its outcome: exists already as an id.
    pub receipt_id: ReceiptId,
    /// Everything of that receipt but outcome and signature, for whoever has to close it.
    pub draft: Receipt,
    /// Whose call.
    pub agent: AgentId,
    /// The approval that allowed it.
    pub approval: Option<ApprovalId>,
    /// Where it goes.
    pub connector: ConnectorId,
    /// Which version of it.
    pub connector_version: u32,
    /// The process that owns it.
    pub incarnation: Incarnation,
    /// SHA-256 of action, payload and resource.
    pub request_digest: [u8; 32],
    /// When the intent was made.
    pub started_at: Timestamp,
    /// By when every attempt has ended, and 5 s.
    pub deadline_at: Timestamp,
    /// The id of the request that is answered with its outcome.
    pub request_id: String,
}

/// What became of a decision.
#[derive(Debug)]
pub enum Recorded {
    /// It is durable.
    New(Box<Decided>),
    /// The key had been used: this is its call, and nothing was stored.
    Known(StoredCall),
    /// Rules changed since they were read; nothing was stored.
    Stale,
    /// The decision could not be made inside the transaction; nothing was stored.
    Refused(DecideError),
}

/// A call as stored.
#[derive(Debug, Clone)]
pub struct StoredCall {
    /// SHA-256 of action, payload and resource: other parameters are a conflict.
    pub request_digest: [u8; 32],
    /// The id of its receipt, which may not exist yet.
    pub receipt_id: ReceiptId,
    /// How it stands.
    pub state: StoredCallState,
}

/// How a call stands.
#[derive(Debug, Clone)]
pub enum StoredCallState {
    /// Its execution has not ended.
    Running,
    /// It was answered.
    Answered {
        /// How; the body is unsealed.
        answer: Answer,
        /// The signed receipt's bytes.
        receipt: Vec<u8>,
        /// Whether the kept body was erased.
        erased: bool,
    },
}

/// An open execution, with what is needed to close it.
#[derive(Debug, Clone)]
pub struct OpenExecution {
    /// Whose.
    pub organization: OrganizationId,
    /// What was recorded with the intent.
    pub intent: NewExecution,
}

/// An execution as it is now.
#[derive(Debug, Clone)]
pub struct Execution {
    /// Its id.
    pub id: ExecutionId,
    /// Whose.
    pub agent: AgentId,
    /// How it stands.
    pub status: ExecutionStatus,
    /// Why it did not succeed.
    pub detail: Option<ExecutionDetail>,
    /// How much of the answer was read.
    pub response: ResponseState,
    /// Where it went.
    pub connector: ConnectorId,
    /// Which version of it.
    pub connector_version: u32,
    /// How often it was tried.
    pub attempts: u32,
    /// The target's last status.
    pub http_status: Option<u16>,
    /// When its intent was made.
    pub started_at: Timestamp,
    /// When it was closed.
    pub finished_at: Option<Timestamp>,
}

/// The closing of an execution.
#[derive(Debug, Clone)]
pub struct Closing {
    /// Whose.
    pub organization: OrganizationId,
    /// The execution as it now is.
    pub execution: Execution,
    /// The receipt with the outcome.
    pub receipt: NewReceipt,
    /// How the call is answered; none for an approval's execution, whose call was answered long ago.
    pub answer: Option<Answer>,
    /// The target's answer as canonical JSON, to be kept sealed.
    pub tool_response: Option<String>,
    /// The approval that is final with this.
    pub approval: Option<ApprovalId>,
}

/// Who closed an execution.
#[derive(Debug)]
pub enum ClosedOutcome {
    /// This closing.
    Closed,
    /// An earlier one; this one changed nothing.
    AlreadyClosed,
}

/// The request of a call, unsealed.
#[derive(Debug, Clone)]
pub struct Request {
    /// The canonical body (`action`, `instance_id`, `payload`, `resource`).
    pub body: String,
    /// What the verdict read beyond request and policy, as canonical JSON.
    pub facts: String,
}

/// The end of a pending approval.
#[derive(Debug, Clone)]
pub struct Resolution {
    /// Whose.
    pub organization: OrganizationId,
    /// The number that the checks were made under; none where no rule is read (deny, expiry).
    pub seen: Option<ChangeNumber>,
    /// Which approval.
    pub approval: ApprovalId,
    /// Which revision of it; another one pending is no match.
    pub revision: u32,
    /// To which end.
    pub to: ApprovalStatus,
    /// When. A vote must come before the expiry, an expiry after it.
    pub at: Timestamp,
    /// The vote that decides.
    pub vote: Option<Vote>,
    /// Who decided; none for expiry and cancellation.
    pub decided_by: Option<Decider>,
    /// Their remark.
    pub note: Option<String>,
    /// Why it was cancelled.
    pub blocked_by: Option<BlockedBy>,
    /// Until when the agent may act on it.
    pub valid_until: Option<Timestamp>,
    /// What follows.
    pub then: Then,
}

/// What follows from the end of an approval.
#[derive(Debug, Clone)]
pub enum Then {
    /// Nothing more: this is the final receipt.
    Close(Box<NewReceipt>),
    /// It is carried out: this is the intent.
    Execute(Box<NewExecution>),
}

/// What became of a resolution.
#[derive(Debug)]
pub enum Resolved {
    /// It is durable; the approval as it now is.
    Done(Box<ApprovalRecord>),
    /// The approval had ended, or has another revision, or its time is (not yet) up; nothing was
    /// stored. The approval as it is.
    NotPending(Box<ApprovalRecord>),
    /// There is no such approval.
    NotFound,
    /// Rules changed since they were read; nothing was stored.
    Stale,
}

/// Makes the final receipt of a pending approval that a change ends.
pub type WithReceipt =
    Arc<dyn Fn(&ApprovalRecord) -> Result<NewReceipt, DecideError> + Send + Sync>;

/// Some approvals.
#[derive(Debug, Clone, Default)]
pub struct ApprovalPage {
    /// Newest first.
    pub approvals: Vec<ApprovalRecord>,
    /// Where to go on: after this item.
    pub next: Option<(Timestamp, [u8; 16])>,
}
