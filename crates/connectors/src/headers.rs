//! Default headers: what may be set, and what is secret in them.

use std::collections::BTreeMap;

use http::{HeaderName, HeaderValue};
use relynt_domain::HeaderValues;
use relynt_json::Value;
use secrecy::{ExposeSecret as _, SecretString};

use crate::definition::MASK;
use crate::reading::{Faults, below, text};

const MAX_COUNT: usize = 32;
const MAX_NAME: usize = 128;
const MAX_VALUE: usize = 4096;

/// Fields that belong to the connection, the framing or the gateway.
const REFUSED: [&str; 17] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "idempotency-key",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// Reads `headers` at `/headers`. The mask keeps the value of `kept`, if there is one.
pub(crate) fn parse(
    value: &Value,
    kept: Option<&HeaderValues>,
    faults: &mut Faults,
) -> Option<HeaderValues> {
    let Some(object) = value.as_object() else {
        faults.push("/headers", "must be an object of names and values");
        return None;
    };
    if object.len() > MAX_COUNT {
        faults.push("/headers", format!("has more than {MAX_COUNT} headers"));
        return None;
    }
    let mut values = BTreeMap::new();
    for (name, value) in object {
        let pointer = below("/headers", name);
        let Some(name) = faults.take(&pointer, field_name(name)) else {
            continue;
        };
        let Some(value) = faults.take(&pointer, field_value(&name, value, kept)) else {
            continue;
        };
        if values.insert(name, value).is_some() {
            faults.push(
                pointer,
                "is given twice: names differ in more than their case",
            );
        }
    }
    Some(HeaderValues(values))
}

fn field_name(name: &str) -> Result<String, String> {
    if name.len() > MAX_NAME {
        return Err(format!("the name is longer than {MAX_NAME} characters"));
    }
    let lower = name.to_ascii_lowercase();
    if HeaderName::from_bytes(lower.as_bytes()).is_err() {
        return Err("is no header name".to_owned());
    }
    if REFUSED.contains(&lower.as_str()) || lower.starts_with("x-relynt-") {
        return Err("is set by the gateway and cannot be set here".to_owned());
    }
    Ok(lower)
}

fn field_value(
    name: &str,
    value: &Value,
    kept: Option<&HeaderValues>,
) -> Result<SecretString, String> {
    let value = text(value)?;
    if value == MASK {
        return kept
            .and_then(|kept| kept.0.get(name))
            .cloned()
            .ok_or_else(|| "there is no value to keep: enter it".to_owned());
    }
    if value.is_empty() || value.len() > MAX_VALUE {
        return Err(format!("must have 1 to {MAX_VALUE} characters"));
    }
    if !value.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Err("has a character that is not visible ASCII".to_owned());
    }
    if value.starts_with(' ') || value.ends_with(' ') {
        return Err("begins or ends with a blank".to_owned());
    }
    Ok(SecretString::from(value))
}

/// The fields as they are sent, marked so that nothing shows them.
pub(crate) fn sendable(values: &HeaderValues) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let fields = values.0.iter().map(|(name, value)| {
        let unusable = || format!("the header `{name}` cannot be sent");
        let field = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?;
        let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| unusable())?;
        value.set_sensitive(true);
        Ok((field, value))
    });
    fields.collect()
}

/// Whether the values of this field are no secrets, wherever they turn up.
pub(crate) fn is_ordinary(name: &str) -> bool {
    name == "user-agent" || name.starts_with("accept") || name.starts_with("content-")
}
