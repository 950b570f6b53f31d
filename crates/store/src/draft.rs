//! The receipt of an execution before its outcome is known, as text.

use relynt_json::{Value, parse};
use relynt_ledger::{KeyId, RECORD_MAX, Receipt};

/// A draft could not be written or read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a receipt's draft")]
pub(crate) struct DraftError;

/// Bytes of the base64url form of 32 and of 64 bytes.
const KEY_TEXT: usize = 43;
const SIGNATURE_TEXT: usize = 86;

/// What a signature adds to the text.
const SIGNATURE_ROOM: usize = 128;

/// The draft as canonical JSON, with a key id of zeros: the key that will sign it is not known.
pub(crate) fn write(draft: &Receipt) -> Result<String, DraftError> {
    let key = KeyId::parse(&"A".repeat(KEY_TEXT)).map_err(|_| DraftError)?;
    let bytes = draft.canonical_unsigned(&key);
    if bytes.len() + SIGNATURE_ROOM > RECORD_MAX {
        return Err(DraftError);
    }
    String::from_utf8(bytes).map_err(|_| DraftError)
}

/// The draft that was written: every field of the format, none else.
pub(crate) fn read(text: &str) -> Result<Receipt, DraftError> {
    let Ok(Value::Object(mut object)) = parse(text.as_bytes()) else {
        return Err(DraftError);
    };
    // The format's own reader takes signed receipts only; it looks at the form, not at the
    // signature.
    object.insert(
        "signature",
        format!("ed25519:{}", "A".repeat(SIGNATURE_TEXT)),
    );
    let signed = Receipt::from_bytes(Value::Object(object).to_canonical().as_bytes());
    Ok(signed.map_err(|_| DraftError)?.into_record())
}

#[cfg(test)]
mod tests {
    use super::*;
    use relynt_testkit::sample;

    #[test]
    fn a_draft_reads_back() {
        let draft = sample::Maker::new(1).draft();
        assert_eq!(read(&write(&draft).unwrap()).unwrap(), draft);
    }

    #[test]
    fn a_draft_that_could_never_be_signed_is_refused() {
        let mut draft = sample::Maker::new(1).draft();
        draft.reason = "x".repeat(RECORD_MAX);
        assert_eq!(write(&draft), Err(DraftError));
    }

    #[test]
    fn what_is_no_draft_is_refused() {
        for text in ["", "{}", "[]", "{\"schema\":\"relynt.receipt/1\"}"] {
            assert_eq!(read(text), Err(DraftError), "{text}");
        }
    }
}
