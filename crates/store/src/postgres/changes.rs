//! What people change.

use relynt_domain::{
    Agent, AgentId, AgentStatus, ApprovalRecord, ApprovalStatus, ChangeNumber, ConnectorRecord,
    Credential, CredentialId, OrganizationId, Timestamp, Token,
};
use relynt_gateway::ports::{AdminEntry, Change, NewReceipt, PolicyRow, Seen};

use super::failure::{Failure, refused};
use super::session::Session;
use super::values::{Id, get};
use super::write::{self, exactly_one};
use super::{rows, sql};
use crate::connector::definition_text;
use crate::texts::{write_scopes, write_strings};

/// A change on its way into the store.
pub(super) struct Pending {
    pub(super) seen: Seen,
    pub(super) change: Change,
    pub(super) entry: AdminEntry,
    /// A connector's headers.
    pub(super) sealed: Option<Vec<u8>>,
}

/// What became of it.
pub(super) enum Changed {
    Done(ChangeNumber),
    Stale,
    /// A receipt of what it ends could not be made.
    Unsigned(String),
}

type Ended = Vec<(ApprovalRecord, NewReceipt)>;

impl Pending {
    pub(super) async fn record(&self, tx: &Session) -> Result<Changed, Failure> {
        let organization = self.seen.organization;
        let of = Id::from(organization.as_bytes());
        // Waits for every decision that has looked at the number, and those that come later wait
        // for this one: they see the new number.
        let row = tx.first(sql::LOCK_FOR_CHANGE, &[&of]).await?;
        let stands: Option<i64> = row.map(|row| get(&row, 0)).transpose()?;
        if stands != Some(self.seen.change.0) {
            return Ok(Changed::Stale);
        }
        // Everything that can refuse comes before the first write.
        let ended = match self.ended(tx).await? {
            Ok(ended) => ended,
            Err(why) => return Ok(Changed::Unsigned(why)),
        };
        let number = ChangeNumber(self.seen.change.0 + 1);
        let bumped = tx
            .execute(sql::BUMP_CHANGE, &[&of, &self.seen.change.0])
            .await?;
        exactly_one(bumped, "this organization")?;
        self.apply(tx, of, number).await?;
        for (record, receipt) in &ended {
            write::receipt(tx, organization, receipt, &receipt.signed.leaf_hash()).await?;
            write::end_of_approval(tx, organization, record).await?;
        }
        write::admin_record(tx, organization, &self.entry).await?;
        Ok(Changed::Done(number))
    }

    /// Whether this very change was made, as its record says.
    pub(super) async fn recorded(&self, tx: &Session) -> Result<Option<Changed>, Failure> {
        let made = write::has_admin_record(tx, self.seen.organization, &self.entry).await?;
        let number = ChangeNumber(self.seen.change.0 + 1);
        Ok(made.then_some(Changed::Done(number)))
    }

    /// The approvals that the change ends, as they are after it, with their receipts.
    async fn ended(&self, tx: &Session) -> Result<Result<Ended, String>, Failure> {
        let Some((agent, blocked_by, with_receipt)) = self.change.cancels() else {
            return Ok(Ok(Vec::new()));
        };
        let of = Id::from(self.seen.organization.as_bytes());
        let agent = Id::from(agent.as_bytes());
        let pending = tx.all(sql::PENDING_OF_AGENT, &[&of, &agent]).await?;
        let mut ended = Vec::with_capacity(pending.len());
        for row in &pending {
            let mut record = rows::approval(row)?;
            let receipt = match with_receipt(&record) {
                Ok(receipt) => receipt,
                Err(error) => return Ok(Err(error.to_string())),
            };
            record.status = ApprovalStatus::Cancelled;
            record.blocked_by = Some(blocked_by);
            record.decided_at = Some(receipt.created_at);
            record.final_receipt_id = Some(receipt.id);
            ended.push((record, receipt));
        }
        Ok(Ok(ended))
    }

    async fn apply(&self, tx: &Session, of: Id, number: ChangeNumber) -> Result<(), Failure> {
        let organization = self.seen.organization;
        match &self.change {
            Change::Agent(agent) => put_agent(tx, of, agent, number).await,
            Change::DisableAgent { agent, .. } => {
                set_status(tx, of, *agent, AgentStatus::Disabled, number).await
            }
            Change::EnableAgent(agent) => {
                set_status(tx, of, *agent, AgentStatus::Active, number).await
            }
            Change::Rotate {
                credential, revoke, ..
            } => {
                for (earlier, at) in revoke {
                    revoke_credential(tx, of, *earlier, *at, number).await?;
                }
                insert_credential(tx, of, credential, number).await
            }
            Change::RevokeCredential { credential, at } => {
                revoke_credential(tx, of, *credential, *at, number).await
            }
            Change::Policy(policy) => {
                let version = i64::from(policy.version.0);
                let next = tx.execute(sql::NEXT_VERSION, &[&version, &of]).await?;
                exactly_one(next, "this version's predecessor")?;
                insert_policy(tx, organization, policy, number).await
            }
            Change::ActivatePolicy { version, at } => {
                let version = i64::from(version.0);
                let params: [super::values::Param<'_>; 4] =
                    [&at.unix_micros(), &number.0, &of, &version];
                let marked = tx.execute(sql::MARK_ACTIVATED, &params).await?;
                exactly_one(marked, "this version")?;
                tx.execute(sql::SET_ACTIVE, &[&version, &of]).await?;
                Ok(())
            }
            Change::Connector(record) => self.put_connector(tx, of, record, number).await,
            Change::DeleteConnector { connector, at } => {
                let (at, id) = (at.unix_micros(), Id::from(connector.as_bytes()));
                let deleted = tx
                    .execute(sql::DELETE_CONNECTOR, &[&at, &number.0, &of, &id])
                    .await?;
                exactly_one(deleted, "this connector")
            }
            Change::Token(token) => insert_token(tx, organization, token, number).await,
            Change::RevokeToken { token, at } => {
                let (at, id) = (at.unix_micros(), Id::from(token.as_bytes()));
                let revoked = tx
                    .execute(sql::REVOKE_TOKEN, &[&at, &number.0, &of, &id])
                    .await?;
                exactly_one(revoked, "this token")
            }
        }
    }

    async fn put_connector(
        &self,
        tx: &Session,
        of: Id,
        record: &ConnectorRecord,
        number: ChangeNumber,
    ) -> Result<(), Failure> {
        let sealed = self
            .sealed
            .as_ref()
            .ok_or_else(|| refused("the headers were not sealed"))?;
        let changed = tx
            .execute(
                sql::PUT_CONNECTOR,
                &[
                    &of,
                    &Id::from(record.id.as_bytes()),
                    &i64::from(record.version),
                    &record.definition.name,
                    &definition_text(record),
                    sealed,
                    &record.created_at.unix_micros(),
                    &number.0,
                ],
            )
            .await?;
        exactly_one(changed, "an earlier version of this connector")
    }
}

async fn put_agent(
    tx: &Session,
    of: Id,
    agent: &Agent,
    number: ChangeNumber,
) -> Result<(), Failure> {
    let tags = write_strings(agent.tags.as_slice().iter().map(String::as_str));
    tx.execute(
        sql::PUT_AGENT,
        &[
            &of,
            &Id::from(agent.id.as_bytes()),
            &agent.name.as_str(),
            &agent.description,
            &tags,
            &Id::from(agent.owner.as_bytes()),
            &agent.status.as_str(),
            &agent.created_at.unix_micros(),
            &number.0,
        ],
    )
    .await?;
    Ok(())
}

async fn set_status(
    tx: &Session,
    of: Id,
    agent: AgentId,
    status: AgentStatus,
    number: ChangeNumber,
) -> Result<(), Failure> {
    let agent = Id::from(agent.as_bytes());
    let changed = tx
        .execute(
            sql::SET_AGENT_STATUS,
            &[&status.as_str(), &number.0, &of, &agent],
        )
        .await?;
    exactly_one(changed, "this agent")
}

async fn insert_credential(
    tx: &Session,
    of: Id,
    credential: &Credential,
    number: ChangeNumber,
) -> Result<(), Failure> {
    tx.execute(
        sql::INSERT_CREDENTIAL,
        &[
            &of,
            &Id::from(credential.id.as_bytes()),
            &Id::from(credential.agent.as_bytes()),
            &credential.lookup.0.as_slice(),
            &credential.secret_hash.as_slice(),
            &credential.created_at.unix_micros(),
            &credential.last_used_at.map(Timestamp::unix_micros),
            &credential.expires_at.map(Timestamp::unix_micros),
            &credential.revoked_at.map(Timestamp::unix_micros),
            &number.0,
        ],
    )
    .await?;
    Ok(())
}

async fn revoke_credential(
    tx: &Session,
    of: Id,
    credential: CredentialId,
    at: Timestamp,
    number: ChangeNumber,
) -> Result<(), Failure> {
    let (at, id) = (at.unix_micros(), Id::from(credential.as_bytes()));
    let revoked = tx
        .execute(sql::REVOKE_CREDENTIAL, &[&at, &number.0, &of, &id])
        .await?;
    exactly_one(revoked, "this credential")
}

pub(super) async fn insert_token(
    tx: &Session,
    organization: OrganizationId,
    token: &Token,
    number: ChangeNumber,
) -> Result<(), Failure> {
    tx.execute(
        sql::INSERT_TOKEN,
        &[
            &Id::from(organization.as_bytes()),
            &Id::from(token.id.as_bytes()),
            &Id::from(token.user.as_bytes()),
            &token.name.as_str(),
            &token.role.as_str(),
            &write_scopes(token.scopes),
            &token.lookup.0.as_slice(),
            &token.secret_hash.as_slice(),
            &token.created_at.unix_micros(),
            &token.last_used_at.map(Timestamp::unix_micros),
            &token.expires_at.map(Timestamp::unix_micros),
            &token.revoked_at.map(Timestamp::unix_micros),
            &number.0,
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn insert_policy(
    tx: &Session,
    organization: OrganizationId,
    policy: &PolicyRow,
    number: ChangeNumber,
) -> Result<(), Failure> {
    tx.execute(
        sql::INSERT_POLICY,
        &[
            &Id::from(organization.as_bytes()),
            &i64::from(policy.version.0),
            &policy.rules,
            &policy.note,
            &policy.digest.as_slice(),
            &policy.created_at.unix_micros(),
            &Id::from(policy.created_by.as_bytes()),
            &policy.activated_at.map(Timestamp::unix_micros),
            &number.0,
        ],
    )
    .await?;
    Ok(())
}
