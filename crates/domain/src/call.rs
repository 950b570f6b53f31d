//! What an agent asks for.

use std::fmt;
use std::sync::Arc;

use relynt_json::Value;
use uuid::{Uuid, Version};

use crate::text::{MAX_ACTION, MAX_INSTANCE, MAX_RESOURCE, check_line};
use crate::{AgentId, CredentialId, Fault, OrganizationId, Timestamp};

macro_rules! lines {
    ($($(#[$doc:meta])* $name:ident, $max:expr;)*) => {$(
        $(#[$doc])*
        // INVARIANT: as `check_line` says.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// Takes the text if it is one visible line in NFC within the limit.
            ///
            /// # Errors
            /// What is wrong with the text, for the `detail` of a 400.
            pub fn new(text: &str) -> Result<Self, String> {
                check_line(text, $max)?;
                Ok(Self(text.to_owned()))
            }

            /// The text, verbatim.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

lines! {
    /// What the agent wants to do, such as `update_deal`: 1 to 256 characters.
    Action, MAX_ACTION;
    /// To what, such as `crm:deal:123`: 1 to 512 characters.
    Resource, MAX_RESOURCE;
    /// One run of an agent: 1 to 256 characters.
    InstanceId, MAX_INSTANCE;
}

/// What makes two calls of an agent the same call: 1 to 255 visible ASCII characters, verbatim.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Takes the header's value as it came, quotes included.
    ///
    /// # Errors
    /// Empty, longer than 255, or with anything but visible ASCII.
    pub fn new(value: &[u8]) -> Result<Self, &'static str> {
        if value.is_empty() || value.len() > 255 {
            return Err("must have 1 to 255 characters");
        }
        match std::str::from_utf8(value) {
            Ok(text) if text.bytes().all(|b| b.is_ascii_graphic()) => Ok(Self(text.to_owned())),
            _ => Err("must be visible ASCII characters without spaces"),
        }
    }

    /// The text, verbatim.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bytes that the store keeps: those of a version 7 UUID raw, so that keys that clients
    /// make in order of time stay in that order; any other text behind `0xff`.
    pub fn stored(&self) -> Vec<u8> {
        if self.0.len() == 36
            && !self.0.bytes().any(|b| b.is_ascii_uppercase())
            && let Ok(uuid) = Uuid::try_parse(&self.0)
            && uuid.get_version() == Some(Version::SortRand)
            && uuid.as_bytes().first() != Some(&0xff)
        {
            return uuid.as_bytes().to_vec();
        }
        let mut bytes = Vec::with_capacity(1 + self.0.len());
        bytes.push(0xff);
        bytes.extend_from_slice(self.0.as_bytes());
        bytes
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdempotencyKey({})", self.0)
    }
}

/// The body of a call, parsed and within its limits, before anyone is known to have sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCallDraft {
    /// What to do.
    pub action: Action,
    /// To what.
    pub resource: Resource,
    /// The run; a simulation may leave it out.
    pub instance_id: Option<InstanceId>,
    /// The payload; absent and null are the same.
    pub payload: Option<Value>,
}

impl ToolCallDraft {
    /// Reads the four fields of `POST /v1/agent-tool-call` from a parsed body.
    ///
    /// # Errors
    /// Every missing, unknown or ill-formed field, each with its place.
    pub fn from_body(body: Value) -> Result<Self, Vec<Fault>> {
        Self::read(body, true)
    }

    /// The same for the simulator, whose `instance_id` is optional; other fields have been taken
    /// out by then.
    ///
    /// # Errors
    /// As [`ToolCallDraft::from_body`].
    pub fn from_simulation(body: Value) -> Result<Self, Vec<Fault>> {
        Self::read(body, false)
    }

    fn read(body: Value, instance_required: bool) -> Result<Self, Vec<Fault>> {
        let Value::Object(mut body) = body else {
            return Err(vec![Fault::new("", "the body must be a JSON object")]);
        };
        let mut faults = Vec::new();
        let mut take = |name: &str, max: usize, required: bool| match body.remove(name) {
            Some(Value::String(text)) => match check_line(&text, max) {
                Ok(()) => Some(text),
                Err(why) => {
                    faults.push(Fault::new(format!("/{name}"), format!("`{name}` {why}")));
                    None
                }
            },
            None | Some(Value::Null) if !required => None,
            None => {
                faults.push(Fault::new(
                    format!("/{name}"),
                    format!("`{name}` is missing"),
                ));
                None
            }
            Some(_) => {
                faults.push(Fault::new(
                    format!("/{name}"),
                    format!("`{name}` must be a string"),
                ));
                None
            }
        };
        let action = take("action", MAX_ACTION, true);
        let resource = take("resource", MAX_RESOURCE, true);
        let instance_id = take("instance_id", MAX_INSTANCE, instance_required);
        let payload = match body.remove("payload") {
            None | Some(Value::Null) => None,
            Some(object @ Value::Object(_)) => Some(object),
            Some(_) => {
                faults.push(Fault::new("/payload", "`payload` must be an object"));
                None
            }
        };
        for name in body.keys() {
            let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            faults.push(Fault::new(pointer, "this field is not known here"));
        }
        match (action, resource) {
            (Some(action), Some(resource)) if faults.is_empty() => Ok(Self {
                action: Action(action),
                resource: Resource(resource),
                instance_id: instance_id.map(InstanceId),
                payload,
            }),
            _ => Err(faults),
        }
    }
}

/// A call with its caller: what is decided, recorded and perhaps carried out.
#[derive(Debug, Clone)]
pub struct ToolCall {
    /// The tenant.
    pub organization: OrganizationId,
    /// Who calls.
    pub agent: AgentId,
    /// With which credential.
    pub credential: CredentialId,
    /// What makes a retry the same call.
    pub key: IdempotencyKey,
    /// What to do.
    pub action: Action,
    /// To what.
    pub resource: Resource,
    /// The run.
    pub instance_id: InstanceId,
    /// The payload as the policy reads it.
    pub payload: Option<Value>,
    /// The payload as the target gets it: canonical JSON (RFC 8785), `null` if there is none.
    pub payload_canonical: String,
    /// SHA-256 of the canonical body (`action`, `instance_id`, `payload`, `resource`).
    pub request_hash: [u8; 32],
    /// The same without `instance_id`: what makes two requests the same request.
    pub request_digest: [u8; 32],
    /// What the verdict could read beyond request and policy (the agent's name and tags), as
    /// canonical JSON: kept sealed beside the request.
    pub facts: Arc<str>,
    /// SHA-256 of `facts`.
    pub facts_hash: [u8; 32],
    /// When the call was taken in.
    pub received_at: Timestamp,
    /// The caller's or our own request id.
    pub request_id: String,
    /// The caller's W3C `traceparent`, if it sent a valid one.
    pub traceparent: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(text: &str) -> Result<ToolCallDraft, Vec<Fault>> {
        ToolCallDraft::from_body(relynt_json::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_null_payload_is_an_absent_one() {
        let with = draft(r#"{"action":"a","resource":"r","instance_id":"i","payload":null}"#);
        let without = draft(r#"{"action":"a","resource":"r","instance_id":"i"}"#);
        assert_eq!(with.unwrap(), without.unwrap());
    }

    #[test]
    fn every_fault_is_named_with_its_place() {
        let faults = draft(r#"{"action":"","resource":7,"payload":[],"x/y":1}"#).unwrap_err();
        let pointers: Vec<_> = faults.iter().map(|f| f.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            ["/action", "/resource", "/instance_id", "/payload", "/x~1y"]
        );
    }

    #[test]
    fn stored_keys_never_meet() {
        let seven = IdempotencyKey::new(b"0192f0c1-2345-7abc-8def-0123456789ab").unwrap();
        let upper = IdempotencyKey::new(b"0192F0C1-2345-7ABC-8DEF-0123456789AB").unwrap();
        let four = IdempotencyKey::new(b"ff92f0c1-2345-4abc-8def-0123456789ab").unwrap();
        let last = IdempotencyKey::new(b"ff92f0c1-2345-7abc-8def-0123456789ab").unwrap();
        let text = IdempotencyKey::new(b"\"0123456789abcd\"").unwrap();
        assert_eq!(seven.stored().len(), 16);
        for key in [&upper, &four, &last, &text] {
            assert_eq!(key.stored()[0], 0xff);
            assert_eq!(&key.stored()[1..], key.as_str().as_bytes());
        }
    }

    #[test]
    fn a_key_is_visible_ascii() {
        assert!(IdempotencyKey::new(b"").is_err());
        assert!(IdempotencyKey::new(&[b'a'; 256]).is_err());
        assert!(IdempotencyKey::new(b"a b").is_err());
        assert!(IdempotencyKey::new("é".as_bytes()).is_err());
        assert_eq!(
            IdempotencyKey::new(&[b'a'; 255]).unwrap().as_str().len(),
            255
        );
    }
}
