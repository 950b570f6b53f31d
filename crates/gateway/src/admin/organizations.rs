//! Organizations, made by whoever operates the server.

use relynt_domain::{
    ChangeNumber, CredentialKind, Label, Member, OrganizationId, PolicyVersion, RecordId, Role,
    Scopes, Timestamp, Token, TokenId, UserId,
};
use relynt_json::Object;
use relynt_ledger::AdminRecord;
use zeroize::Zeroizing;

use super::{Act, AdminError};
use crate::Gateway;
use crate::ports::{
    AdminEntry, Change, ChangeError, NewOrganization, OrganizationRow, PolicyRow, Seen,
};
use crate::receipts::sha256;

/// A new organization, with the text of its Owner's token, which is here and nowhere else.
pub struct CreatedOrganization {
    /// Its id.
    pub organization: OrganizationId,
    /// Its Owner.
    pub owner: UserId,
    /// The Owner's access token, to be shown once.
    pub access_token: Zeroizing<String>,
}

impl Gateway {
    /// Creates an organization with its Owner, a token of theirs with every scope, and `v1`, which
    /// denies everything.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn create_organization(
        &self,
        name: &str,
        owner_email: &str,
    ) -> Result<CreatedOrganization, AdminError> {
        let name = Label::new(name, 128)
            .map_err(|why| AdminError::invalid("/name", format!("the name {why}")))?;
        let email = check_email(owner_email)?;
        let now = self.clock.now();
        let organization = OrganizationId::new(now, self.random()?);
        let owner = UserId::new(now, self.random()?);
        let (text, token) = self.owner_token(owner, "created with the organization", now)?;
        let rules = relynt_policy::default_policy_rules().to_canonical();
        let digest = sha256(rules.as_bytes());
        let row = OrganizationRow {
            id: organization,
            name: name.as_str().to_owned(),
            created_at: now,
        };
        let mut detail = Object::new();
        detail.insert("name", name.as_str());
        detail.insert("owner_email", email.as_str());
        let id = RecordId::new(now, self.random()?);
        let record = AdminRecord {
            record_id: id.to_string(),
            created_at: now.to_string(),
            organization_id: organization.to_string(),
            actor: "system".to_owned(),
            act: "organization.create".to_owned(),
            subject: Some(organization.to_string()),
            detail,
            request_id: None,
        };
        let signed = self
            .signer
            .with(|key| record.sign(key))
            .map_err(|error| AdminError::Unavailable(error.to_string()))?;
        let new = NewOrganization {
            organization: row,
            owner,
            owner_email: email,
            member: Member {
                user: owner,
                role: Role::Owner,
                created_at: now,
            },
            token,
            policy: PolicyRow {
                version: PolicyVersion(1),
                rules,
                note: Some("denies everything".to_owned()),
                digest,
                created_at: now,
                created_by: owner,
                activated_at: Some(now),
            },
            entry: AdminEntry {
                id,
                created_at: now,
                act: "organization.create".to_owned(),
                subject: organization.to_string(),
                bytes: signed.into_bytes(),
            },
        };
        match self.store.record_organization(new).await {
            Ok(owner) => {
                self.reload(organization).await?;
                Ok(CreatedOrganization {
                    organization,
                    owner,
                    access_token: text,
                })
            }
            Err(ChangeError::Stale) => Err(AdminError::Conflict(
                "the organization exists already".to_owned(),
            )),
            Err(ChangeError::Store(error)) => Err(error.into()),
        }
    }

    /// Every organization.
    pub fn organizations(&self) -> Vec<OrganizationRow> {
        let mut all: Vec<_> = self
            .directory
            .organizations()
            .iter()
            .map(|s| s.organization.clone())
            .collect();
        all.sort_by_key(|row| row.id);
        all
    }

    /// A fresh token for an Owner of the organization, for whoever operates the server and has its
    /// master key.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn issue_owner_token(
        &self,
        organization: OrganizationId,
        name: &str,
    ) -> Result<Zeroizing<String>, AdminError> {
        for _ in 0..super::STALE_TRIES {
            let snapshot = self
                .directory
                .snapshot(organization)
                .ok_or(AdminError::NotFound("organization"))?;
            let owner = snapshot
                .members()
                .filter(|member| member.role == Role::Owner)
                .min_by_key(|member| member.user)
                .ok_or(AdminError::NotFound("owner"))?
                .user;
            let (text, token) = self.owner_token(owner, name, self.clock.now())?;
            let act = Act {
                name: "token.create",
                subject: token.id.to_string(),
                detail: super::tokens::detail(&token),
                request_id: "",
            };
            let entry = self.admin_entry(&snapshot, "system".to_owned(), &act)?;
            let seen = Seen {
                organization,
                change: snapshot.change,
            };
            let recorded = self
                .store
                .record_change(seen, Change::Token(token), entry)
                .await;
            match recorded {
                Ok(ChangeNumber(_)) => {
                    self.reload(organization).await?;
                    return Ok(text);
                }
                Err(ChangeError::Stale) => {
                    self.reload(organization).await?;
                }
                Err(ChangeError::Store(error)) => return Err(error.into()),
            }
        }
        Err(AdminError::Unavailable(
            "the organization keeps changing".to_owned(),
        ))
    }

    fn owner_token(
        &self,
        owner: UserId,
        name: &str,
        now: Timestamp,
    ) -> Result<(Zeroizing<String>, Token), AdminError> {
        let (text, secret_hash) = self.new_credential(CredentialKind::Person)?;
        let name = Label::new(name, 128)
            .map_err(|why| AdminError::invalid("/name", format!("the token's name {why}")))?;
        let token = Token {
            id: TokenId::new(now, self.random()?),
            user: owner,
            name,
            role: Role::Owner,
            scopes: Scopes::all(),
            lookup: text.lookup,
            secret_hash,
            created_at: now,
            last_used_at: None,
            expires_at: None,
            revoked_at: None,
        };
        Ok((text.expose(), token))
    }
}

/// A shape check only: whether a mail arrives, only a mail can tell.
fn check_email(text: &str) -> Result<String, AdminError> {
    let text = text.trim();
    let wrong =
        || AdminError::invalid("/owner", "give an e-mail address such as `ada@example.com`");
    let (local, host) = text.rsplit_once('@').ok_or_else(wrong)?;
    let fine = text.len() <= 254
        && !local.is_empty()
        && host.contains('.')
        && !host.starts_with('.')
        && !host.ends_with('.')
        && text.chars().all(|c| !c.is_whitespace() && !c.is_control());
    if fine {
        Ok(text.to_owned())
    } else {
        Err(wrong())
    }
}
