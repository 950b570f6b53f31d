//! What an agent asks before it acts.

use serde_json::{Value, json};

use crate::ids::IdempotencyKey;

/// One action on one resource.
#[derive(Debug, Clone, PartialEq)]
pub struct ActionCall {
    action: String,
    resource: String,
    payload: Value,
    key: Option<IdempotencyKey>,
    instance_id: Option<String>,
}

impl ActionCall {
    /// An action on a resource, without payload.
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Self {
        Self {
            action: action.into(),
            resource: resource.into(),
            payload: Value::Null,
            key: None,
            instance_id: None,
        }
    }

    /// What the policy looks at and the target receives: a JSON object, or null for none.
    #[must_use]
    pub fn payload(mut self, payload: Value) -> Self {
        self.payload = payload;
        self
    }

    /// The key that makes a later try of the same call safe. Default: a fresh one for all
    /// attempts of this call.
    #[must_use]
    pub fn idempotency_key(mut self, key: IdempotencyKey) -> Self {
        self.key = Some(key);
        self
    }

    /// The run of the agent that this call belongs to. Default: the client's.
    #[must_use]
    pub fn instance_id(mut self, instance_id: impl Into<String>) -> Self {
        self.instance_id = Some(instance_id.into());
        self
    }

    pub(crate) fn key(&self) -> IdempotencyKey {
        self.key.clone().unwrap_or_else(IdempotencyKey::fresh)
    }

    pub(crate) fn body(&self, instance_id: &str) -> Vec<u8> {
        let instance_id = self.instance_id.as_deref().unwrap_or(instance_id);
        json!({
            "action": self.action,
            "instance_id": instance_id,
            "payload": self.payload,
            "resource": self.resource,
        })
        .to_string()
        .into_bytes()
    }
}
