//! Administrative acts, `relynt.admin/1`: the same kind of record, in the same log.

use relynt_json::{Object, Value};

use crate::fields::{Fields, FormatError};
use crate::key::{KeyId, SigningKey};
use crate::members::{optional, string, word};
use crate::signed::{Recorded, SignError, Signed, SignedAdminRecord};

/// One administrative act before it is signed: every field but `schema`, `key_id` and `signature`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminRecord {
    /// Its id, a lowercase UUID.
    pub record_id: String,
    /// When it was signed: RFC 3339, UTC, milliseconds, `Z`.
    pub created_at: String,
    /// The tenant.
    pub organization_id: String,
    /// Who: `user:<uuid>`, `slack:U12345`, `system`.
    pub actor: String,
    /// What was done: a noun and a verb, such as `policy.activate`.
    pub act: String,
    /// To what: an id or a version.
    pub subject: Option<String>,
    /// More about it: null, booleans, numbers and strings, nothing nested. Never a secret.
    pub detail: Object,
    /// The request that did it.
    pub request_id: Option<String>,
}

impl AdminRecord {
    /// The value of `schema`.
    pub const SCHEMA: &'static str = "relynt.admin/1";

    /// The record as it is signed under a key: everything but `signature`.
    pub fn to_value(&self, key_id: &KeyId) -> Value {
        let object: Object = [
            ("schema", Value::from(Self::SCHEMA)),
            ("record_id", self.record_id.as_str().into()),
            ("created_at", self.created_at.as_str().into()),
            ("organization_id", self.organization_id.as_str().into()),
            ("actor", self.actor.as_str().into()),
            ("act", self.act.as_str().into()),
            ("subject", self.subject.as_deref().into()),
            ("detail", self.detail.clone().into()),
            ("request_id", self.request_id.as_deref().into()),
            ("key_id", key_id.as_str().into()),
        ]
        .into_iter()
        .collect();
        Value::Object(object)
    }

    /// The bytes that are signed: [`to_value`](Self::to_value) in canonical form.
    pub fn canonical_unsigned(&self, key_id: &KeyId) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        self.write_unsigned(key_id, &mut out);
        out
    }

    /// Signs it. What comes out is what is stored and served, byte for byte.
    ///
    /// # Errors
    /// Something nested in `detail`, longer than [`RECORD_MAX`](crate::RECORD_MAX), or the signer
    /// failed: the act must not happen.
    pub fn sign(self, key: &SigningKey) -> Result<SignedAdminRecord, SignError> {
        if is_flat(&self.detail) {
            Signed::seal(self, key)
        } else {
            Err(SignError::Nested)
        }
    }

    /// Reads a signed record as strictly as [`Receipt::from_bytes`](crate::Receipt::from_bytes)
    /// does. Says nothing about the signature.
    pub fn from_bytes(bytes: &[u8]) -> Result<SignedAdminRecord, FormatError> {
        Signed::read(bytes)
    }
}

impl Recorded for AdminRecord {
    fn schema(&self) -> &'static str {
        Self::SCHEMA
    }

    fn write_unsigned(&self, key_id: &KeyId, out: &mut Vec<u8>) -> usize {
        string("{\"act\":", &self.act, out);
        string(",\"actor\":", &self.actor, out);
        string(",\"created_at\":", &self.created_at, out);
        out.extend_from_slice(b",\"detail\":");
        self.detail.write_canonical(out);
        word(",\"key_id\":", key_id.as_str(), out);
        string(",\"organization_id\":", &self.organization_id, out);
        string(",\"record_id\":", &self.record_id, out);
        optional(",\"request_id\":", self.request_id.as_deref(), out);
        word(",\"schema\":", Self::SCHEMA, out);
        let signature_at = out.len();
        optional(",\"subject\":", self.subject.as_deref(), out);
        out.push(b'}');
        signature_at
    }

    fn from_fields(fields: &mut Fields) -> Result<Self, FormatError> {
        if fields.string("schema")? != Self::SCHEMA {
            return Err(FormatError::UnknownSchema);
        }
        Ok(Self {
            record_id: fields.string("record_id")?,
            created_at: fields.string("created_at")?,
            organization_id: fields.string("organization_id")?,
            actor: fields.string("actor")?,
            act: fields.string("act")?,
            subject: fields.optional_string("subject")?,
            detail: match fields.optional_object("detail")? {
                Some(detail) if is_flat(&detail) => detail,
                _ => return Err(fields.wrong_type("detail")),
            },
            request_id: fields.optional_string("request_id")?,
        })
    }
}

fn is_flat(detail: &Object) -> bool {
    detail
        .values()
        .all(|value| !matches!(value, Value::Array(_) | Value::Object(_)))
}
