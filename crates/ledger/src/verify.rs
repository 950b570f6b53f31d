//! Verification: everything is recomputed from the bytes.

use relynt_json::{Value, parse};

use crate::admin::AdminRecord;
use crate::fields::FormatError;
use crate::key::KeyId;
use crate::key_set::{KeySet, Trust};
use crate::receipt::Receipt;
use crate::signed::{RECORD_MAX, SignedAdminRecord, SignedReceipt, Unsigned};

/// What one check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// It holds.
    Ok,
    /// It does not.
    Failed,
    /// It was not made, or could not be.
    NotChecked,
}

impl Check {
    /// The word as answers have it: `ok`, `failed`, `not_checked`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::NotChecked => "not_checked",
        }
    }
}

/// What a verification comes to, from the worst to the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// A check failed.
    Invalid,
    /// Signed by the key it names, but nobody the user trusts vouches for that key: *consistent,
    /// signer not known to you*. Never to be shown as valid.
    Consistent,
    /// Signed by a key that the user named.
    Valid,
}

/// What was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A receipt.
    Receipt(Box<SignedReceipt>),
    /// An administrative record.
    Admin(Box<SignedAdminRecord>),
}

/// The result of verifying one record: signature and key. Comparing columns and looking into the
/// log is up to whoever has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// What it comes to.
    pub verdict: Verdict,
    /// Why it is not valid.
    pub reason: Option<String>,
    /// The form of the record, and the signature over it.
    pub signature: Check,
    /// The key is known: `ok` if the user named it, `not_checked` if only the file did.
    pub key: Check,
    /// The key that the record names, if it could be read.
    pub key_id: Option<KeyId>,
    /// The record, whenever its form is right; believe it only if the verdict says so.
    pub record: Option<Record>,
}

impl Verification {
    /// Whether a key that the user named has signed exactly this.
    pub fn is_valid(&self) -> bool {
        self.verdict == Verdict::Valid
    }

    fn malformed(error: &FormatError) -> Self {
        let reason = match error {
            FormatError::Json(cause) => format!("{error}: {cause}"),
            other => other.to_string(),
        };
        Self {
            verdict: Verdict::Invalid,
            reason: Some(reason),
            signature: Check::Failed,
            key: Check::NotChecked,
            key_id: None,
            record: None,
        }
    }
}

/// Verifies one record from its stored bytes, which have to be exactly the canonical form.
pub fn verify(bytes: &[u8], keys: &KeySet) -> Verification {
    match Unsigned::read(bytes) {
        Ok(unsigned) => verify_unsigned(unsigned, bytes.to_vec(), keys),
        Err(error) => Verification::malformed(&error),
    }
}

/// Verifies one record from a file that somebody may have reformatted: spaces, line ends and the
/// order of keys do not matter, because the signature is over the canonical form.
pub fn verify_document(bytes: &[u8], keys: &KeySet) -> Verification {
    // Reformatting can add much, but not without limit.
    if bytes.len() > 16 * RECORD_MAX {
        return Verification::malformed(&FormatError::TooLarge);
    }
    match parse(bytes) {
        Ok(value) => verify_value(value, keys),
        Err(error) => Verification::malformed(&FormatError::Json(error)),
    }
}

pub(crate) fn verify_value(value: Value, keys: &KeySet) -> Verification {
    let mut canonical = Vec::new();
    value.write_canonical(&mut canonical);
    if canonical.len() > RECORD_MAX {
        return Verification::malformed(&FormatError::TooLarge);
    }
    match Unsigned::from_value(value) {
        Ok(unsigned) => verify_unsigned(unsigned, canonical, keys),
        Err(error) => Verification::malformed(&error),
    }
}

fn verify_unsigned(unsigned: Unsigned, canonical: Vec<u8>, keys: &KeySet) -> Verification {
    let key_id = unsigned.key_id.clone();
    let known = keys.get(&key_id);
    let signed = known.map(|(key, trust)| {
        let genuine = key.key.verifies(&unsigned.text, &unsigned.signature);
        (genuine, trust)
    });
    let record = match unsigned.schema() {
        Some(Receipt::SCHEMA) => unsigned
            .into_signed(canonical)
            .map(|receipt| Record::Receipt(Box::new(receipt))),
        Some(AdminRecord::SCHEMA) => unsigned
            .into_signed(canonical)
            .map(|record| Record::Admin(Box::new(record))),
        _ => Err(FormatError::UnknownSchema),
    };
    let key = match signed {
        None => Check::Failed,
        Some((_, Trust::FromFile)) => Check::NotChecked,
        Some((_, Trust::Named)) => Check::Ok,
    };
    let record = match record {
        Ok(record) => record,
        Err(error) => {
            return Verification {
                key,
                key_id: Some(key_id),
                ..Verification::malformed(&error)
            };
        }
    };
    let (verdict, signature, reason) = match signed {
        None => (
            Verdict::Invalid,
            Check::NotChecked,
            Some(format!("the key `{key_id}` is not known")),
        ),
        Some((false, _)) => (
            Verdict::Invalid,
            Check::Failed,
            Some("the signature does not fit the record".to_owned()),
        ),
        Some((true, Trust::FromFile)) => (
            Verdict::Consistent,
            Check::Ok,
            Some(format!(
                "consistent, signer not known to you: the key `{key_id}` came with the file"
            )),
        ),
        Some((true, Trust::Named)) => (Verdict::Valid, Check::Ok, None),
    };
    Verification {
        verdict,
        reason,
        signature,
        key,
        key_id: Some(key_id),
        record: Some(record),
    }
}
