//! Secrets that a target sends back.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use memchr::memmem::Finder;
use relynt_domain::HeaderValues;
use relynt_json::{Object, Value};
use secrecy::ExposeSecret as _;

use crate::definition::MASK;
use crate::headers::is_ordinary;

/// Values shorter than this are left: they would turn up by chance.
const MIN_LEN: usize = 12;

/// Finds the values of a connector's headers in what its target answers.
///
/// A value is found as it is, in base64 (both alphabets, at any of the three offsets in a longer
/// text), in hex, and with any of its characters percent-encoded or escaped as in JSON. Of
/// `Bearer …` and `Basic …` the credential alone is found too.
pub(crate) struct Redactor {
    needles: Vec<Finder<'static>>,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redactor")
    }
}

impl Redactor {
    pub(crate) fn new(headers: &HeaderValues) -> Self {
        let mut needles: Vec<Vec<u8>> = Vec::new();
        for (_, value) in headers.0.iter().filter(|(name, _)| !is_ordinary(name)) {
            for secret in secrets(value.expose_secret().as_bytes()) {
                forms(&secret, &mut needles);
            }
        }
        needles.sort_unstable();
        needles.dedup();
        Self {
            needles: needles
                .iter()
                .map(|needle| Finder::new(needle).into_owned())
                .collect(),
        }
    }

    /// The value with every secret in its strings and keys replaced.
    pub(crate) fn redact(&self, value: Value) -> Value {
        if self.needles.is_empty() {
            return value;
        }
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|item| self.redact(item)).collect())
            }
            Value::Object(object) => Value::Object(self.object(object)),
            other => other,
        }
    }

    fn object(&self, object: Object) -> Object {
        let mut redacted = Object::new();
        for (key, value) in object {
            let value = self.redact(value);
            let mut key = self.text(key);
            // Two keys may have become one: none is lost.
            if redacted.get(&key).is_some() {
                let stem = key.clone();
                let mut count = 2u32;
                while redacted.get(&key).is_some() {
                    key = format!("{stem}{count}");
                    count += 1;
                }
            }
            redacted.insert(key, value);
        }
        redacted
    }

    fn text(&self, text: String) -> String {
        let mut found = self.find(text.as_bytes());
        if text.contains(['%', '\\']) {
            let decoded = Decoded::new(text.as_bytes());
            found.extend(
                self.find(&decoded.bytes)
                    .into_iter()
                    .map(|range| decoded.source(range)),
            );
        }
        if found.is_empty() {
            return text;
        }
        found.sort_unstable();
        let mut clean = String::with_capacity(text.len());
        let mut end = 0;
        for (from, to) in found {
            if from >= end {
                clean.push_str(text.get(end..from).unwrap_or_default());
                clean.push_str(MASK);
            }
            end = end.max(to);
        }
        clean.push_str(text.get(end..).unwrap_or_default());
        clean
    }

    fn find(&self, text: &[u8]) -> Vec<(usize, usize)> {
        let each = self.needles.iter().flat_map(|needle| {
            needle
                .find_iter(text)
                .map(|at| (at, at + needle.needle().len()))
        });
        each.collect()
    }
}

/// The value, and what in it is a credential by itself.
fn secrets(value: &[u8]) -> Vec<Vec<u8>> {
    let mut secrets = vec![value.to_vec()];
    if let Some(at) = memchr::memchr(b' ', value) {
        let credential = value.get(at + 1..).unwrap_or_default();
        secrets.push(credential.to_vec());
        if value
            .get(..at)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic"))
            && let Ok(pair) = STANDARD.decode(credential)
        {
            if let Some(colon) = memchr::memchr(b':', &pair) {
                secrets.push(pair.get(colon + 1..).unwrap_or_default().to_vec());
            }
            secrets.push(pair);
        }
    }
    secrets.retain(|secret| secret.len() >= MIN_LEN);
    secrets
}

fn forms(secret: &[u8], needles: &mut Vec<Vec<u8>>) {
    needles.push(secret.to_vec());
    if secret.contains(&b' ') {
        // As forms write a blank.
        needles.push(
            secret
                .iter()
                .map(|b| if *b == b' ' { b'+' } else { *b })
                .collect(),
        );
    }
    let hex: String = secret.iter().map(|b| format!("{b:02x}")).collect();
    needles.push(hex.to_uppercase().into_bytes());
    needles.push(hex.into_bytes());
    for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
        for offset in 0..3 {
            // What comes before and behind decides the first and last characters: only those
            // between belong to the secret alone.
            let mut shifted = vec![0; offset];
            shifted.extend_from_slice(secret);
            let text = engine.encode(&shifted);
            let from = (offset * 8).div_ceil(6);
            let to = shifted.len() * 8 / 6;
            needles.push(text.get(from..to).unwrap_or_default().as_bytes().to_vec());
        }
    }
}

/// A text with its percent and JSON escapes undone, and where each byte came from.
struct Decoded {
    bytes: Vec<u8>,
    /// For each byte where its source begins; one more at the end.
    starts: Vec<usize>,
}

impl Decoded {
    fn new(text: &[u8]) -> Self {
        let mut decoded = Self {
            bytes: Vec::with_capacity(text.len()),
            starts: Vec::with_capacity(text.len() + 1),
        };
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let (byte, length) = unit(rest);
            decoded.bytes.push(byte);
            decoded.starts.push(at);
            at += length;
        }
        decoded.starts.push(at);
        decoded
    }

    fn source(&self, (from, to): (usize, usize)) -> (usize, usize) {
        let at = |index: usize| self.starts.get(index).copied().unwrap_or_default();
        (at(from), at(to))
    }
}

/// The first byte of a text, escapes undone, and how long it is there.
fn unit(rest: &[u8]) -> (u8, usize) {
    match rest {
        [b'%', high, low, ..] => match hex(&[*high, *low]) {
            Some(byte) => (byte, 3),
            None => (b'%', 1),
        },
        [b'\\', b'u', b'0', b'0', high, low, ..] => match hex(&[*high, *low]) {
            Some(byte) if byte.is_ascii() => (byte, 6),
            _ => (b'\\', 1),
        },
        [b'\\', c @ (b'"' | b'\\' | b'/'), ..] => (*c, 2),
        [byte, ..] => (*byte, 1),
        [] => (0, 1),
    }
}

fn hex(digits: &[u8; 2]) -> Option<u8> {
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    u8::try_from(high? * 16 + low?).ok()
}
