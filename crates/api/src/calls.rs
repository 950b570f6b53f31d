//! The tool call and the simulator

use serde::{Deserialize, Serialize};

#[cfg(feature = "openapi")]
use crate::Rule;
use crate::{Decision, Execution, Json, PerformedBy, RiskLevel};

/// What an agent asks before it acts. Unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// The operation. NFC, no control or format characters.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 256))]
    pub action: String,
    /// The target. NFC, no control or format characters.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 512))]
    pub resource: String,
    /// The run of the agent.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 256))]
    pub instance_id: String,
    /// What the target will get. Absent and null are the same.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub payload: Option<Json>,
}

/// The answer to a tool call, for all three decisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ToolCallAnswer {
    /// What came of the call.
    pub decision: Decision,
    /// The signed receipt.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub receipt_id: String,
    /// Which rule decided and why; names fields and limits, never other payload values.
    pub reason: String,
    /// How much is at stake.
    pub risk_level: RiskLevel,
    /// The policy's version, such as `v3`.
    pub policy_version: String,
    /// The approval that is waited for.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub approval_id: Option<String>,
    /// What the connector's target answered.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub tool_response: Option<Json>,
    /// Who carries out an allowed action.
    pub performed_by: Option<PerformedBy>,
    /// Until when the agent may perform an allowed action itself.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub valid_until: Option<String>,
    /// The execution, when a connector was called.
    pub execution: Option<Execution>,
    /// Whether there was a `tool_response` that is not kept any more; only in a replay.
    pub tool_response_erased: bool,
}

/// What would be decided. `version`, `rules` and `agent_id` are for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Simulation {
    /// The operation.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 256))]
    pub action: String,
    /// The target.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 512))]
    pub resource: String,
    /// The run of the agent.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 256))]
    pub instance_id: Option<String>,
    /// What the target would get.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub payload: Option<Json>,
    /// A saved version to try instead of the active one.
    #[cfg_attr(feature = "openapi", schema(pattern = "^v[1-9][0-9]*$"))]
    pub version: Option<String>,
    /// A draft to try instead of a saved version.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<Rule>>))]
    pub rules: Option<Json>,
    /// The agent that would call; without it, rules with `agents` are skipped.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub agent_id: Option<String>,
}

/// What would be decided, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SimulationAnswer {
    /// What would come of the call.
    pub decision: Decision,
    /// How much is at stake.
    pub risk_level: RiskLevel,
    /// Whether a person would be asked.
    pub requires_approval: bool,
    /// Which rule would decide and why.
    pub reason: String,
    /// The version that was tried; `draft` for inline rules.
    pub policy_version: String,
    /// The rule that decides, as it was saved and with its `id`; null if none applies.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Rule>))]
    pub matched_rule: Option<Json>,
    /// The rule's position, from 0. For people; an agent gets null.
    pub rule_index: Option<u32>,
    /// Rules that matched by name but did not apply. For people; an agent gets null.
    pub skipped: Option<Vec<Skipped>>,
}

/// A rule that matched by name but did not apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Skipped {
    /// The rule's position, from 0.
    pub rule_index: u32,
    /// The rule's id.
    pub rule_id: String,
    /// Why it did not apply.
    pub reason: String,
}
