//! Policies: versions and their rules

use serde::{Deserialize, Serialize};

use crate::{Json, RiskLevel, RuleDecision};

/// A version of the policy. Versions never change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Policy {
    /// `v1`, `v2`, …
    #[cfg_attr(feature = "openapi", schema(pattern = "^v[1-9][0-9]*$"))]
    pub version: String,
    /// The rules as they were saved, in order.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Rule>))]
    pub rules: Json,
    /// What its author wrote.
    pub note: Option<String>,
    /// `sha256:<hex>` of the canonical rules.
    pub digest: String,
    /// Whether it is the one that decides.
    pub active: bool,
    /// When it was saved.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub created_at: String,
    /// Who saved it.
    pub created_by: String,
    /// When it was last activated.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub activated_at: Option<String>,
}

/// Versions, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyList {
    /// The page.
    pub policies: Vec<Policy>,
    /// What to give as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// Saves a version. It decides only once it is activated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewPolicy {
    /// The rules, in order.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Rule>, max_items = 10_000))]
    pub rules: Json,
    /// A note for people.
    #[cfg_attr(feature = "openapi", schema(max_length = 1024))]
    pub note: Option<String>,
}

/// Makes a version the one that decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Activation {
    /// A note for the record.
    #[cfg_attr(feature = "openapi", schema(max_length = 1024))]
    pub note: Option<String>,
    /// That a weaker policy is meant.
    pub acknowledge: Option<bool>,
}

/// One rule. The first rule that applies decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name in reasons and receipts; the position from 1 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub id: Option<String>,
    /// Pattern of the operation; `*` is any run of characters.
    pub action: String,
    /// Pattern of the target.
    pub resource_pattern: String,
    /// Agent ids or tags that it is for; all if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_items = 1, nullable = false))]
    pub agents: Option<Vec<String>>,
    /// What it decides.
    pub decision: RuleDecision,
    /// How much is at stake; by the outcome if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk_level: Option<RiskLevel>,
    /// What strengthens the decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Conditions>,
    /// How long an approval is waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<RuleApproval>,
    /// A description for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What strengthens a rule's decision; nothing ever weakens it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// Deny if the payload has one of these fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deny_fields: Option<Vec<String>>,
    /// Ask a person if the amount, or its change, is above this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<f64>))]
    pub max_amount_change: Option<serde_json::Number>,
    /// Ask a person if the stage is one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_approval_if_stage: Option<Vec<String>>,
}

/// How an approval of a rule runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RuleApproval {
    /// How long it is waited for: 1 minute to 7 days, such as `30m`; 1 hour if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(pattern = "^[1-9][0-9]*[smhd]$"))]
    pub expires_in: Option<String>,
}
