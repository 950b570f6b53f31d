//! Personal access tokens.

use relynt_domain::{CredentialKind, Label, Role, Scope, Scopes, Timestamp, Token, TokenId};
use relynt_json::Object;
use zeroize::Zeroizing;

use super::{Act, AdminError};
use crate::directory::Snapshot;
use crate::ports::{Change, ChangeError, Seen};
use crate::{AuthError, Gateway, Person, TokenView};

/// A new token.
#[derive(Debug, Clone)]
pub struct TokenDraft {
    /// For people.
    pub name: String,
    /// The most it may be used as.
    pub role: Role,
    /// What it may be used for; none: reading and managing, as the role allows.
    pub scopes: Option<Scopes>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
}

/// A new token with its text, which is here and nowhere else.
pub struct ShownToken {
    /// The token.
    pub view: TokenView,
    /// Its text, to be shown once.
    pub text: Zeroizing<String>,
}

impl Gateway {
    /// Makes a token for the person themselves, never of a higher role or wider scope than the one
    /// they use.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn create_token(
        &self,
        person: &Person,
        draft: TokenDraft,
        request_id: &str,
    ) -> Result<ShownToken, AdminError> {
        let now = self.clock.now();
        let name = Label::new(&draft.name, 128)
            .map_err(|why| AdminError::invalid("/name", format!("`name` {why}")))?;
        if draft.expires_at.is_some_and(|at| at <= now) {
            return Err(AdminError::invalid("/expires_at", "must be in the future"));
        }
        let scopes = draft.scopes.unwrap_or_else(Scopes::usual);
        if scopes.iter().next().is_none() {
            return Err(AdminError::invalid("/scopes", "must not be empty"));
        }
        person.require(draft.role, Scope::Manage)?;
        if let Some(missing) = scopes.iter().find(|scope| !person.scopes.has(*scope)) {
            return Err(AuthError::ScopeMissing(missing).into());
        }
        let (text, secret_hash) = self.new_credential(CredentialKind::Person)?;
        let token = Token {
            id: TokenId::new(now, self.random()?),
            user: person.user(),
            name,
            role: draft.role,
            scopes,
            lookup: text.lookup,
            secret_hash,
            created_at: now,
            last_used_at: None,
            expires_at: draft.expires_at,
            revoked_at: None,
        };
        let act = Act {
            name: "token.create",
            subject: token.id.to_string(),
            detail: detail(&token),
            request_id,
        };
        self.change_own(person, act, |_| Ok(Change::Token(token.clone())))
            .await?;
        Ok(ShownToken {
            view: TokenView {
                token,
                last_used_at: None,
            },
            text: text.expose(),
        })
    }

    /// Revokes a token: one's own, or anybody's for Owner and Admin.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn revoke_token(
        &self,
        person: &Person,
        id: TokenId,
        request_id: &str,
    ) -> Result<(), AdminError> {
        let at = self.clock.now();
        let act = Act {
            name: "token.revoke",
            subject: id.to_string(),
            detail: Object::new(),
            request_id,
        };
        self.change_own(person, act, |snapshot| {
            let token = snapshot.tokens().find(|entry| entry.token.id == id);
            token
                .filter(|e| e.token.user == person.user || person.role >= Role::Admin)
                .ok_or(AdminError::NotFound("token"))?;
            Ok(Change::RevokeToken { token: id, at })
        })
        .await
    }

    /// As [`Gateway::change`], for what every member may do with what is theirs.
    async fn change_own(
        &self,
        person: &Person,
        act: Act<'_>,
        build: impl Fn(&Snapshot) -> Result<Change, AdminError>,
    ) -> Result<(), AdminError> {
        let mut person = self.person_again(person)?;
        for _ in 0..super::STALE_TRIES {
            person.require(Role::Viewer, Scope::Manage)?;
            let change = build(&person.snapshot)?;
            let actor = format!("user:{}", person.user());
            let entry = self.admin_entry(&person.snapshot, actor, &act)?;
            let organization = person.organization();
            let seen = Seen {
                organization,
                change: person.snapshot.change,
            };
            match self.store.record_change(seen, change, entry).await {
                Ok(_) => {
                    self.reload(organization).await?;
                    return Ok(());
                }
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
}

pub(super) fn detail(token: &Token) -> Object {
    let mut detail = Object::new();
    detail.insert("name", token.name.as_str());
    detail.insert("role", token.role.as_str());
    let scopes: Vec<_> = token.scopes.iter().map(Scope::as_str).collect();
    detail.insert("scopes", scopes.join(","));
    detail.insert("expires_at", token.expires_at.map(|at| at.to_string()));
    detail
}
