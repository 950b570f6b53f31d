//! What passes between the flow and the store for everything that people configure.

use relynt_domain::{
    Agent, AgentId, BlockedBy, ChangeNumber, ConnectorId, ConnectorRecord, Credential,
    CredentialId, Member, OrganizationId, PolicyVersion, RecordId, Timestamp, Token, TokenId,
    UserId,
};

use super::StoreError;
use super::calls::WithReceipt;

/// An organization.
#[derive(Debug, Clone)]
pub struct OrganizationRow {
    /// Its id.
    pub id: OrganizationId,
    /// Its name.
    pub name: String,
    /// Since when.
    pub created_at: Timestamp,
}

/// A policy version as stored.
#[derive(Debug, Clone)]
pub struct PolicyRow {
    /// Which.
    pub version: PolicyVersion,
    /// The rules as canonical JSON: an array.
    pub rules: String,
    /// Why it was made.
    pub note: Option<String>,
    /// SHA-256 of `rules`.
    pub digest: [u8; 32],
    /// When it was saved.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: UserId,
    /// When it was last made the active one.
    pub activated_at: Option<Timestamp>,
}

/// What changed in an organization; all of it when asked from the start.
#[derive(Debug, Clone)]
pub struct Changes {
    /// The number up to which this is complete.
    pub change: ChangeNumber,
    /// The organization.
    pub organization: OrganizationRow,
    /// Which version decides, and its rules if it is not the one known at `since`.
    pub active: (PolicyVersion, Option<PolicyRow>),
    /// Versions so far.
    pub last_version: PolicyVersion,
    /// Agents, new or changed.
    pub agents: Vec<Agent>,
    /// Credentials, new or changed.
    pub credentials: Vec<Credential>,
    /// Members, new or changed.
    pub members: Vec<Member>,
    /// Tokens, new or changed.
    pub tokens: Vec<Token>,
    /// Connectors, new or changed, their headers unsealed.
    pub connectors: Vec<ConnectorRecord>,
    /// Connectors that are gone.
    pub deleted_connectors: Vec<ConnectorId>,
}

/// One change that a person makes.
#[derive(Clone)]
pub enum Change {
    /// A new agent, or new texts of one.
    Agent(Agent),
    /// An agent is disabled; its pending approvals are cancelled with these receipts.
    DisableAgent {
        /// Which.
        agent: AgentId,
        /// The final receipt of each of its pending approvals.
        cancel: WithReceipt,
    },
    /// An agent is enabled.
    EnableAgent(AgentId),
    /// A new credential; the named earlier ones are revoked at the times given.
    Rotate {
        /// The new one.
        credential: Credential,
        /// Each earlier one that is or will be revoked, and when.
        revoke: Vec<(CredentialId, Timestamp)>,
        /// Cancels pending approvals with these receipts, if asked to.
        cancel: Option<WithReceipt>,
    },
    /// A credential is revoked.
    RevokeCredential {
        /// Which.
        credential: CredentialId,
        /// From when.
        at: Timestamp,
    },
    /// A new policy version, not active.
    Policy(PolicyRow),
    /// A version becomes the active one.
    ActivatePolicy {
        /// Which.
        version: PolicyVersion,
        /// When.
        at: Timestamp,
    },
    /// A new connector, or a new version of one.
    Connector(ConnectorRecord),
    /// A connector is deleted.
    DeleteConnector {
        /// Which.
        connector: ConnectorId,
        /// When.
        at: Timestamp,
    },
    /// A new token.
    Token(Token),
    /// A token is revoked.
    RevokeToken {
        /// Which.
        token: TokenId,
        /// From when.
        at: Timestamp,
    },
}

impl Change {
    /// Why approvals that this change ends are cancelled, and how their receipts are made.
    pub fn cancels(&self) -> Option<(AgentId, BlockedBy, &WithReceipt)> {
        match self {
            Self::DisableAgent { agent, cancel } => {
                Some((*agent, BlockedBy::AgentDisabled, cancel))
            }
            Self::Rotate {
                credential,
                cancel: Some(cancel),
                ..
            } => Some((credential.agent, BlockedBy::CredentialRotated, cancel)),
            _ => None,
        }
    }
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Agent(_) => "Agent",
            Self::DisableAgent { .. } => "DisableAgent",
            Self::EnableAgent(_) => "EnableAgent",
            Self::Rotate { .. } => "Rotate",
            Self::RevokeCredential { .. } => "RevokeCredential",
            Self::Policy(_) => "Policy",
            Self::ActivatePolicy { .. } => "ActivatePolicy",
            Self::Connector(_) => "Connector",
            Self::DeleteConnector { .. } => "DeleteConnector",
            Self::Token(_) => "Token",
            Self::RevokeToken { .. } => "RevokeToken",
        })
    }
}

/// The signed record of an administrative act.
#[derive(Debug, Clone)]
pub struct AdminEntry {
    /// Its id.
    pub id: RecordId,
    /// When it was signed.
    pub created_at: Timestamp,
    /// What was done, such as `policy.activate`.
    pub act: String,
    /// To what, as text.
    pub subject: String,
    /// The signed bytes.
    pub bytes: Vec<u8>,
}

/// A change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Something else changed first: read again.
    #[error("something else changed first")]
    Stale,
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A new organization.
#[derive(Debug, Clone)]
pub struct NewOrganization {
    /// The organization.
    pub organization: OrganizationRow,
    /// Its Owner: taken over by e-mail address if that person exists, else new with this id.
    pub owner: UserId,
    /// The Owner's e-mail address.
    pub owner_email: String,
    /// The Owner's membership.
    pub member: Member,
    /// The Owner's token.
    pub token: Token,
    /// `v1`, active.
    pub policy: PolicyRow,
    /// The record of it.
    pub entry: AdminEntry,
}

/// Something was used.
#[derive(Debug, Clone, Copy)]
pub enum Touched {
    /// An agent's credential, and with it the agent.
    Credential(OrganizationId, AgentId, CredentialId, Timestamp),
    /// A token.
    Token(OrganizationId, TokenId, Timestamp),
}
