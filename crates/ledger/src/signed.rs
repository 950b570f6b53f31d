//! A record with its signature: the bytes that are stored and served.

use relynt_json::{Object, Value, parse_canonical};

use crate::admin::AdminRecord;
use crate::digest::{Sha256, sha256_text};
use crate::fields::{Fields, FormatError};
use crate::key::{KeyError, KeyId, Signature, SigningKey};
use crate::leaf::leaf_hash;
use crate::receipt::Receipt;

/// The longest signed record, in bytes.
pub const RECORD_MAX: usize = 32 * 1024;

/// A record that could not be signed: what it speaks of must not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Longer than [`RECORD_MAX`] with its signature.
    #[error("the record is longer than 32 KiB")]
    TooLarge,
    /// `detail` of an administrative record holds an array or an object.
    #[error("the detail of an administrative record must be flat")]
    Nested,
    /// The signer failed.
    #[error("the record could not be signed")]
    Key(#[source] KeyError),
}

/// A record and its signature.
///
/// Made by signing, or by reading what somebody else has signed: then its form is right, its
/// signature not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed<T> {
    record: T,
    key_id: KeyId,
    signature: Signature,
    // INVARIANT: the canonical form of the record with its `key_id` and `signature`.
    bytes: Vec<u8>,
}

/// A receipt and its signature.
pub type SignedReceipt = Signed<Receipt>;

/// An administrative record and its signature.
pub type SignedAdminRecord = Signed<AdminRecord>;

/// What the two kinds of record have in common.
pub(crate) trait Recorded: Sized {
    fn schema(&self) -> &'static str;

    /// Appends the canonical form without the signature; says where the signature belongs.
    fn write_unsigned(&self, key_id: &KeyId, out: &mut Vec<u8>) -> usize;

    /// Takes every field but `key_id` and `signature`.
    fn from_fields(fields: &mut Fields) -> Result<Self, FormatError>;
}

#[expect(private_bounds, reason = "the kinds of record are closed")]
impl<T: Recorded> Signed<T> {
    pub(crate) fn seal(record: T, key: &SigningKey) -> Result<Self, SignError> {
        let mut bytes = Vec::with_capacity(2048);
        let signature_at = record.write_unsigned(key.id(), &mut bytes);
        let signature = key.sign(&bytes).map_err(SignError::Key)?;
        let member = format!(",\"signature\":\"{signature}\"");
        bytes.splice(signature_at..signature_at, member.into_bytes());
        if bytes.len() > RECORD_MAX {
            return Err(SignError::TooLarge);
        }
        Ok(Self {
            record,
            key_id: key.id().clone(),
            signature,
            bytes,
        })
    }

    pub(crate) fn read(bytes: &[u8]) -> Result<Self, FormatError> {
        Unsigned::read(bytes)?.into_signed(bytes.to_vec())
    }

    /// The record without `schema`, `key_id` and `signature`.
    pub fn record(&self) -> &T {
        &self.record
    }

    /// The record, owned.
    pub fn into_record(self) -> T {
        self.record
    }

    /// The key that it says has signed.
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// The signature.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// The canonical signed form: what is stored and served, byte for byte.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The canonical signed form, owned.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// SHA-256 of [`bytes`](Self::bytes), as `sha256:<hex>`.
    pub fn digest(&self) -> String {
        sha256_text(&self.bytes)
    }

    /// The record's leaf in the log.
    pub fn leaf_hash(&self) -> Sha256 {
        leaf_hash(self.record.schema(), &self.bytes)
    }
}

/// A record taken apart: the text that was signed, and the rest still to be checked.
pub(crate) struct Unsigned {
    /// Everything but `signature`, in canonical form.
    pub(crate) text: Vec<u8>,
    pub(crate) key_id: KeyId,
    pub(crate) signature: Signature,
    object: Object,
}

impl Unsigned {
    /// Takes bytes that have to be canonical.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() > RECORD_MAX {
            return Err(FormatError::TooLarge);
        }
        Self::from_value(parse_canonical(bytes).map_err(FormatError::Json)?)
    }

    pub(crate) fn from_value(value: Value) -> Result<Self, FormatError> {
        let Value::Object(mut object) = value else {
            return Err(FormatError::NotAnObject);
        };
        let signature = text_field(object.remove("signature"), "signature")?;
        let signature = Signature::parse(&signature).ok_or(FormatError::Signature)?;
        let mut text = Vec::with_capacity(2048);
        object.write_canonical(&mut text);
        let key_id = text_field(object.remove("key_id"), "key_id")?;
        let key_id = KeyId::parse(&key_id).map_err(|_| FormatError::KeyId)?;
        Ok(Self {
            text,
            key_id,
            signature,
            object,
        })
    }

    pub(crate) fn schema(&self) -> Option<&str> {
        self.object.get("schema")?.as_str()
    }

    /// `bytes`: the canonical form of the whole.
    pub(crate) fn into_signed<T: Recorded>(self, bytes: Vec<u8>) -> Result<Signed<T>, FormatError> {
        let mut fields = Fields::new("", self.object);
        let record = T::from_fields(&mut fields)?;
        fields.finish()?;
        Ok(Signed {
            record,
            key_id: self.key_id,
            signature: self.signature,
            bytes,
        })
    }
}

fn text_field(value: Option<Value>, field: &str) -> Result<String, FormatError> {
    match value {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(FormatError::WrongType(field.to_owned())),
        None => Err(FormatError::Missing(field.to_owned())),
    }
}
