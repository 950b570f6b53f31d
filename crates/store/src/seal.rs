//! Sealing: AES-256-GCM under a key of its own for each record, bound to the record's place.
//!
//! The master key wraps a key for each organization; that one seals the organization's secrets and
//! wraps a key for each call; that one seals what the call carried. Every sealing takes a fresh
//! 256-bit salt, derives its key from it (HKDF-SHA256, RFC 5869) and uses a random 96-bit nonce
//! (NIST SP 800-38D). Associated data is the record's place, so that nothing can be moved to
//! another row, column or tenant.
//!
//! A call's key is itself fresh and seals a handful of values in all, each once: they are sealed
//! under it directly ([`RecordKey`]), with a random nonce, and not under keys derived from it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use relynt_domain::OrganizationId;
use relynt_gateway::ports::{Entropy, StoreError};
use zeroize::{Zeroize as _, Zeroizing};

/// Under a key derived from a salt in front.
const FORMAT: u8 = 1;
/// Under the key itself.
const FORMAT_DIRECT: u8 = 2;
const SALT_LEN: usize = 32;
const TAG_LEN: usize = 16;
const HEAD_LEN: usize = 1 + SALT_LEN + NONCE_LEN;
const DIRECT_HEAD_LEN: usize = 1 + NONCE_LEN;
const INFO: &[u8] = b"relynt.seal/1";

/// Bytes of every key here.
pub(crate) const KEY_LEN: usize = 32;

/// Why something could not be sealed or unsealed. Says nothing of what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SealError {
    #[error("the system gives no randomness")]
    Entropy,
    #[error("the cipher refused")]
    Cipher,
    #[error("not what was sealed at this place with this key")]
    Refused,
}

impl From<SealError> for StoreError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Entropy | SealError::Cipher => Self::Database(error.to_string()),
            SealError::Refused => Self::Corrupt(error.to_string()),
        }
    }
}

/// Where a sealed value stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) table: &'static str,
    /// None for what belongs to the installation.
    pub(crate) organization: Option<OrganizationId>,
    pub(crate) row: &'a [u8],
    pub(crate) field: &'static str,
}

impl Place<'_> {
    /// Each part behind its length: no two places read the same.
    fn associated_data(&self) -> Vec<u8> {
        let organization: &[u8] = match &self.organization {
            Some(id) => id.as_bytes(),
            None => &[],
        };
        let parts = [
            self.table.as_bytes(),
            organization,
            self.row,
            self.field.as_bytes(),
        ];
        let mut out = Vec::with_capacity(16 + parts.iter().map(|part| part.len()).sum::<usize>());
        for part in parts {
            // No part comes near 4 GiB; one that did would only fail to unseal.
            let len = u32::try_from(part.len()).unwrap_or(u32::MAX);
            out.extend_from_slice(&len.to_be_bytes());
            out.extend_from_slice(part);
        }
        out
    }
}

/// A 256-bit key that seals or wraps, cleared when dropped. `Debug` shows nothing of it.
pub(crate) struct Key(Zeroizing<[u8; KEY_LEN]>);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let _ = &self.0;
        f.write_str("Key")
    }
}

impl Key {
    pub(crate) const fn new(bytes: Zeroizing<[u8; KEY_LEN]>) -> Self {
        Self(bytes)
    }

    /// A new one.
    pub(crate) fn random(entropy: &dyn Entropy) -> Result<Self, SealError> {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        entropy
            .fill(bytes.as_mut())
            .map_err(|_| SealError::Entropy)?;
        Ok(Self(bytes))
    }

    /// Seals a value for its place.
    pub(crate) fn seal(
        &self,
        entropy: &dyn Entropy,
        place: &Place<'_>,
        plain: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let mut head = [0; HEAD_LEN];
        entropy.fill(&mut head).map_err(|_| SealError::Entropy)?;
        self.seal_with(head, place, plain)
    }

    /// `head`: random bytes that were used for nothing else.
    fn seal_with(
        &self,
        mut head: [u8; HEAD_LEN],
        place: &Place<'_>,
        plain: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let [format, ..] = &mut head;
        *format = FORMAT;
        let [_, random @ ..] = &head;
        let (salt, nonce) = random.split_at(SALT_LEN);
        let key = self.derive(salt)?;
        sealed(&key, &head, nonce, place, plain)
    }

    /// The value that was sealed for this place.
    pub(crate) fn unseal(
        &self,
        place: &Place<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (head, text) = sealed
            .split_at_checked(HEAD_LEN)
            .ok_or(SealError::Refused)?;
        let (&format, random) = head.split_first().ok_or(SealError::Refused)?;
        if format != FORMAT {
            return Err(SealError::Refused);
        }
        let (salt, nonce) = random.split_at(SALT_LEN);
        unsealed(&self.derive(salt)?, nonce, place, text)
    }

    /// A new key, and its sealed form.
    pub(crate) fn wrap_random(
        &self,
        entropy: &dyn Entropy,
        place: &Place<'_>,
    ) -> Result<(Self, Vec<u8>), SealError> {
        // One question for both: each costs as much as the rest of it.
        let mut random = Zeroizing::new([0; KEY_LEN + HEAD_LEN]);
        entropy
            .fill(random.as_mut())
            .map_err(|_| SealError::Entropy)?;
        let (bytes, head) = random
            .split_first_chunk::<KEY_LEN>()
            .ok_or(SealError::Entropy)?;
        let head = head.first_chunk().ok_or(SealError::Entropy)?;
        let wrapped = self.seal_with(*head, place, bytes)?;
        Ok((Self(Zeroizing::new(*bytes)), wrapped))
    }

    /// Seals another key.
    pub(crate) fn wrap(
        &self,
        entropy: &dyn Entropy,
        place: &Place<'_>,
        key: &Self,
    ) -> Result<Vec<u8>, SealError> {
        self.seal(entropy, place, key.0.as_slice())
    }

    /// Unseals another key.
    pub(crate) fn unwrap_key(&self, place: &Place<'_>, wrapped: &[u8]) -> Result<Self, SealError> {
        let plain = self.unseal(place, wrapped)?;
        let bytes: [u8; KEY_LEN] = plain
            .as_slice()
            .try_into()
            .map_err(|_| SealError::Refused)?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    fn derive(&self, salt: &[u8]) -> Result<LessSafeKey, SealError> {
        let prk = Salt::new(HKDF_SHA256, salt).extract(self.0.as_slice());
        let mut bytes = [0; KEY_LEN];
        let filled = prk
            .expand(&[INFO], HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut bytes));
        let key = filled.and_then(|()| UnboundKey::new(&AES_256_GCM, &bytes));
        bytes.zeroize();
        Ok(LessSafeKey::new(key.map_err(|_| SealError::Cipher)?))
    }
}

/// A key that is fresh for one record and seals its few values directly, each once.
pub(crate) struct RecordKey {
    key: Key,
    cipher: LessSafeKey,
}

impl std::fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let _ = &self.cipher;
        f.write_str("RecordKey")
    }
}

impl RecordKey {
    pub(crate) fn new(key: Key) -> Result<Self, SealError> {
        let unbound = UnboundKey::new(&AES_256_GCM, key.0.as_slice());
        let cipher = LessSafeKey::new(unbound.map_err(|_| SealError::Cipher)?);
        Ok(Self { key, cipher })
    }

    /// Seals a value for its place.
    pub(crate) fn seal(
        &self,
        entropy: &dyn Entropy,
        place: &Place<'_>,
        plain: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        let mut head = [0; DIRECT_HEAD_LEN];
        entropy.fill(&mut head).map_err(|_| SealError::Entropy)?;
        let [format, ..] = &mut head;
        *format = FORMAT_DIRECT;
        let [_, nonce @ ..] = &head;
        sealed(&self.cipher, &head, nonce, place, plain)
    }

    /// The value that was sealed for this place, in this way or under a derived key.
    pub(crate) fn unseal(
        &self,
        place: &Place<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        if sealed.first() != Some(&FORMAT_DIRECT) {
            return self.key.unseal(place, sealed);
        }
        let (head, text) = sealed
            .split_at_checked(DIRECT_HEAD_LEN)
            .ok_or(SealError::Refused)?;
        let nonce = head.get(1..).ok_or(SealError::Refused)?;
        unsealed(&self.cipher, nonce, place, text)
    }
}

/// Head, sealed text and tag.
fn sealed(
    key: &LessSafeKey,
    head: &[u8],
    nonce: &[u8],
    place: &Place<'_>,
    plain: &[u8],
) -> Result<Vec<u8>, SealError> {
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Cipher)?;
    let mut out = Vec::with_capacity(head.len() + plain.len() + TAG_LEN);
    out.extend_from_slice(head);
    out.extend_from_slice(plain);
    let aad = Aad::from(place.associated_data());
    let text = out.get_mut(head.len()..).ok_or(SealError::Cipher)?;
    let tag = key
        .seal_in_place_separate_tag(nonce, aad, text)
        .map_err(|_| SealError::Cipher)?;
    out.extend_from_slice(tag.as_ref());
    Ok(out)
}

fn unsealed(
    key: &LessSafeKey,
    nonce: &[u8],
    place: &Place<'_>,
    text: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Refused)?;
    let mut text = Zeroizing::new(text.to_vec());
    let aad = Aad::from(place.associated_data());
    let len = key
        .open_in_place(nonce, aad, &mut text)
        .map_err(|_| SealError::Refused)?
        .len();
    text.truncate(len);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use relynt_testkit::SeededEntropy;

    fn place(row: &[u8]) -> Place<'_> {
        Place {
            table: "requests",
            organization: Some(OrganizationId::from_bytes([1; 16])),
            row,
            field: "body",
        }
    }

    #[test]
    fn what_is_sealed_is_unsealed_only_at_its_place_and_with_its_key() {
        let entropy = SeededEntropy::new(1);
        let key = Key::random(&entropy).unwrap();
        let sealed = key.seal(&entropy, &place(b"row"), b"hello").unwrap();
        assert_eq!(
            key.unseal(&place(b"row"), &sealed).unwrap().as_slice(),
            b"hello"
        );

        let other_key = Key::random(&entropy).unwrap();
        assert_eq!(
            other_key.unseal(&place(b"row"), &sealed).unwrap_err(),
            SealError::Refused
        );
        let places = [
            place(b"rox"),
            Place {
                table: "calls",
                ..place(b"row")
            },
            Place {
                field: "answer",
                ..place(b"row")
            },
            Place {
                organization: None,
                ..place(b"row")
            },
            Place {
                organization: Some(OrganizationId::from_bytes([2; 16])),
                ..place(b"row")
            },
        ];
        for wrong in places {
            assert_eq!(
                key.unseal(&wrong, &sealed).unwrap_err(),
                SealError::Refused,
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_noticed() {
        let entropy = SeededEntropy::new(2);
        let key = Key::random(&entropy).unwrap();
        let sealed = key.seal(&entropy, &place(b"row"), b"hello").unwrap();
        for at in 0..sealed.len() {
            let mut wrong = sealed.clone();
            wrong[at] ^= 1;
            assert!(key.unseal(&place(b"row"), &wrong).is_err(), "{at}");
            assert!(key.unseal(&place(b"row"), &sealed[..at]).is_err(), "{at}");
        }
    }

    #[test]
    fn the_same_value_is_never_sealed_the_same_way_twice() {
        let entropy = SeededEntropy::new(3);
        let key = Key::random(&entropy).unwrap();
        let one = key.seal(&entropy, &place(b"row"), b"hello").unwrap();
        let two = key.seal(&entropy, &place(b"row"), b"hello").unwrap();
        assert_ne!(one[..HEAD_LEN], two[..HEAD_LEN]);
        assert_ne!(one[HEAD_LEN..], two[HEAD_LEN..]);
    }

    #[test]
    fn parts_of_a_place_do_not_run_into_each_other() {
        let one = Place {
            table: "ab",
            organization: None,
            row: b"c",
            field: "d",
        };
        let two = Place {
            table: "a",
            organization: None,
            row: b"bc",
            field: "d",
        };
        assert_ne!(one.associated_data(), two.associated_data());
    }
}
