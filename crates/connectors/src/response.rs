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

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderValue, StatusCode};
    use relynt_domain::HeaderValues;
    use secrecy::SecretString;

    use super::*;

    fn told(body: &[u8], end: BodyEnd, coding: Option<&'static str>) -> Told {
        let mut headers = HeaderMap::new();
        if let Some(coding) = coding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        let secret = ("x-key".to_owned(), SecretString::from("s3cr3t-s3cr3t"));
        let redactor = Redactor::new(&HeaderValues([secret].into()));
        let body = Bytes::copy_from_slice(body);
        Told::new(
            &Answer {
                status: StatusCode::OK,
                headers,
                body,
                end,
            },
            &redactor,
        )
    }

    #[test]
    fn an_answer_becomes_an_object() {
        for (body, object) in [
            ("", "{}"),
            ("{}", "{}"),
            (r#"{"b":1,"a":[2]}"#, r#"{"a":[2],"b":1}"#),
            (r" { } ", "{}"),
            ("[1,2]", r#"{"data":[1,2]}"#),
            ("null", r#"{"data":null}"#),
            ("7", r#"{"data":7}"#),
            (r#""x""#, r#"{"data":"x"}"#),
            ("ok", r#"{"text":"ok"}"#),
            (" ", r#"{"text":" "}"#),
            ("<p>é</p>", r#"{"text":"<p>é</p>"}"#),
            (r#"{"a":1,"a":2}"#, r#"{"text":"{\"a\":1,\"a\":2}"}"#),
            (
                r#"{"id":9007199254740993}"#,
                r#"{"text":"{\"id\":9007199254740993}"}"#,
            ),
            (r#"{"a":"\ud800"}"#, r#"{"text":"{\"a\":\"\\ud800\"}"}"#),
            (r#"{"a":1}{"b":2}"#, r#"{"text":"{\"a\":1}{\"b\":2}"}"#),
            (r#"{"key":"s3cr3t-s3cr3t"}"#, r#"{"key":"********"}"#),
            (r#""s3cr3t-s3cr3t""#, r#"{"data":"********"}"#),
            (
                "your key: s3cr3t-s3cr3t",
                r#"{"text":"your key: ********"}"#,
            ),
            (
                r#"{"a":1,"a":"s3cr3t\u002ds3cr3t"}"#,
                r#"{"text":"{\"a\":1,\"a\":\"********\"}"}"#,
            ),
        ] {
            let told = told(body.as_bytes(), BodyEnd::Complete, None);
            assert_eq!(told.tool_response.as_deref(), Some(object), "{body}");
            assert_eq!(told.state, ResponseState::Complete);
        }
    }

    #[test]
    fn what_cannot_be_read_is_incomplete_and_keeps_its_hash() {
        for (body, end, coding) in [
            (&b"{}"[..], BodyEnd::Cut, None),
            (b"{}", BodyEnd::TooLong, None),
            (b"{}", BodyEnd::TimedOut, None),
            (b"\xff\xfe", BodyEnd::Complete, None),
            (b"{}", BodyEnd::Complete, Some("gzip")),
            (b"", BodyEnd::Complete, Some("br")),
        ] {
            let told = told(body, end, coding);
            assert_eq!(
                (told.state, told.tool_response.as_ref()),
                (ResponseState::Incomplete, None)
            );
            assert_eq!(
                &told.hash[..],
                digest::digest(&digest::SHA256, body).as_ref()
            );
        }
        assert_eq!(
            told(b"{}", BodyEnd::Complete, Some("Identity")).state,
            ResponseState::Complete
        );
    }

    #[test]
    fn deep_json_stays_text() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let response = |depth| {
            told(nested(depth).as_bytes(), BodyEnd::Complete, None)
                .tool_response
                .unwrap()
        };
        assert!(response(60).starts_with(r#"{"data":[["#));
        assert!(response(61).starts_with(r#"{"text":"[["#));
        assert!(response(100_000).starts_with(r#"{"text":"[["#));
    }
}
