//! Connectors: who performs an allowed action

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Json;

/// An HTTP endpoint that performs allowed actions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Connector {
    /// Its id.
    #[cfg_attr(feature = "openapi", schema(format = "uuid"))]
    pub connector_id: String,
    /// Counts its changes, from 1.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub version: u32,
    /// Its name.
    pub name: String,
    /// Its place in the order: the first whose patterns match performs the action.
    pub position: u32,
    /// Pattern of the operation.
    pub action: String,
    /// Pattern of the target.
    pub resource_pattern: String,
    /// Where it sends.
    pub base_url: String,
    /// Its headers; every value is a secret and shown as `********`.
    pub headers: BTreeMap<String, String>,
    /// How long one attempt may take.
    pub timeout_ms: u32,
    /// How single actions are sent, by action and as given; all others go as an envelope.
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, Route>))]
    pub routes: Json,
    /// When it was made.
    #[cfg_attr(feature = "openapi", schema(format = "date-time"))]
    pub created_at: String,
}

/// Connectors, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ConnectorList {
    /// The page.
    pub connectors: Vec<Connector>,
    /// What to give as `cursor` for the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// Makes a connector.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewConnector {
    /// Its name.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 128))]
    pub name: String,
    /// Its place in the order; 0 if absent.
    pub position: Option<u32>,
    /// Pattern of the operation.
    pub action: String,
    /// Pattern of the target.
    pub resource_pattern: String,
    /// Where it sends; `https` outside development.
    pub base_url: String,
    /// Headers to send with every request; values are secrets.
    pub headers: Option<BTreeMap<String, String>>,
    /// How long one attempt may take; 10000 if absent.
    #[cfg_attr(feature = "openapi", schema(minimum = 100, maximum = 60_000))]
    pub timeout_ms: Option<u32>,
    /// How single actions are sent, by action.
    pub routes: Option<BTreeMap<String, Route>>,
}

/// Changes what it names. Another origin drops all header values.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PatchConnector {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 128))]
    pub name: Option<String>,
    /// Its place in the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// Pattern of the operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Pattern of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_pattern: Option<String>,
    /// Where it sends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// All headers; the mask `********` keeps a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// How long one attempt may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 100, maximum = 60_000))]
    pub timeout_ms: Option<u32>,
    /// All routes, by action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routes: Option<BTreeMap<String, Route>>,
}

/// How one action is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The whole form of its resource, such as `crm:deal:{id}`.
    pub resource: String,
    /// The HTTP method.
    pub method: String,
    /// The path below the base address, such as `/deals/{id}`.
    pub path: String,
    /// Query parameters; values may use the parts of the resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<BTreeMap<String, String>>,
    /// What is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<SentBody>,
    /// Whether the target takes the same request twice without acting twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
    /// Statuses with which the target says that it did not act.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_executed: Option<Vec<u16>>,
}

/// What a route sends: a mode, or fields taken from the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum SentBody {
    /// One of the modes.
    Mode(BodyMode),
    /// Names of the body's fields, and where each comes from, such as `{payload.amount}`.
    Mapped(BTreeMap<String, String>),
}

/// What a route sends as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BodyMode {
    /// Action, resource, payload and the ids.
    Envelope,
    /// The payload alone.
    Payload,
}

impl std::fmt::Debug for NewConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewConnector")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for PatchConnector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PatchConnector")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
