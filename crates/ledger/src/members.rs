//! Members of an object whose keys are ours: the caller gives what stands before the value, in the
//! order that the canonical form wants.

use relynt_json::write_canonical_str;

pub(crate) fn string(key: &str, value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(key.as_bytes());
    write_canonical_str(value, out);
}

pub(crate) fn optional(key: &str, value: Option<&str>, out: &mut Vec<u8>) {
    out.extend_from_slice(key.as_bytes());
    match value {
        Some(value) => write_canonical_str(value, out),
        None => out.extend_from_slice(b"null"),
    }
}

/// A text of ours that needs no escaping.
pub(crate) fn word(key: &str, value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(key.as_bytes());
    out.push(b'"');
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

pub(crate) fn number(key: &str, value: Option<u32>, out: &mut Vec<u8>) {
    out.extend_from_slice(key.as_bytes());
    match value {
        Some(value) => out.extend_from_slice(relynt_json::Number::from(value).as_str().as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
}
