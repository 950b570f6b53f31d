//! The text of agents' credentials and people's tokens.
//!
//! `rly_` (agents) or `rlp_` (people), the lookup id (22 characters, 16 bytes), `_`, the secret
//! (43 characters, 32 bytes), and a checksum (6 characters): CRC-32 of everything before it,
//! 4 bytes big-endian. All base64url without padding (RFC 4648, section 5).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::{AgentId, CredentialId, Timestamp};

/// Bytes of a lookup id.
pub const LOOKUP_LEN: usize = 16;
/// Bytes of the secret part.
pub const SECRET_LEN: usize = 32;

const LOOKUP_TEXT: usize = 22;
const SECRET_TEXT: usize = 43;
const CHECKSUM_TEXT: usize = 6;
const PREFIX_TEXT: usize = 4;
const TOTAL: usize = PREFIX_TEXT + LOOKUP_TEXT + 1 + SECRET_TEXT + CHECKSUM_TEXT;

/// The text is not a credential: mistyped, cut, or of another product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed credential")]
pub struct CredentialError;

/// Whose credential it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// An agent's: `rly_…`.
    Agent,
    /// A person's token: `rlp_…`.
    Person,
}

impl CredentialKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Agent => "rly_",
            Self::Person => "rlp_",
        }
    }
}

/// The public part of a credential: what it is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookupId(pub [u8; LOOKUP_LEN]);

impl fmt::Display for LookupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// A credential as its holder has it. Shown once, never stored, never printed by `Debug`.
pub struct CredentialText {
    /// Whose.
    pub kind: CredentialKind,
    /// What it is found by.
    pub lookup: LookupId,
    /// What proves it.
    pub secret: Zeroizing<[u8; SECRET_LEN]>,
}

impl CredentialText {
    /// Reads the text; a mistyped one fails here, before any look-up.
    ///
    /// # Errors
    /// Not this form, or a wrong checksum.
    pub fn parse(text: &str) -> Result<Self, CredentialError> {
        if text.len() != TOTAL || !text.is_ascii() {
            return Err(CredentialError);
        }
        let (body, checksum) = text.split_at(TOTAL - CHECKSUM_TEXT);
        let mut crc = [0; 4];
        decode(checksum, &mut crc)?;
        if crc32fast::hash(body.as_bytes()).to_be_bytes() != crc {
            return Err(CredentialError);
        }
        let (prefix, rest) = body.split_at(PREFIX_TEXT);
        let kind = match prefix {
            "rly_" => CredentialKind::Agent,
            "rlp_" => CredentialKind::Person,
            _ => return Err(CredentialError),
        };
        let (lookup_text, rest) = rest.split_at(LOOKUP_TEXT);
        let secret_text = rest.strip_prefix('_').ok_or(CredentialError)?;
        let mut lookup = [0; LOOKUP_LEN];
        decode(lookup_text, &mut lookup)?;
        let mut secret = Zeroizing::new([0; SECRET_LEN]);
        decode(secret_text, secret.as_mut())?;
        Ok(Self {
            kind,
            lookup: LookupId(lookup),
            secret,
        })
    }

    /// The text to show, once.
    pub fn expose(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(TOTAL));
        text.push_str(self.kind.prefix());
        URL_SAFE_NO_PAD.encode_string(self.lookup.0, &mut text);
        text.push('_');
        URL_SAFE_NO_PAD.encode_string(self.secret.as_slice(), &mut text);
        let crc = crc32fast::hash(text.as_bytes()).to_be_bytes();
        URL_SAFE_NO_PAD.encode_string(crc, &mut text);
        text
    }
}

impl fmt::Debug for CredentialText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CredentialText({}{}_…)", self.kind.prefix(), self.lookup)
    }
}

// Strict: the engine refuses padding and non-zero trailing bits, so one secret has one text.
fn decode(text: &str, out: &mut [u8]) -> Result<(), CredentialError> {
    match URL_SAFE_NO_PAD.decode_slice_unchecked(text, out) {
        Ok(n) if n == out.len() => Ok(()),
        _ => Err(CredentialError),
    }
}

/// A stored credential of an agent.
#[derive(Debug, Clone)]
pub struct Credential {
    /// Its id.
    pub id: CredentialId,
    /// Whose it is.
    pub agent: AgentId,
    /// What it is found by.
    pub lookup: LookupId,
    /// Keyed SHA-256 of the secret part.
    pub secret_hash: [u8; 32],
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, at most 60 s behind.
    pub last_used_at: Option<Timestamp>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was or will be revoked: in the future while in overlap.
    pub revoked_at: Option<Timestamp>,
}

impl Credential {
    /// Whether it opens anything at this time.
    pub fn valid_at(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| now < at) && self.revoked_at.is_none_or(|at| now < at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> CredentialText {
        CredentialText {
            kind: CredentialKind::Agent,
            lookup: LookupId([7; 16]),
            secret: Zeroizing::new([9; 32]),
        }
    }

    #[test]
    fn text_reads_back() {
        let text = sample().expose();
        assert_eq!(text.len(), 76);
        assert!(text.starts_with("rly_") && !text.contains(':'));
        let read = CredentialText::parse(&text).unwrap();
        assert_eq!((read.lookup, *read.secret), (LookupId([7; 16]), [9; 32]));
    }

    #[test]
    fn every_mistyped_character_is_noticed() {
        let text = sample().expose();
        for at in 0..text.len() {
            for with in ["A", "x", "_", "-", "=", " "] {
                let mut wrong = text.to_string();
                wrong.replace_range(at..=at, with);
                assert!(
                    wrong == *text || CredentialText::parse(&wrong).is_err(),
                    "{at} {with}"
                );
            }
        }
        assert!(CredentialText::parse(&text[..75]).is_err());
        assert!(CredentialText::parse(&format!("{}A", *text)).is_err());
        assert!(CredentialText::parse("é").is_err());
    }

    #[test]
    fn debug_hides_the_secret() {
        let text = sample();
        let secret = URL_SAFE_NO_PAD.encode(text.secret.as_slice());
        assert!(!format!("{text:?}").contains(&secret));
    }
}
