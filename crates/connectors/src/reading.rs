//! Reading an object field by field, with every fault collected.

use relynt_domain::{Fault, nearest};
use relynt_json::{Object, Value};

/// At most so many faults are told at once.
const MAX_FAULTS: usize = 100;

/// What has been found wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn push(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        if self.0.len() < MAX_FAULTS {
            self.0.push(Fault::new(pointer, detail));
        }
    }

    /// The value, or its fault at `pointer`.
    pub(crate) fn take<T>(&mut self, pointer: &str, result: Result<T, String>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(detail) => {
                self.push(pointer, detail);
                None
            }
        }
    }

    /// Names every key of `object` that is not `known`; `later` are those that will be.
    pub(crate) fn unknown(&mut self, at: &str, object: &Object, known: &[&str], later: &[&str]) {
        for key in object.keys().filter(|key| !known.contains(key)) {
            let detail = if later.contains(&key) {
                format!("`{key}` is not supported yet")
            } else if let Some(meant) = nearest(key, known) {
                format!("this field is not known here: did you mean `{meant}`?")
            } else {
                "this field is not known here".to_owned()
            };
            self.push(below(at, key), detail);
        }
    }

    pub(crate) fn into_result<T>(self, value: Option<T>) -> Result<T, Vec<Fault>> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self.0),
        }
    }
}

/// The pointer to `key` in what `at` points to (RFC 6901, section 3).
pub(crate) fn below(at: &str, key: &str) -> String {
    format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// The field, unless it is absent or null.
pub(crate) fn given<'v>(object: &'v Object, key: &str) -> Option<&'v Value> {
    object.get(key).filter(|value| !value.is_null())
}

/// The text of a value.
pub(crate) fn text(value: &Value) -> Result<&str, String> {
    value
        .as_str()
        .ok_or_else(|| format!("must be a string, not {}", value.kind()))
}

/// An integer between two bounds.
pub(crate) fn integer(value: &Value, from: u32, to: u32) -> Result<u32, String> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number
        .filter(|number| (from..=to).contains(number))
        .ok_or_else(|| format!("must be an integer from {from} to {to}"))
}
