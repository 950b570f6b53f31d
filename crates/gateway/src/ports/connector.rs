//! What carries out an allowed action.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use relynt_domain::{
    ConnectorDefinition, ConnectorRecord, ExecutionDetail, ExecutionId, ExecutionStatus, Fault,
    OrganizationId, ReceiptId, ResponseState, ToolCall,
};
use relynt_json::Value;

/// Reads connectors' definitions and makes them callable.
pub trait Connectors: Send + Sync {
    /// Checks a definition as a person sent it: whole (`current` absent), or the changed fields of
    /// a PATCH. A header whose value is the mask keeps its present value; a change of origin
    /// drops every value that is not given anew.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place.
    fn check(
        &self,
        organization: OrganizationId,
        body: &Value,
        current: Option<&ConnectorDefinition>,
    ) -> Result<ConnectorDefinition, Vec<Fault>>;

    /// Makes a stored connector callable. Its slots outlive it: they belong to the id.
    ///
    /// # Errors
    /// The stored definition is not one (any more): what would go there is refused.
    fn compile(
        &self,
        organization: OrganizationId,
        record: &ConnectorRecord,
    ) -> Result<Arc<dyn Connector>, String>;
}

/// One callable connector.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Whether it performs this action on this resource: its patterns match.
    fn matches(&self, action: &str, resource: &str) -> bool;

    /// Whether the request fits the route (checked before evaluation).
    ///
    /// # Errors
    /// Why not, for a 400.
    fn check_route(
        &self,
        action: &str,
        resource: &str,
        payload: Option<&Value>,
    ) -> Result<(), RouteFault>;

    /// What an approval is bound to: SHA-256 over connector id, origin and routes; secret values
    /// are not part of it.
    fn binding(&self) -> [u8; 32];

    /// By how much all attempts together may take.
    fn budget(&self, action: &str) -> Duration;

    /// Takes a place among those that may call it at once; none if all are taken.
    fn try_slot(&self) -> Option<Slot>;

    /// Carries out the action. Always a value: an error is an outcome.
    async fn execute(&self, permit: Permit) -> Done;
}

/// A request does not fit the route of its action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RouteFault(pub String);

/// A place at a connector, given back when dropped.
pub struct Slot(Box<dyn Any + Send>);

impl Slot {
    /// Keeps what has to be dropped to give the place back.
    pub fn new(held: impl Any + Send) -> Self {
        Self(Box::new(held))
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let _ = &self.0;
        f.write_str("Slot")
    }
}

/// The right to carry out one action once. Only the gateway makes one, right after the commit of
/// its intent; whoever executes takes it by value.
#[derive(Debug)]
pub struct Permit {
    request: PermitRequest,
}

impl Permit {
    pub(crate) const fn new(request: PermitRequest) -> Self {
        Self { request }
    }

    /// Uses it up.
    pub fn redeem(self) -> PermitRequest {
        self.request
    }
}

/// What is to be carried out.
#[derive(Debug)]
pub struct PermitRequest {
    /// The call.
    pub call: Arc<ToolCall>,
    /// Its execution.
    pub execution: ExecutionId,
    /// The receipt that will tell its outcome.
    pub receipt: ReceiptId,
    /// The approval that allowed it.
    pub approval: Option<relynt_domain::ApprovalId>,
    /// When the intent was committed, on the clock that runs through suspension.
    pub committed_at: Duration,
    /// By when every attempt has ended, on the same clock.
    pub deadline: Duration,
    /// The place taken at the connector.
    pub slot: Slot,
}

/// Why a request must not be sent after all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is too late to send the request")]
pub struct Refusal;

/// What became of an execution.
#[derive(Debug)]
pub struct Done {
    /// The outcome.
    pub outcome: Outcome,
    /// The target's answer as a JSON object in canonical form, redacted.
    pub tool_response: Option<String>,
    /// SHA-256 of the raw body as received, if a body began.
    pub response_hash: Option<[u8; 32]>,
}

/// Status and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Succeeded, failed or unknown; never pending.
    pub status: ExecutionStatus,
    /// Why it did not succeed.
    pub detail: Option<ExecutionDetail>,
    /// How much of the answer was read.
    pub response: ResponseState,
    /// How often it was tried.
    pub attempts: u32,
    /// The last status received.
    pub http_status: Option<u16>,
}

impl Outcome {
    /// Not a byte left: nothing can have happened.
    pub const fn not_sent(attempts: u32) -> Self {
        Self {
            status: ExecutionStatus::Failed,
            detail: Some(ExecutionDetail::NotSent),
            response: ResponseState::None,
            attempts,
            http_status: None,
        }
    }

    /// Its owner died or was too late: nobody can say.
    pub const fn left_behind() -> Self {
        Self {
            status: ExecutionStatus::Unknown,
            detail: Some(ExecutionDetail::LeftBehind),
            response: ResponseState::None,
            attempts: 0,
            http_status: None,
        }
    }
}
