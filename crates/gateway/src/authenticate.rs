//! Who calls: credentials of agents, access tokens of people.

use std::sync::Arc;

use aws_lc_rs::{constant_time, hkdf, hmac};
use relynt_domain::{
    AgentId, AgentStatus, CredentialId, CredentialKind, CredentialText, LookupId, OrganizationId,
    Role, Scope, Scopes, Timestamp, UserId,
};
use zeroize::Zeroizing;

use crate::directory::Snapshot;
use crate::{Gateway, OpenError};

/// Why a caller is not let in. The text says no more than the holder of the credential may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// There is no `Authorization: Bearer …`.
    #[error("send `Authorization: Bearer <credential>`")]
    Missing,
    /// The text is not a credential of this kind.
    #[error("the credential is malformed or mistyped")]
    Malformed,
    /// Nobody has it, or the secret part is wrong.
    #[error("the credential is not known")]
    Unknown,
    /// It was revoked.
    #[error("the credential was revoked")]
    Revoked,
    /// Its time is up.
    #[error("the credential has expired")]
    Expired,
    /// Its agent is disabled.
    #[error("the agent is disabled")]
    Disabled,
    /// It does not reach that far.
    #[error("this needs the role `{0}` or above")]
    RoleTooLow(Role),
    /// The token lacks the scope.
    #[error("the access token lacks the scope `{0}`")]
    ScopeMissing(Scope),
    /// What is known of the organization is out of date and cannot be read.
    #[error("the organization cannot be read right now")]
    Unavailable,
}

/// The key under which the secret parts of credentials are hashed.
pub struct CredentialKey(Zeroizing<[u8; 32]>);

struct Len32;

impl hkdf::KeyType for Len32 {
    fn len(&self) -> usize {
        32
    }
}

impl CredentialKey {
    /// Derives the key from the master key (HKDF-SHA256, RFC 5869).
    ///
    /// # Errors
    /// The library refuses; no credential is checked under a key that was not derived.
    pub fn derive(master_key: &[u8; 32]) -> Result<Self, OpenError> {
        let mut key = Zeroizing::new([0; 32]);
        hkdf::Salt::new(hkdf::HKDF_SHA256, b"relynt credential hash v1")
            .extract(master_key)
            .expand(&[b"hmac-sha256"], Len32)
            .and_then(|okm| okm.fill(key.as_mut()))
            .map_err(|_| OpenError::Key)?;
        Ok(Self(key))
    }

    /// What is stored of a credential: HMAC-SHA256 over kind, lookup id and secret.
    pub fn hash(&self, text: &CredentialText) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_slice());
        let mut context = hmac::Context::with_key(&key);
        context.update(match text.kind {
            CredentialKind::Agent => b"agent\0",
            CredentialKind::Person => b"human\0",
        });
        context.update(&text.lookup.0);
        context.update(text.secret.as_slice());
        let mut out = [0; 32];
        for (to, from) in out.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        out
    }
}

/// An agent that proved who it is, and the rules that were in force when it did.
#[derive(Clone)]
pub struct Caller {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) agent: AgentId,
    pub(crate) credential: CredentialId,
    pub(crate) lookup: LookupId,
}

impl Caller {
    /// Its organization.
    pub fn organization(&self) -> OrganizationId {
        self.snapshot.organization.id
    }

    /// Its id.
    pub fn agent(&self) -> AgentId {
        self.agent
    }
}

/// A person who proved who they are.
#[derive(Clone)]
pub struct Person {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) user: UserId,
    pub(crate) lookup: LookupId,
    pub(crate) role: Role,
    pub(crate) scopes: Scopes,
}

impl Person {
    /// The organization they act in.
    pub fn organization(&self) -> OrganizationId {
        self.snapshot.organization.id
    }

    /// Who they are.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// Refuses what the role or the scopes do not reach.
    ///
    /// # Errors
    /// The role is too low or the scope is missing.
    pub fn require(&self, role: Role, scope: Scope) -> Result<(), AuthError> {
        if self.role < role {
            return Err(AuthError::RoleTooLow(role));
        }
        if !self.scopes.has(scope) {
            return Err(AuthError::ScopeMissing(scope));
        }
        Ok(())
    }
}

/// Either of them, for what both may read.
#[derive(Clone)]
pub enum Principal {
    /// An agent.
    Agent(Caller),
    /// A person.
    Person(Person),
}

impl Principal {
    /// The organization they belong to.
    pub fn organization(&self) -> OrganizationId {
        match self {
            Self::Agent(caller) => caller.organization(),
            Self::Person(person) => person.organization(),
        }
    }
}

impl Gateway {
    /// Authenticates an agent by the text behind `Bearer `: a credential, or
    /// `<agent_id>:<credential>`.
    ///
    /// # Errors
    /// The same amount of work is done for an unknown lookup id as for a wrong secret.
    pub fn authenticate_agent(&self, bearer: &str) -> Result<Caller, AuthError> {
        let (claimed, text) = match bearer.split_once(':') {
            Some((id, text)) => (
                Some(id.parse::<AgentId>().map_err(|_| AuthError::Malformed)?),
                text,
            ),
            None => (None, bearer),
        };
        let text = CredentialText::parse(text).map_err(|_| AuthError::Malformed)?;
        if text.kind != CredentialKind::Agent {
            return Err(AuthError::Malformed);
        }
        let caller = self.find_caller(&text)?;
        if claimed.is_some_and(|id| id != caller.agent) {
            return Err(AuthError::Unknown);
        }
        Ok(caller)
    }

    fn find_caller(&self, text: &CredentialText) -> Result<Caller, AuthError> {
        let hash = self.credential_key.hash(text);
        let found = self.directory.find(&text.lookup).and_then(|snapshot| {
            let entry = Arc::clone(snapshot.credential(&text.lookup)?);
            Some((snapshot, entry))
        });
        let Some((snapshot, entry)) = found else {
            // The same comparison as for a known one.
            let _ = constant_time::verify_slices_are_equal(&hash, &[0; 32]);
            return Err(AuthError::Unknown);
        };
        constant_time::verify_slices_are_equal(&hash, &entry.credential.secret_hash)
            .map_err(|_| AuthError::Unknown)?;
        if self.directory.is_dirty(snapshot.organization.id) {
            return Err(AuthError::Unavailable);
        }
        let now = self.clock.now();
        check_credential(&snapshot, &entry.credential, now)?;
        entry.used.touch(now);
        Ok(Caller {
            agent: entry.credential.agent,
            credential: entry.credential.id,
            lookup: text.lookup,
            snapshot,
        })
    }

    /// Authenticates a person by the access token behind `Bearer `.
    ///
    /// # Errors
    /// As [`Gateway::authenticate_agent`].
    pub fn authenticate_person(&self, bearer: &str) -> Result<Person, AuthError> {
        let text = CredentialText::parse(bearer).map_err(|_| AuthError::Malformed)?;
        if text.kind != CredentialKind::Person {
            return Err(AuthError::Malformed);
        }
        let hash = self.credential_key.hash(&text);
        let found = self.directory.find(&text.lookup).and_then(|snapshot| {
            let entry = Arc::clone(snapshot.token(&text.lookup)?);
            Some((snapshot, entry))
        });
        let Some((snapshot, entry)) = found else {
            let _ = constant_time::verify_slices_are_equal(&hash, &[0; 32]);
            return Err(AuthError::Unknown);
        };
        constant_time::verify_slices_are_equal(&hash, &entry.token.secret_hash)
            .map_err(|_| AuthError::Unknown)?;
        if self.directory.is_dirty(snapshot.organization.id) {
            return Err(AuthError::Unavailable);
        }
        let now = self.clock.now();
        let person = person_of(&snapshot, &text.lookup, now)?;
        entry.used.touch(now);
        Ok(person)
    }

    /// Authenticates whoever it is.
    ///
    /// # Errors
    /// As [`Gateway::authenticate_agent`].
    pub fn authenticate(&self, bearer: &str) -> Result<Principal, AuthError> {
        if bearer.starts_with("rlp_") {
            self.authenticate_person(bearer).map(Principal::Person)
        } else {
            self.authenticate_agent(bearer).map(Principal::Agent)
        }
    }

    /// The same caller under the rules that are in force now.
    pub(crate) fn again(&self, caller: &Caller) -> Result<Caller, AuthError> {
        let snapshot = self
            .directory
            .snapshot(caller.organization())
            .ok_or(AuthError::Unknown)?;
        let entry = snapshot
            .credential(&caller.lookup)
            .ok_or(AuthError::Unknown)?;
        check_credential(&snapshot, &entry.credential, self.clock.now())?;
        Ok(Caller {
            snapshot,
            ..caller.clone()
        })
    }

    /// The same person under the rules that are in force now.
    pub(crate) fn person_again(&self, person: &Person) -> Result<Person, AuthError> {
        let snapshot = self
            .directory
            .snapshot(person.organization())
            .ok_or(AuthError::Unknown)?;
        person_of(&snapshot, &person.lookup, self.clock.now())
    }
}

fn check_credential(
    snapshot: &Snapshot,
    credential: &relynt_domain::Credential,
    now: Timestamp,
) -> Result<(), AuthError> {
    if credential.revoked_at.is_some_and(|at| now >= at) {
        return Err(AuthError::Revoked);
    }
    if credential.expires_at.is_some_and(|at| now >= at) {
        return Err(AuthError::Expired);
    }
    match snapshot
        .agent(credential.agent)
        .map(|entry| entry.agent.status)
    {
        Some(AgentStatus::Active) => Ok(()),
        Some(AgentStatus::Disabled) => Err(AuthError::Disabled),
        None => Err(AuthError::Unknown),
    }
}

fn person_of(
    snapshot: &Arc<Snapshot>,
    lookup: &LookupId,
    now: Timestamp,
) -> Result<Person, AuthError> {
    let token = &snapshot.token(lookup).ok_or(AuthError::Unknown)?.token;
    if token.revoked_at.is_some_and(|at| now >= at) {
        return Err(AuthError::Revoked);
    }
    if token.expires_at.is_some_and(|at| now >= at) {
        return Err(AuthError::Expired);
    }
    // A token ends with its owner's membership.
    let member = snapshot.member(token.user).ok_or(AuthError::Revoked)?;
    Ok(Person {
        snapshot: Arc::clone(snapshot),
        user: token.user,
        lookup: *lookup,
        role: token.role.min(member.role),
        scopes: token.scopes,
    })
}
