//! Policy versions.

use relynt_domain::{Label, PolicyVersion};
use relynt_json::{Object, Value};
use relynt_policy::Policy;

use super::{Act, AdminError};
use crate::directory::parse_policy;
use crate::ports::{Change, PolicyRow};
use crate::receipts::{hash_text, sha256};
use crate::{Gateway, Person, PolicyView};

const MAX_NOTE: usize = 1024;

impl Gateway {
    /// Saves a version, whole or not at all. It does not decide before it is activated.
    ///
    /// # Errors
    /// See [`AdminError`]; every fault of every rule is named.
    pub async fn create_policy(
        &self,
        person: &Person,
        rules: &Value,
        note: Option<&str>,
        request_id: &str,
    ) -> Result<PolicyView, AdminError> {
        let now = self.clock.now();
        let note = check_note(note)?;
        let person = &self.person_again(person)?;
        let snapshot = &person.snapshot;
        let policy = Policy::parse(rules, &|id| snapshot.agent(*id).is_some())
            .map_err(AdminError::Invalid)?;
        let canonical = policy.canonical().to_owned();
        let digest = sha256(canonical.as_bytes());
        let mut detail = Object::new();
        detail.insert("digest", hash_text(&digest));
        detail.insert("note", note.clone());
        let row = |version: PolicyVersion| PolicyRow {
            version,
            rules: canonical.clone(),
            note: note.clone(),
            digest,
            created_at: now,
            created_by: person.user(),
            activated_at: None,
        };
        let act = Act {
            name: "policy.create",
            subject: hash_text(&digest),
            detail,
            request_id,
        };
        let saved = std::sync::Mutex::new(snapshot.last_version);
        self.change(person, act, |snapshot| {
            let number = snapshot.last_version.0.checked_add(1);
            let version = PolicyVersion(
                number.ok_or_else(|| AdminError::Conflict("too many versions".to_owned()))?,
            );
            *saved
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner) = version;
            Ok(Change::Policy(row(version)))
        })
        .await?;
        let version = *saved
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(PolicyView {
            row: row(version),
            active: false,
        })
    }

    /// Makes a version the one that decides; an older one is a rollback.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn activate_policy(
        &self,
        person: &Person,
        version: PolicyVersion,
        note: Option<&str>,
        acknowledge: bool,
        request_id: &str,
    ) -> Result<PolicyView, AdminError> {
        let at = self.clock.now();
        let note = check_note(note)?;
        let person = &self.person_again(person)?;
        let organization = person.organization();
        let row = self
            .store
            .find_policy(organization, version)
            .await?
            .ok_or(AdminError::NotFound("policy version"))?;
        let snapshot = &person.snapshot;
        parse_policy(&row, &|id| snapshot.agent(*id).is_some())?;
        let mut detail = Object::new();
        detail.insert("note", note);
        detail.insert("previous", snapshot.active.version.to_string());
        detail.insert("digest", hash_text(&row.digest));
        detail.insert("acknowledge", acknowledge);
        let act = Act {
            name: "policy.activate",
            subject: version.to_string(),
            detail,
            request_id,
        };
        self.change(person, act, |_| Ok(Change::ActivatePolicy { version, at }))
            .await?;
        Ok(PolicyView {
            row: PolicyRow {
                activated_at: Some(at),
                ..row
            },
            active: true,
        })
    }
}

fn check_note(note: Option<&str>) -> Result<Option<String>, AdminError> {
    let Some(note) = note else { return Ok(None) };
    Label::new(note, MAX_NOTE)
        .map(|label| Some(label.as_str().to_owned()))
        .map_err(|why| AdminError::invalid("/note", format!("`note` {why}")))
}
