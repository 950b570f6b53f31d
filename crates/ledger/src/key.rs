//! Ed25519 keys (RFC 8032), their ids and signatures.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, ParsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::digest::sha256;

const SIGNATURE_PREFIX: &str = "ed25519:";

/// A key that cannot be used. Says nothing of the key itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not 32 bytes, or not base64url without padding and without stray bits.
    #[error("not an Ed25519 key of 32 bytes in base64url without padding")]
    Encoding,
    /// A point of small order, which makes forgery trivial, or bytes that the library refuses.
    #[error("not a usable Ed25519 public key")]
    Unusable,
    /// Not a thumbprint: 43 characters of base64url.
    #[error("not a key id of 43 characters in base64url without padding")]
    KeyId,
    /// The library refused to make or use a key.
    #[error("the signer is not available")]
    Signer,
}

/// The id of a key: its RFC 7638 thumbprint, base64url of 32 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(String);

impl KeyId {
    /// Takes a thumbprint's text.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        decode::<32>(text).ok_or(KeyError::KeyId)?;
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A public key, ready to verify with.
#[derive(Clone)]
pub struct PublicKey {
    bytes: [u8; 32],
    id: KeyId,
    parsed: ParsedPublicKey,
}

impl PublicKey {
    /// Takes the 32 bytes of RFC 8032 section 5.1.5. Points of small order are refused: under such
    /// a key one signature fits many texts. Bytes that are no point of the curve are noticed only
    /// when verifying: nothing verifies under them.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        if has_small_order(bytes) {
            return Err(KeyError::Unusable);
        }
        let parsed = ParsedPublicKey::new(&ED25519, bytes).map_err(|_| KeyError::Unusable)?;
        let x = URL_SAFE_NO_PAD.encode(bytes);
        // RFC 7638 section 3: required members only, sorted, no spaces (RFC 8037 section 2).
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        let id = KeyId(URL_SAFE_NO_PAD.encode(sha256(members.as_bytes())));
        Ok(Self {
            bytes: *bytes,
            id,
            parsed,
        })
    }

    /// Takes the member `x` of a JWK: base64url without padding.
    pub fn from_x(x: &str) -> Result<Self, KeyError> {
        Self::from_bytes(&decode(x).ok_or(KeyError::Encoding)?)
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// The member `x` of a JWK.
    pub fn x(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes)
    }

    /// The RFC 7638 thumbprint.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// Whether this key made the signature over the text.
    pub fn verifies(&self, text: &[u8], signature: &Signature) -> bool {
        self.parsed.verify_sig(text, &signature.0).is_ok()
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKey").field(&self.id.0).finish()
    }
}

/// A key that signs. `Debug` shows its public half alone.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// Makes a key of 32 bytes that nobody else can know: fresh randomness for a new key, the kept
    /// bytes for an old one.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::Signer)?;
        let bytes = pair.public_key().as_ref();
        let bytes = bytes.try_into().map_err(|_| KeyError::Signer)?;
        let public = PublicKey::from_bytes(bytes)?;
        Ok(Self { pair, public })
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// The id that records name this key by.
    pub fn id(&self) -> &KeyId {
        self.public.id()
    }

    /// Signs a text (RFC 8032 section 5.1.6; the same text gives the same signature).
    pub fn sign(&self, text: &[u8]) -> Result<Signature, KeyError> {
        let signature = self.pair.try_sign(text).map_err(|_| KeyError::Signer)?;
        let bytes = signature
            .as_ref()
            .try_into()
            .map_err(|_| KeyError::Signer)?;
        Ok(Signature(bytes))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey")
            .field(&self.public.id.0)
            .finish()
    }
}

/// An Ed25519 signature, written `ed25519:<base64url without padding>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// Takes the text of a record's `signature`. `None` unless it is exactly what
    /// [`Display`](fmt::Display) writes: there is one text for a signature.
    pub fn parse(text: &str) -> Option<Self> {
        decode(text.strip_prefix(SIGNATURE_PREFIX)?).map(Self)
    }

    /// The 64 bytes.
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SIGNATURE_PREFIX)?;
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// base64url (RFC 4648 section 5) without padding, stray bits or spaces, of exactly `N` bytes.
fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// The eight points of small order in every encoding that a decoder might take, signs aside: y is
/// 0, 1, −1, one of the two of order 8, or one of 0 and 1 written as p and p+1.
fn has_small_order(bytes: &[u8; 32]) -> bool {
    const ORDER_8_A: [u8; 32] = [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ];
    const ORDER_8_B: [u8; 32] = [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ];
    let [first, middle @ .., last] = *bytes;
    let last = last & 0x7f;
    let all = |value| middle.iter().all(|&byte| byte == value);
    let near_zero = first <= 1 && all(0) && last == 0;
    let near_p = (0xec..=0xee).contains(&first) && all(0xff) && last == 0x7f;
    let same = |point: &[u8; 32]| {
        let [point_first, point_middle @ .., point_last] = *point;
        first == point_first && middle == point_middle && last == point_last
    };
    near_zero || near_p || same(&ORDER_8_A) || same(&ORDER_8_B)
}
