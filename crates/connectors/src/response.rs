//! What a target answered, as the agent gets it.

use aws_lc_rs::digest;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use relynt_domain::ResponseState;
use relynt_egress::{Answer, BodyEnd};
use relynt_json::{Object, Value};

use crate::redact::Redactor;

/// At most so much of a body is read.
pub(crate) const MAX_BODY: usize = 1024 * 1024;

/// Deeper JSON is handed on as text: answers are read again under a limit of 64.
const MAX_DEPTH: usize = 60;

/// An answer's status, and its body in the form that is stored and answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) state: ResponseState,
    pub(crate) tool_response: Option<String>,
    pub(crate) hash: [u8; 32],
}

impl Told {
    pub(crate) fn new(answer: &Answer, redactor: &Redactor) -> Self {
        let tool_response = match answer.end {
            BodyEnd::Complete => tool_response(&answer.headers, &answer.body),
            BodyEnd::Cut | BodyEnd::TooLong | BodyEnd::TimedOut => None,
        };
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, &answer.body).as_ref());
        Self {
            status: answer.status.as_u16(),
            state: if tool_response.is_some() {
                ResponseState::Complete
            } else {
                ResponseState::Incomplete
            },
            tool_response: tool_response.map(|value| redactor.redact(value).to_canonical()),
            hash,
        }
    }
}

/// An object as it is, other JSON as `data`, anything else as `text`, nothing as an empty object;
/// `None` if it cannot be read.
fn tool_response(headers: &HeaderMap, body: &[u8]) -> Option<Value> {
    let encodings = headers.get_all(CONTENT_ENCODING).iter();
    if encodings
        .into_iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        // None was asked for, and a secret could hide in it.
        return None;
    }
    if body.is_empty() {
        return Some(Value::Object(Object::new()));
    }
    let text = std::str::from_utf8(body).ok()?;
    let wrap = |name: &str, value: Value| Value::Object(Object::from_iter([(name, value)]));
    // JSON with duplicate keys or numbers that no double carries means different things to
    // different readers: it stays the text that it is.
    Some(match relynt_json::parse(body) {
        Ok(value) if depth(&value) > MAX_DEPTH => wrap("text", text.into()),
        Ok(Value::Object(object)) => Value::Object(object),
        Ok(value) => wrap("data", value),
        Err(_) => wrap("text", text.into()),
    })
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(object) => {
            1 + object
                .iter()
                .map(|(_, value)| depth(value))
                .max()
                .unwrap_or(0)
        }
        _ => 0,
    }
}
