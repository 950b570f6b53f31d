//! Whether the gateway lives, and whether it can decide

use serde::{Deserialize, Serialize};

use crate::CheckOutcome;

/// The process answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// The gateway's version.
    pub version: String,
}

/// Whether the gateway can decide: 200 if it can, 503 if not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Readiness {
    /// Whether it can.
    pub ready: bool,
    /// What is missing, and what to do about it; null if ready.
    pub detail: Option<String>,
    /// What was looked at.
    pub checks: ReadinessChecks,
}

/// What readiness looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReadinessChecks {
    /// The store takes writes.
    pub store: CheckOutcome,
    /// The signer signs.
    pub signer: CheckOutcome,
    /// The policies are loaded.
    pub policies: CheckOutcome,
}
