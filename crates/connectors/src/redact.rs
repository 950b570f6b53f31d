//! Secrets that a target sends back.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use memchr::memmem::Finder;
use relynt_domain::HeaderValues;
use relynt_json::{Object, Value};
use secrecy::ExposeSecret as _;

use crate::definition::MASK;
use crate::headers::is_ordinary;
use crate::hex;

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
        // Every form of a secret is at least as long as the secret.
        if text.len() < MIN_LEN {
            return text;
        }
        let mut found = self.find(text.as_bytes());
        // `\\u0041` is an escaped backslash or a stray one before an escape: read both ways.
        let ways: &[bool] = match (text.contains('\\'), text.contains('%')) {
            (true, _) => &[true, false],
            (false, true) => &[true],
            (false, false) => &[],
        };
        for pairs in ways {
            let decoded = Decoded::new(text.as_bytes(), *pairs);
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
    let hex = hex::encode(secret);
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
    fn new(text: &[u8], pairs: bool) -> Self {
        let mut decoded = Self {
            bytes: Vec::with_capacity(text.len()),
            starts: Vec::with_capacity(text.len() + 1),
        };
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            let (byte, length) = unit(rest, pairs);
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

/// The first byte of a text, escapes undone, and how long it is there. With `pairs`, two backslashes
/// are one.
fn unit(rest: &[u8], pairs: bool) -> (u8, usize) {
    match rest {
        [b'%', high, low, ..] => match hex::decode([*high, *low]) {
            Some(byte) => (byte, 3),
            None => (b'%', 1),
        },
        [b'\\', b'u', b'0', b'0', high, low, ..] => match hex::decode([*high, *low]) {
            Some(byte) if byte.is_ascii() => (byte, 6),
            _ => (b'\\', 1),
        },
        [b'\\', b'\\', ..] if pairs => (b'\\', 2),
        [b'\\', c @ (b'"' | b'/'), ..] => (*c, 2),
        [byte, ..] => (*byte, 1),
        [] => (0, 1),
    }
}

#[cfg(test)]
mod tests {
    use relynt_domain::HeaderValues;
    use secrecy::SecretString;

    use super::*;

    fn redactor(headers: &[(&str, &str)]) -> Redactor {
        let values = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), SecretString::from(*value)));
        Redactor::new(&HeaderValues(values.collect()))
    }

    fn redacted(redactor: &Redactor, text: &str) -> String {
        redactor
            .redact(Value::from(text))
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Characters that every encoding treats differently.
    const SECRET: &str = "s3cr3t/+ \"key\"\\~100%";

    fn percent(all: bool, upper: bool) -> String {
        let each = SECRET
            .bytes()
            .map(|b| match (all || !b.is_ascii_alphanumeric(), upper) {
                (false, _) => char::from(b).to_string(),
                (true, true) => format!("%{b:02X}"),
                (true, false) => format!("%{b:02x}"),
            });
        each.collect()
    }

    #[test]
    fn a_secret_is_found_in_every_form() {
        let redactor = redactor(&[("x-key", SECRET)]);
        let escaped = SECRET
            .bytes()
            .fold(String::new(), |text, b| format!("{text}\\u{b:04X}"));
        let hex = hex::encode(SECRET.as_bytes());
        let mut forms = vec![
            SECRET.to_owned(),
            percent(false, true),
            percent(false, false),
            percent(true, true),
            percent(true, false),
            percent(false, true).replace("%20", "+"),
            SECRET.replace('\\', "\\\\").replace('"', "\\\""),
            SECRET
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('/', "\\/"),
            escaped,
            hex.clone(),
            hex.to_uppercase(),
        ];
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            forms.push(engine.encode(SECRET));
        }
        forms.push(
            STANDARD
                .encode(SECRET)
                .replace('/', "%2F")
                .replace('+', "%2B")
                .replace('=', "%3D"),
        );
        for form in &forms {
            for (before, after) in [
                ("", ""),
                ("key=", "&x=1"),
                ("日本", "日本"),
                ("%", "%"),
                ("\\", "\\n"),
            ] {
                let clean = redacted(&redactor, &format!("{before}{form}{after}"));
                assert!(clean.contains(MASK), "{form}: {clean}");
                assert!(
                    clean.len() <= before.len() + after.len() + MASK.len() + 4,
                    "{form}: {clean}"
                );
            }
        }
    }

    #[test]
    fn a_secret_inside_of_other_base64_is_found() {
        let redactor = redactor(&[("x-key", "abcdefghijklmnop")]);
        for before in ["", "u", "us", "use", "user:"] {
            for after in ["", "x", "xy", "xyz"] {
                let text = STANDARD.encode(format!("{before}abcdefghijklmnop{after}"));
                let clean = redacted(&redactor, &text);
                assert!(clean.contains(MASK), "{before} {after}: {clean}");
            }
        }
    }

    #[test]
    fn a_credential_is_found_without_its_scheme() {
        let basic = format!("Basic {}", STANDARD.encode("robot:correct horse battery"));
        let redactor = redactor(&[
            ("authorization", "Bearer abcdefghijkl"),
            ("x-other", &basic),
        ]);
        for text in [
            "abcdefghijkl",
            "Bearer abcdefghijkl",
            "correct horse battery",
            "robot:correct horse battery",
        ] {
            assert_eq!(redacted(&redactor, text), MASK, "{text}");
        }
    }

    #[test]
    fn what_is_short_or_ordinary_is_left() {
        let redactor = redactor(&[
            ("x-short", "elevenchars"),
            ("accept", "application/json"),
            ("accept-language", "application/json"),
            ("content-type", "application/json"),
            ("user-agent", "application/json"),
        ]);
        for text in ["elevenchars", "application/json"] {
            assert_eq!(redacted(&redactor, text), text);
        }
    }

    #[test]
    fn keys_are_cleaned_and_none_is_lost() {
        let redactor = redactor(&[("x-key", "abcdefghijkl"), ("y-key", "mnopqrstuvwx")]);
        let text = br#"{"abcdefghijkl":1,"mnopqrstuvwx":2,"********2":3,"a":[{"b":"-abcdefghijkl-mnopqrstuvwx-"},7,null]}"#;
        let clean = redactor.redact(relynt_json::parse(text).unwrap());
        assert_eq!(
            clean.to_canonical(),
            r#"{"********":1,"********2":3,"********3":2,"a":[{"b":"-********-********-"},7,null]}"#
        );
    }

    #[test]
    fn secrets_that_overlap_leave_nothing_between() {
        let redactor = redactor(&[("a", "abcdefghijkl"), ("b", "ijklmnopqrst")]);
        assert_eq!(redacted(&redactor, "<abcdefghijklmnopqrst>"), "<********>");
    }

    #[test]
    fn an_answer_made_to_be_slow_is_not() {
        let secret = format!("{}b", "a".repeat(4000));
        let redactor = redactor(&[("x-key", &secret)]);
        let text = "a%61\\u0061".repeat(100_000);
        // Linear: a search that starts over at each byte would take hours.
        assert_eq!(redacted(&redactor, &text), text);
    }

    proptest::proptest! {
        #[test]
        fn wherever_it_stands_it_is_gone(before in "\\PC{0,20}", after in "\\PC{0,20}") {
            let redactor = redactor(&[("x-key", "s3cr3t-s3cr3t")]);
            let clean = redacted(&redactor, &format!("{before}s3cr3t-s3cr3t{after}"));
            proptest::prop_assert!(!clean.contains("s3cr3t-s3cr3t"));
            proptest::prop_assert!(clean.starts_with(&before) && clean.ends_with(&after));
        }
    }
}
