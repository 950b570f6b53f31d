//! Agents and their credentials

use serde::{Deserialize, Serialize};

use crate::AgentStatus;

/// A non-human caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Agent {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub agent_id: String,
    /// Its name, unique in the organization.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Tags that rules may name.
    pub tags: Vec<String>,
    /// The person who answers for it: `user:<uuid>`.
    pub owner: String,
    /// Whether it may call.
    pub status: AgentStatus,
    /// When it was registered.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub created_at: String,
    /// When it last called; up to 60 s behind.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub last_seen_at: Option<String>,
}

/// Agents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AgentList {
    /// The page.
    pub agents: Vec<Agent>,
    /// What to give as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// Registers an agent. It has no credential until the first rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewAgent {
    /// Its name, unique in the organization.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 128))]
    pub name: String,
    /// What it is for.
    #[cfg_attr(feature = "openapi", schema(max_length = 1024))]
    pub description: Option<String>,
    /// Tags that rules may name.
    #[cfg_attr(feature = "openapi", schema(max_items = 32))]
    pub tags: Option<Vec<String>>,
    /// The member who answers for it, `user:<uuid>`; whoever registers it if absent.
    pub owner: Option<String>,
}

/// Changes what it names; null takes a description away.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PatchAgent {
    /// Its name.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 128))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is for.
    #[cfg_attr(feature = "openapi", schema(max_length = 1024, value_type = Option<String>))]
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::json::present"
    )]
    pub description: Option<Option<String>>,
    /// Tags that rules may name.
    #[cfg_attr(feature = "openapi", schema(max_items = 32))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// The member who answers for it, `user:<uuid>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// A credential of an agent. Its secret was shown once and is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Credential {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub credential_id: String,
    /// The part of its text that is no secret.
    pub lookup_id: String,
    /// When it was made.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub created_at: String,
    /// When it was last used; up to 60 s behind.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub last_used_at: Option<String>,
    /// When it ends by itself.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub expires_at: Option<String>,
    /// When it was revoked.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub revoked_at: Option<String>,
}

/// Credentials of an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CredentialList {
    /// The page.
    pub credentials: Vec<Credential>,
    /// What to give as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// Makes a new credential and revokes the earlier ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// How long the last credential stays valid beside the new one, in seconds; up to 7 days.
    #[cfg_attr(feature = "openapi", schema(maximum = 604_800))]
    pub overlap_seconds: Option<u32>,
    /// When the new credential ends by itself.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub expires_at: Option<String>,
    /// Whether the agent's pending approvals are cancelled.
    pub cancel_pending: Option<bool>,
}

/// A new credential, shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RotatedSecret {
    /// The credential's text: a secret.
    pub agent_secret: String,
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub credential_id: String,
    /// The four lines that a program needs.
    pub environment: Environment,
}

/// The environment of a program that uses the SDK.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Environment {
    /// Where the gateway is.
    #[serde(rename = "RELYNT_API_BASE_URL")]
    pub api_base_url: String,
    /// The credential: a secret.
    #[serde(rename = "RELYNT_AGENT_SECRET")]
    pub agent_secret: String,
    /// The agent.
    #[serde(rename = "RELYNT_AGENT_ID")]
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub agent_id: String,
    /// The organization.
    #[serde(rename = "RELYNT_ORG_ID")]
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub org_id: String,
}

impl std::fmt::Debug for RotatedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RotatedSecret")
            .field("credential_id", &self.credential_id)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("agent_id", &self.agent_id)
            .field("org_id", &self.org_id)
            .finish_non_exhaustive()
    }
}
