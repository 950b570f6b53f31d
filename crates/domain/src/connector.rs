//! Where allowed actions are carried out.

use std::collections::BTreeMap;
use std::fmt;

use relynt_json::Value;
use secrecy::{ExposeSecret as _, SecretString};

use crate::{ConnectorId, Timestamp};

/// The default headers of a connector by lower-case name. The values are secrets.
#[derive(Clone, Default)]
pub struct HeaderValues(pub BTreeMap<String, SecretString>);

impl fmt::Debug for HeaderValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl PartialEq for HeaderValues {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().all(|(name, value)| {
                other
                    .0
                    .get(name)
                    .is_some_and(|o| o.expose_secret() == value.expose_secret())
            })
    }
}

/// A connector as a person configured it, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectorDefinition {
    /// For people, unique in the organization.
    pub name: String,
    /// Its place: the first that matches performs the action.
    pub position: u32,
    /// Pattern of actions.
    pub action: String,
    /// Pattern of resources.
    pub resource_pattern: String,
    /// Where it is: scheme, host, port and perhaps a path.
    pub base_url: String,
    /// Default headers, secret.
    pub headers: HeaderValues,
    /// Bound of one attempt in milliseconds, 100 to 60,000.
    pub timeout_ms: u32,
    /// The routes as given: an object by action, empty if there are none.
    pub routes: Value,
}

/// A stored connector.
#[derive(Debug, Clone)]
pub struct ConnectorRecord {
    /// Its id.
    pub id: ConnectorId,
    /// How often it was changed, from 1.
    pub version: u32,
    /// What it says.
    pub definition: ConnectorDefinition,
    /// When it was made.
    pub created_at: Timestamp,
}
