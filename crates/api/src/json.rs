//! JSON that is passed through as it is

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A JSON value as its text: passed through without being read, so that no number and no key
/// changes on the way.
///
/// Where a field is documented as an object, the text is one.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Json(Box<RawValue>);

impl Json {
    /// The value that `text` is.
    ///
    /// # Errors
    /// `text` is not one JSON value.
    pub fn from_text(text: String) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text).map(Self)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The value read as `T`.
    ///
    /// # Errors
    /// It is not a `T`.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Json {}

/// Shows the length alone: payloads and responses have no place in a log.
impl std::fmt::Debug for Json {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Json({} bytes)", self.as_str().len())
    }
}

/// For fields where null means something else than absence: a field that is present is `Some`,
/// also if it is null.
#[expect(
    clippy::option_option,
    reason = "absent, null and a value are three things in a PATCH"
)]
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}
