//! The body of a refusal: RFC 9457 problem details with the gateway's extensions.

use serde_json::{Map, Value};

/// What a problem body said. Members of the wrong type are as if they were not there
/// (RFC 9457 section 3.1).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Problem {
    /// What went wrong, for programs: one of the documented codes.
    pub code: Option<String>,
    /// What went wrong, for people.
    pub detail: Option<String>,
    /// The request's id in the gateway's log.
    pub request_id: Option<String>,
    /// The receipt that the call left, if it did.
    pub receipt_id: Option<String>,
}

impl Problem {
    /// Reads a body; anything that is not a JSON object says nothing.
    pub fn parse(body: &[u8]) -> Self {
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Self::from_members(&members),
            _ => Self::default(),
        }
    }

    pub(crate) fn from_members(members: &Map<String, Value>) -> Self {
        Self {
            code: text(members, "code"),
            detail: text(members, "detail").or_else(|| text(members, "title")),
            request_id: text(members, "request_id"),
            receipt_id: text(members, "receipt_id"),
        }
    }
}

pub(crate) fn text(members: &Map<String, Value>, name: &str) -> Option<String> {
    members.get(name)?.as_str().map(str::to_owned)
}
