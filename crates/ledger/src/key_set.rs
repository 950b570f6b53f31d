//! The public keys that somebody verifies with, and why they are trusted.

use std::collections::{BTreeMap, BTreeSet};

use relynt_json::{Object, ParseError, Value, parse};

use crate::key::{KeyError, KeyId, PublicKey};

/// Who vouches for a key. A signature proves only that its key signed; that the key is Relynt's
/// has to come from somewhere else than the file that is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// The file that is being verified brought it, nobody else.
    FromFile,
    /// The user named it.
    Named,
}

/// A public key as it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedKey {
    /// The key.
    pub key: PublicKey,
    /// Since when it signs (RFC 3339); for people, not checked: keys are valid for positions of
    /// the log, not for times.
    pub not_before: Option<String>,
    /// Until when it signed; as `not_before`.
    pub not_after: Option<String>,
}

impl From<PublicKey> for PublishedKey {
    fn from(key: PublicKey) -> Self {
        Self {
            key,
            not_before: None,
            not_after: None,
        }
    }
}

/// A key set that cannot be used. Names places, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Not JSON.
    #[error("not JSON")]
    Json(#[source] ParseError),
    /// Not an object with a list `keys` (RFC 7517 section 5).
    #[error("not a JWK set")]
    NotAKeySet,
    /// A member is missing or of another type.
    #[error("key {0} of the set: the member `{1}` is not as it should be")]
    Member(usize, &'static str),
    /// The key itself is not usable.
    #[error("key {0} of the set cannot be used")]
    Key(usize, #[source] KeyError),
    /// `kid` is not the thumbprint of the key.
    #[error("key {0} of the set: `kid` is not the key's thumbprint (RFC 7638)")]
    KeyId(usize),
    /// A private key stands where only public ones belong.
    #[error("key {0} of the set is a private key")]
    Private(usize),
}

/// Public keys by id, each with who vouches for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeySet {
    keys: BTreeMap<KeyId, (PublishedKey, Trust)>,
    named: BTreeSet<KeyId>,
}

impl KeySet {
    /// A set without keys: nothing verifies with it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key. A key that is there stays as trusted as it was, at least.
    pub fn insert(&mut self, key: PublishedKey, trust: Trust) {
        let id = key.key.id().clone();
        let known = self.trust(&id).unwrap_or(Trust::FromFile);
        let trust = if self.named.contains(&id) {
            Trust::Named
        } else {
            trust.max(known)
        };
        self.keys.insert(id, (key, trust));
    }

    /// Names a key by its id alone: wherever the key itself comes from, it is then
    /// [`Trust::Named`], because its id is the hash of it.
    pub fn name(&mut self, id: KeyId) {
        if let Some((_, trust)) = self.keys.get_mut(&id) {
            *trust = Trust::Named;
        }
        self.named.insert(id);
    }

    /// Adds the keys of a JWK set as `/.well-known/relynt-keys.json` serves it; how many there
    /// were. Keys of other types and unknown members are passed over (RFC 7517 section 5).
    ///
    /// # Errors
    /// Any Ed25519 key in it that is not as it should be; nothing is added then.
    pub fn add_jwks(&mut self, bytes: &[u8], trust: Trust) -> Result<usize, KeySetError> {
        self.add_jwks_value(&parse(bytes).map_err(KeySetError::Json)?, trust)
    }

    pub(crate) fn add_jwks_value(
        &mut self,
        set: &Value,
        trust: Trust,
    ) -> Result<usize, KeySetError> {
        let keys = set.get("keys").and_then(Value::as_array);
        let mut found = Vec::new();
        for (position, jwk) in keys.ok_or(KeySetError::NotAKeySet)?.iter().enumerate() {
            let jwk = jwk.as_object().ok_or(KeySetError::NotAKeySet)?;
            found.extend(from_jwk(position, jwk)?);
        }
        let count = found.len();
        for key in found {
            self.insert(key, trust);
        }
        Ok(count)
    }

    /// A key and who vouches for it.
    pub fn get(&self, id: &KeyId) -> Option<(&PublishedKey, Trust)> {
        self.keys.get(id).map(|(key, trust)| (key, *trust))
    }

    /// Every key, by id.
    pub fn iter(&self) -> impl Iterator<Item = (&PublishedKey, Trust)> {
        self.keys.values().map(|(key, trust)| (key, *trust))
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The JWK set as it is published, keys ordered by id. Canonical, it is the first line of an
    /// export.
    pub fn to_value(&self) -> Value {
        let keys: Vec<Value> = self.keys.values().map(|(key, _)| to_jwk(key)).collect();
        let set: Object = [("keys", keys)].into_iter().collect();
        set.into()
    }

    fn trust(&self, id: &KeyId) -> Option<Trust> {
        self.keys.get(id).map(|(_, trust)| *trust)
    }
}

/// RFC 8037 section 2.
fn to_jwk(published: &PublishedKey) -> Value {
    let jwk: Object = [
        ("kty", Value::from("OKP")),
        ("crv", "Ed25519".into()),
        ("x", published.key.x().into()),
        ("kid", published.key.id().as_str().into()),
        ("alg", "EdDSA".into()),
        ("use", "sig".into()),
        ("not_before", published.not_before.as_deref().into()),
        ("not_after", published.not_after.as_deref().into()),
    ]
    .into_iter()
    .collect();
    jwk.into()
}

/// `None` for a key of another type.
fn from_jwk(position: usize, jwk: &Object) -> Result<Option<PublishedKey>, KeySetError> {
    let text = |member: &'static str| match jwk.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(KeySetError::Member(position, member)),
    };
    let required = |member| text(member)?.ok_or(KeySetError::Member(position, member));
    if required("kty")? != "OKP" || required("crv")? != "Ed25519" {
        return Ok(None);
    }
    if jwk.contains_key("d") {
        return Err(KeySetError::Private(position));
    }
    for (member, expected) in [("alg", "EdDSA"), ("use", "sig")] {
        if text(member)?.is_some_and(|given| given != expected) {
            return Err(KeySetError::Member(position, member));
        }
    }
    let key =
        PublicKey::from_x(required("x")?).map_err(|error| KeySetError::Key(position, error))?;
    if required("kid")? != key.id().as_str() {
        return Err(KeySetError::KeyId(position));
    }
    Ok(Some(PublishedKey {
        key,
        not_before: text("not_before")?.map(str::to_owned),
        not_after: text("not_after")?.map(str::to_owned),
    }))
}
