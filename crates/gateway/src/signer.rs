//! The key that signs receipts, and the public keys that verify them.

use arc_swap::ArcSwap;
use relynt_domain::Timestamp;
use relynt_ledger::{KeySet, PublishedKey, SigningKey, Trust};
use std::sync::Arc;
use zeroize::Zeroizing;

use crate::ports::{Entropy, Store, StoredSigningKey};
use crate::{Gateway, OpenError};

/// The public keys, present and past.
pub type PublishedKeys = KeySet;

struct Keys {
    current: Arc<SigningKey>,
    published: Arc<KeySet>,
}

/// Signs with the newest key and knows them all.
pub(crate) struct Signer(ArcSwap<Keys>);

impl Signer {
    /// Reads the keys; makes the first one if there is none.
    pub(crate) async fn open(
        store: &dyn Store,
        entropy: &dyn Entropy,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        let mut stored = store.list_signing_keys().await?;
        if stored.is_empty() {
            let mut seed = Zeroizing::new([0; 32]);
            entropy.fill(seed.as_mut())?;
            let key = StoredSigningKey {
                seed,
                not_before: now,
                not_after: None,
            };
            store.record_signing_key(key.clone()).await?;
            stored.push(key);
        }
        let mut published = KeySet::new();
        let mut current = None;
        for key in &stored {
            let signing = SigningKey::from_seed(&key.seed).map_err(|_| OpenError::Key)?;
            let public = PublishedKey {
                key: signing.public_key().clone(),
                not_before: Some(key.not_before.to_string()),
                not_after: key.not_after.map(|at| at.to_string()),
            };
            published.insert(public, Trust::Named);
            if key.not_after.is_none() {
                current = Some(Arc::new(signing));
            }
        }
        let current = current.ok_or(OpenError::Key)?;
        Ok(Self(ArcSwap::from_pointee(Keys {
            current,
            published: Arc::new(published),
        })))
    }

    /// Does something with the present key.
    pub(crate) fn with<T>(&self, use_key: impl FnOnce(&SigningKey) -> T) -> T {
        use_key(&self.0.load().current)
    }

    /// The present key, for signing later.
    pub(crate) fn key(&self) -> Arc<SigningKey> {
        Arc::clone(&self.0.load().current)
    }

    pub(crate) fn published(&self) -> Arc<KeySet> {
        Arc::clone(&self.0.load().published)
    }

    /// Signs something of no meaning, and verifies it as a stranger would: with the published key.
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let keys = self.0.load();
        let text = b"relynt readiness";
        let signature = keys.current.sign(text).map_err(|_| OpenError::Key)?;
        let (published, _) = keys
            .published
            .get(keys.current.id())
            .ok_or(OpenError::Key)?;
        if published.key.verifies(text, &signature) {
            Ok(())
        } else {
            Err(OpenError::Key)
        }
    }
}

impl Gateway {
    /// The public keys that receipts are verified with.
    pub fn published_keys(&self) -> Arc<PublishedKeys> {
        self.signer.published()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(published: KeySet) -> Signer {
        let current = Arc::new(SigningKey::from_seed(&[1; 32]).unwrap());
        Signer(ArcSwap::from_pointee(Keys {
            current,
            published: Arc::new(published),
        }))
    }

    #[test]
    fn a_signer_whose_key_nobody_can_look_up_is_not_ready() {
        let mut published = KeySet::new();
        assert!(signer(published.clone()).check().is_err());
        let other = SigningKey::from_seed(&[2; 32]).unwrap();
        published.insert(other.public_key().clone().into(), Trust::Named);
        assert!(signer(published.clone()).check().is_err());
        let own = SigningKey::from_seed(&[1; 32]).unwrap();
        published.insert(own.public_key().clone().into(), Trust::Named);
        assert!(signer(published).check().is_ok());
    }
}
