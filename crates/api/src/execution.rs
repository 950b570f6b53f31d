//! An execution: what a connector did about an allowed action

use serde::{Deserialize, Serialize};

use crate::{ExecutionDetail, ExecutionStatus, ResponseState};

/// One execution of an allowed action by a connector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Execution {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub execution_id: String,
    /// What is known of it.
    pub status: ExecutionStatus,
    /// Why it did not succeed.
    pub detail: Option<ExecutionDetail>,
    /// How much of the target's response was read.
    pub response: ResponseState,
    /// The connector.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub connector_id: String,
    /// The connector's version when it started.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub connector_version: u32,
    /// How many attempts were made; 0 while it is pending.
    pub attempts: u32,
    /// The target's status, if it answered.
    #[cfg_attr(feature = "openapi", schema(minimum = 100, maximum = 999))]
    pub http_status: Option<u16>,
    /// When the intent was recorded.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub started_at: String,
    /// When the outcome was known.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub finished_at: Option<String>,
}
