//! What people configure. Every change is one transaction with its signed record, made only if
//! nothing else changed since it was checked.

mod agents;
mod connectors;
mod organizations;
mod policies;
mod tokens;

use std::sync::Arc;

use relynt_domain::{CredentialKind, CredentialText, Fault, LookupId, RecordId, Role, Scope};
use relynt_json::Object;
use relynt_ledger::AdminRecord;
use zeroize::Zeroizing;

use crate::directory::Snapshot;
use crate::ports::{AdminEntry, Change, ChangeError, EntropyError, Seen, StoreError};
use crate::{AuthError, Gateway, Person};

pub use agents::{AgentDraft, AgentPatch, Rotated, Rotation};
pub use organizations::CreatedOrganization;
pub use tokens::{ShownToken, TokenDraft};

const STALE_TRIES: u32 = 5;

/// A change was not made.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The person may not.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The body is wrong.
    #[error("the body is not as described")]
    Invalid(Vec<Fault>),
    /// There is no such item.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// It contradicts what is there.
    #[error("{0}")]
    Conflict(String),
    /// The store or the signer did not take it. It may have been made all the same: look.
    #[error("{0}")]
    Unavailable(String),
}

impl AdminError {
    fn invalid(pointer: &str, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![Fault::new(pointer, detail)])
    }
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<EntropyError> for AdminError {
    fn from(error: EntropyError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// What is done, in the words of its record.
pub(crate) struct Act<'a> {
    pub(crate) name: &'static str,
    pub(crate) subject: String,
    pub(crate) detail: Object,
    pub(crate) request_id: &'a str,
}

impl Gateway {
    /// Checks and makes one change, again if something else changed first.
    pub(crate) async fn change(
        &self,
        person: &Person,
        act: Act<'_>,
        build: impl Fn(&Arc<Snapshot>) -> Result<Change, AdminError>,
    ) -> Result<Arc<Snapshot>, AdminError> {
        let mut person = self.person_again(person)?;
        for _ in 0..STALE_TRIES {
            person.require(Role::Admin, Scope::Manage)?;
            let snapshot = Arc::clone(&person.snapshot);
            let change = build(&snapshot)?;
            let actor = format!("user:{}", person.user());
            let entry = self.admin_entry(&snapshot, actor, &act)?;
            let organization = snapshot.organization.id;
            let seen = Seen {
                organization,
                change: snapshot.change,
            };
            match self.store.record_change(seen, change, entry).await {
                // Durable; in force for whoever calls from here on.
                Ok(_) => return Ok(self.reload(organization).await?),
                Err(ChangeError::Stale) => {
                    self.reload(organization).await?;
                    person = self.person_again(&person)?;
                }
                Err(ChangeError::Store(error)) => return Err(error.into()),
            }
        }
        Err(AdminError::Unavailable(
            "the organization keeps changing".to_owned(),
        ))
    }

    pub(crate) fn admin_entry(
        &self,
        snapshot: &Snapshot,
        actor: String,
        act: &Act<'_>,
    ) -> Result<AdminEntry, AdminError> {
        let now = self.clock.now();
        let id = RecordId::new(now, self.random()?);
        let record = AdminRecord {
            record_id: id.to_string(),
            created_at: now.to_string(),
            organization_id: snapshot.organization.id.to_string(),
            actor,
            act: act.name.to_owned(),
            subject: Some(act.subject.clone()),
            detail: act.detail.clone(),
            request_id: Some(act.request_id.to_owned()),
        };
        let signed = self
            .signer
            .with(|key| record.sign(key))
            .map_err(|error| AdminError::Unavailable(error.to_string()))?;
        Ok(AdminEntry {
            id,
            created_at: now,
            act: act.name.to_owned(),
            subject: act.subject.clone(),
            bytes: signed.into_bytes(),
        })
    }

    /// A new credential's text and the hash that is stored of it.
    pub(crate) fn new_credential(
        &self,
        kind: CredentialKind,
    ) -> Result<(CredentialText, [u8; 32]), EntropyError> {
        let mut lookup = [0; relynt_domain::LOOKUP_LEN];
        let mut secret = Zeroizing::new([0; relynt_domain::SECRET_LEN]);
        self.entropy.fill(&mut lookup)?;
        self.entropy.fill(secret.as_mut())?;
        let text = CredentialText {
            kind,
            lookup: LookupId(lookup),
            secret,
        };
        let hash = self.credential_key.hash(&text);
        Ok((text, hash))
    }
}
