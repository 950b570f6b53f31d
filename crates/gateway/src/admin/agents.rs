//! Agents and their credentials.

use std::sync::Arc;
use std::time::Duration;

use relynt_domain::{
    Agent, AgentId, AgentName, AgentStatus, ApprovalRecord, BlockedBy, Credential, CredentialId,
    CredentialKind, Decision, Label, ReceiptId, Tags, Timestamp, UserId,
};
use relynt_json::Object;
use relynt_ledger::Receipt;
use zeroize::Zeroizing;

use super::{Act, AdminError};
use crate::directory::Snapshot;
use crate::ports::{Change, DecideError, WithReceipt};
use crate::read::{AgentView, CredentialView};
use crate::receipts::{Columns, of_approval, sign};
use crate::{Gateway, Person};

const MAX_OVERLAP: Duration = Duration::from_hours(7 * 24);
const MAX_DESCRIPTION: usize = 1024;

/// A new agent.
#[derive(Debug, Clone, Default)]
pub struct AgentDraft {
    /// Its name, unique in the organization.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// What rules may name it by.
    pub tags: Vec<String>,
    /// Who answers for it; none: whoever creates it.
    pub owner: Option<UserId>,
}

/// What to change of an agent.
#[derive(Debug, Clone, Default)]
pub struct AgentPatch {
    /// A new name.
    pub name: Option<String>,
    /// A new description, or none any more.
    pub description: Option<Option<String>>,
    /// New tags, all of them.
    pub tags: Option<Vec<String>>,
    /// A new owner.
    pub owner: Option<UserId>,
}

/// How to rotate.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rotation {
    /// How long the last credential stays valid; none: it is revoked at once, with all others.
    pub overlap: Option<Duration>,
    /// When the new one ends by itself.
    pub expires_at: Option<Timestamp>,
    /// Whether pending approvals of the agent are cancelled.
    pub cancel_pending: bool,
}

/// A new credential. The secret is here and nowhere else.
pub struct Rotated {
    /// The credential's text, to be shown once.
    pub agent_secret: Zeroizing<String>,
    /// Its id.
    pub credential: CredentialId,
}

impl Gateway {
    /// Registers an agent. It has no credential yet.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn create_agent(
        &self,
        person: &Person,
        draft: AgentDraft,
        request_id: &str,
    ) -> Result<AgentView, AdminError> {
        let now = self.clock.now();
        let id = AgentId::new(now, self.random()?);
        let agent = Agent {
            id,
            name: name(&draft.name)?,
            description: description(draft.description.as_deref())?,
            tags: tags(&draft.tags)?,
            owner: draft.owner.unwrap_or(person.user()),
            status: AgentStatus::Active,
            created_at: now,
            last_seen_at: None,
        };
        let act = Act {
            name: "agent.create",
            subject: id.to_string(),
            detail: texts(&agent),
            request_id,
        };
        let snapshot = self
            .change(person, act, |snapshot| {
                check_agent(snapshot, &agent)?;
                Ok(Change::Agent(agent.clone()))
            })
            .await?;
        view(&snapshot, id)
    }

    /// Changes an agent's texts.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn update_agent(
        &self,
        person: &Person,
        id: AgentId,
        patch: AgentPatch,
        request_id: &str,
    ) -> Result<AgentView, AdminError> {
        let changed = |snapshot: &Snapshot| -> Result<Agent, AdminError> {
            let mut agent = find(snapshot, id)?;
            if let Some(text) = &patch.name {
                agent.name = name(text)?;
            }
            if let Some(text) = &patch.description {
                agent.description = description(text.as_deref())?;
            }
            if let Some(list) = &patch.tags {
                agent.tags = tags(list)?;
            }
            if let Some(owner) = patch.owner {
                agent.owner = owner;
            }
            check_agent(snapshot, &agent)?;
            Ok(agent)
        };
        let detail = texts(&changed(&self.person_again(person)?.snapshot)?);
        let act = Act {
            name: "agent.update",
            subject: id.to_string(),
            detail,
            request_id,
        };
        let snapshot = self
            .change(person, act, |snapshot| changed(snapshot).map(Change::Agent))
            .await?;
        view(&snapshot, id)
    }

    /// Disables an agent: its calls are refused, and its pending approvals are cancelled in the
    /// same transaction.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn disable_agent(
        &self,
        person: &Person,
        id: AgentId,
        request_id: &str,
    ) -> Result<AgentView, AdminError> {
        let cancel = self.canceller(person, BlockedBy::AgentDisabled, Decision::Deny);
        let act = Act {
            name: "agent.disable",
            subject: id.to_string(),
            detail: Object::new(),
            request_id,
        };
        let snapshot = self
            .change(person, act, |snapshot| {
                find(snapshot, id)?;
                Ok(Change::DisableAgent {
                    agent: id,
                    cancel: Arc::clone(&cancel),
                })
            })
            .await?;
        self.publish_waited(person.organization()).await;
        view(&snapshot, id)
    }

    /// Enables an agent again.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn enable_agent(
        &self,
        person: &Person,
        id: AgentId,
        request_id: &str,
    ) -> Result<AgentView, AdminError> {
        let act = Act {
            name: "agent.enable",
            subject: id.to_string(),
            detail: Object::new(),
            request_id,
        };
        let snapshot = self
            .change(person, act, |snapshot| {
                find(snapshot, id)?;
                Ok(Change::EnableAgent(id))
            })
            .await?;
        view(&snapshot, id)
    }

    /// Gives an agent a new credential and revokes the earlier ones, the last of them after the
    /// overlap if one is given.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn rotate(
        &self,
        person: &Person,
        id: AgentId,
        rotation: Rotation,
        request_id: &str,
    ) -> Result<Rotated, AdminError> {
        let now = self.clock.now();
        if rotation
            .overlap
            .is_some_and(|overlap| overlap > MAX_OVERLAP)
        {
            return Err(AdminError::invalid(
                "/overlap_seconds",
                "at most 7 days (604800)",
            ));
        }
        if rotation.expires_at.is_some_and(|at| at <= now) {
            return Err(AdminError::invalid("/expires_at", "must be in the future"));
        }
        let (text, secret_hash) = self.new_credential(CredentialKind::Agent)?;
        let credential = Credential {
            id: CredentialId::new(now, self.random()?),
            agent: id,
            lookup: text.lookup,
            secret_hash,
            created_at: now,
            last_used_at: None,
            expires_at: rotation.expires_at,
            revoked_at: None,
        };
        let cancel = rotation
            .cancel_pending
            .then(|| self.canceller(person, BlockedBy::CredentialRotated, Decision::Error));
        let mut detail = Object::new();
        detail.insert("credential_id", credential.id.to_string());
        detail.insert("expires_at", rotation.expires_at.map(|at| at.to_string()));
        detail.insert(
            "overlap_seconds",
            rotation
                .overlap
                .and_then(|o| u32::try_from(o.as_secs()).ok()),
        );
        detail.insert("cancel_pending", rotation.cancel_pending);
        let act = Act {
            name: "agent.rotate",
            subject: id.to_string(),
            detail,
            request_id,
        };
        self.change(person, act, |snapshot| {
            find(snapshot, id)?;
            Ok(Change::Rotate {
                credential: credential.clone(),
                revoke: revocations(snapshot, id, rotation.overlap, now),
                cancel: cancel.clone(),
            })
        })
        .await?;
        if rotation.cancel_pending {
            self.publish_waited(person.organization()).await;
        }
        Ok(Rotated {
            agent_secret: text.expose(),
            credential: credential.id,
        })
    }

    /// Revokes one credential at once.
    ///
    /// # Errors
    /// See [`AdminError`].
    pub async fn revoke_credential(
        &self,
        person: &Person,
        agent: AgentId,
        credential: CredentialId,
        request_id: &str,
    ) -> Result<CredentialView, AdminError> {
        let at = self.clock.now();
        let mut detail = Object::new();
        detail.insert("credential_id", credential.to_string());
        let act = Act {
            name: "agent.revoke_credential",
            subject: agent.to_string(),
            detail,
            request_id,
        };
        let snapshot = self
            .change(person, act, |snapshot| {
                find(snapshot, agent)?;
                let known = snapshot
                    .credentials_of(agent)
                    .any(|e| e.credential.id == credential);
                if !known {
                    return Err(AdminError::NotFound("credential"));
                }
                Ok(Change::RevokeCredential { credential, at })
            })
            .await?;
        snapshot
            .credentials_of(agent)
            .find(|entry| entry.credential.id == credential)
            .map(|entry| CredentialView {
                credential: entry.credential.clone(),
                last_used_at: entry.last_used_at(),
            })
            .ok_or(AdminError::NotFound("credential"))
    }

    /// Makes the final receipts of approvals that a change cancels.
    fn canceller(&self, person: &Person, by: BlockedBy, decision: Decision) -> WithReceipt {
        let organization = person.organization();
        let (clock, entropy) = (Arc::clone(&self.clock), Arc::clone(&self.entropy));
        let key = self.signer.key();
        Arc::new(move |record: &ApprovalRecord| {
            let now = clock.now();
            let mut random = [0; 10];
            entropy
                .fill(&mut random)
                .map_err(|error| DecideError(error.to_string()))?;
            let id = ReceiptId::new(now, random);
            let why = match by {
                BlockedBy::AgentDisabled => "cancelled: the agent was disabled",
                _ => "cancelled: the agent's credentials were rotated",
            };
            let receipt = Receipt {
                reason: why.to_owned(),
                ..of_approval(organization, record, id, now)
            };
            let columns = Columns {
                id,
                created_at: now,
                agent: record.agent,
                approval: Some(record.id),
                decision,
                risk_level: record.risk_level,
            };
            sign(receipt, columns, &key)
        })
    }

    /// Tells everyone who waits for an approval of the organization how it stands: a change may
    /// have cancelled any of them.
    async fn publish_waited(&self, organization: relynt_domain::OrganizationId) {
        for id in self.waiters.waited(organization) {
            self.publish(organization, id).await;
        }
    }
}

/// Every earlier credential that still opens something, and when it stops doing so: the newest at
/// the end of the overlap, all others at once, so that at most two are valid.
fn revocations(
    snapshot: &Snapshot,
    agent: AgentId,
    overlap: Option<Duration>,
    now: Timestamp,
) -> Vec<(CredentialId, Timestamp)> {
    let mut valid: Vec<_> = snapshot
        .credentials_of(agent)
        .map(|entry| &entry.credential)
        .filter(|credential| credential.valid_at(now))
        .collect();
    valid.sort_by_key(|credential| std::cmp::Reverse((credential.created_at, credential.id)));
    valid
        .into_iter()
        .enumerate()
        .map(|(place, credential)| {
            let end = match overlap {
                // Never later than it would have ended anyway.
                Some(overlap) if place == 0 => credential
                    .revoked_at
                    .map_or(now.after(overlap), |at| at.min(now.after(overlap))),
                _ => now,
            };
            (credential.id, end)
        })
        .collect()
}

fn view(snapshot: &Snapshot, id: AgentId) -> Result<AgentView, AdminError> {
    snapshot
        .agent(id)
        .map(|entry| AgentView::of(entry))
        .ok_or(AdminError::NotFound("agent"))
}

fn find(snapshot: &Snapshot, id: AgentId) -> Result<Agent, AdminError> {
    snapshot
        .agent(id)
        .map(|entry| entry.agent.clone())
        .ok_or(AdminError::NotFound("agent"))
}

fn check_agent(snapshot: &Snapshot, agent: &Agent) -> Result<(), AdminError> {
    let taken = snapshot
        .agents()
        .any(|other| other.agent.name == agent.name && other.agent.id != agent.id);
    if taken {
        let name = agent.name.as_str();
        return Err(AdminError::Conflict(format!(
            "there is an agent named `{name}` already"
        )));
    }
    if snapshot.member(agent.owner).is_none() {
        return Err(AdminError::invalid(
            "/owner",
            "is not a member of the organization",
        ));
    }
    Ok(())
}

fn name(text: &str) -> Result<AgentName, AdminError> {
    AgentName::new(text).map_err(|why| AdminError::invalid("/name", format!("`name` {why}")))
}

fn description(text: Option<&str>) -> Result<Option<String>, AdminError> {
    let Some(text) = text else { return Ok(None) };
    Label::new(text, MAX_DESCRIPTION)
        .map(|label| Some(label.as_str().to_owned()))
        .map_err(|why| AdminError::invalid("/description", format!("`description` {why}")))
}

fn tags(list: &[String]) -> Result<Tags, AdminError> {
    Tags::new(list.iter().map(String::as_str))
        .map_err(|why| AdminError::invalid("/tags", format!("a tag {why}")))
}

fn texts(agent: &Agent) -> Object {
    let mut detail = Object::new();
    detail.insert("name", agent.name.as_str());
    detail.insert("tags", agent.tags.as_slice().join(","));
    detail.insert("owner", agent.owner.to_string());
    detail
}
