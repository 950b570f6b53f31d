//! Reading a record strictly: exactly its fields, each of its type.

use relynt_json::{Object, ParseError, Value};

/// A text that is not a record of this format. Names fields, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Longer than a record may be.
    #[error("longer than 32 KiB")]
    TooLarge,
    /// Not JSON, or not in canonical form.
    #[error("not canonical JSON")]
    Json(#[source] ParseError),
    /// JSON, but not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// No `schema` that is known here.
    #[error("the schema is not known")]
    UnknownSchema,
    /// A field is not there. Absent values are null, never left out.
    #[error("the field `{0}` is missing")]
    Missing(String),
    /// A field that the format does not have.
    #[error("the field `{0}` is not part of the format")]
    Unknown(String),
    /// A field of another type, or null where that cannot be.
    #[error("the field `{0}` has another type")]
    WrongType(String),
    /// A word that the format does not have.
    #[error("the field `{0}` has a word that is not known")]
    UnknownWord(String),
    /// The key id is no thumbprint.
    #[error("the field `key_id` is not a key id")]
    KeyId,
    /// The signature is not written as signatures are.
    #[error("the field `signature` is not a signature")]
    Signature,
}

/// The fields of one object, taken out one by one; what is left at the end is unknown.
pub(crate) struct Fields {
    place: &'static str,
    object: Object,
}

impl Fields {
    pub(crate) fn new(place: &'static str, object: Object) -> Self {
        Self { place, object }
    }

    fn named(&self, field: &str) -> String {
        format!("{}{field}", self.place)
    }

    pub(crate) fn take(&mut self, field: &str) -> Result<Value, FormatError> {
        match self.object.remove(field) {
            Some(value) => Ok(value),
            None => Err(FormatError::Missing(self.named(field))),
        }
    }

    pub(crate) fn wrong_type(&self, field: &str) -> FormatError {
        FormatError::WrongType(self.named(field))
    }

    pub(crate) fn string(&mut self, field: &str) -> Result<String, FormatError> {
        self.optional_string(field)?
            .ok_or_else(|| self.wrong_type(field))
    }

    pub(crate) fn optional_string(&mut self, field: &str) -> Result<Option<String>, FormatError> {
        match self.take(field)? {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            _ => Err(self.wrong_type(field)),
        }
    }

    pub(crate) fn word<T>(
        &mut self,
        field: &str,
        from_text: fn(&str) -> Option<T>,
    ) -> Result<T, FormatError> {
        self.optional_word(field, from_text)?
            .ok_or_else(|| self.wrong_type(field))
    }

    pub(crate) fn optional_word<T>(
        &mut self,
        field: &str,
        from_text: fn(&str) -> Option<T>,
    ) -> Result<Option<T>, FormatError> {
        match self.optional_string(field)? {
            None => Ok(None),
            Some(text) => match from_text(&text) {
                Some(word) => Ok(Some(word)),
                None => Err(FormatError::UnknownWord(self.named(field))),
            },
        }
    }

    pub(crate) fn number<T: TryFrom<u64>>(&mut self, field: &str) -> Result<T, FormatError> {
        self.optional_number(field)?
            .ok_or_else(|| self.wrong_type(field))
    }

    pub(crate) fn optional_number<T: TryFrom<u64>>(
        &mut self,
        field: &str,
    ) -> Result<Option<T>, FormatError> {
        match self.take(field)? {
            Value::Null => Ok(None),
            value => match value.as_u64().and_then(|number| T::try_from(number).ok()) {
                Some(number) => Ok(Some(number)),
                None => Err(self.wrong_type(field)),
            },
        }
    }

    pub(crate) fn optional_object(&mut self, field: &str) -> Result<Option<Object>, FormatError> {
        match self.take(field)? {
            Value::Null => Ok(None),
            Value::Object(object) => Ok(Some(object)),
            _ => Err(self.wrong_type(field)),
        }
    }

    pub(crate) fn optional_array(
        &mut self,
        field: &str,
    ) -> Result<Option<Vec<Value>>, FormatError> {
        match self.take(field)? {
            Value::Null => Ok(None),
            Value::Array(elements) => Ok(Some(elements)),
            _ => Err(self.wrong_type(field)),
        }
    }

    /// Nothing may be left.
    pub(crate) fn finish(self) -> Result<(), FormatError> {
        match self.object.keys().next() {
            None => Ok(()),
            Some(key) => {
                let shown: String = key.chars().take(64).collect();
                Err(FormatError::Unknown(self.named(&shown)))
            }
        }
    }
}
