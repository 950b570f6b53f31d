//! What people change.

use relynt_domain::{
    AgentStatus, ApprovalStatus, ChangeNumber, ConnectorRecord, CredentialId, OrganizationId,
    Timestamp, Token,
};
use relynt_gateway::ports::{AdminEntry, Change, NewReceipt, PolicyRow, Seen};
use relynt_ledger::Sha256;
use rusqlite::params;

use super::failure::{Failure, refused};
use super::tx::Tx;
use super::write::{self, exactly_one};
use crate::connector::definition_text;
use crate::rows::{self, all, execute};
use crate::sql;
use crate::texts::{write_scopes, write_strings};

/// A change on its way into the store.
pub(super) struct Pending {
    pub(super) seen: Seen,
    pub(super) change: Change,
    pub(super) entry: AdminEntry,
    pub(super) leaf: Sha256,
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

impl Pending {
    pub(super) fn record(&self, tx: &Tx<'_>) -> Result<Changed, Failure> {
        let organization = self.seen.organization;
        if write::change_number(tx, organization)? != Some(self.seen.change) {
            return Ok(Changed::Stale);
        }
        // Everything that can refuse comes before the first write.
        let ended = match self.ended(tx)? {
            Ok(ended) => ended,
            Err(why) => return Ok(Changed::Unsigned(why)),
        };
        let number = ChangeNumber(self.seen.change.0 + 1);
        let bumped = execute(
            tx,
            sql::BUMP_CHANGE,
            params![organization.as_bytes(), self.seen.change.0],
        )?;
        exactly_one(bumped, "this organization")?;
        self.apply(tx, number)?;
        for (record, receipt) in &ended {
            write::receipt(tx, organization, receipt, &receipt.signed.leaf_hash())?;
            write::end_of_approval(tx, organization, record)?;
        }
        write::admin_record(tx, organization, &self.entry, &self.leaf)?;
        Ok(Changed::Done(number))
    }

    /// The approvals that the change ends, as they are after it, with their receipts.
    fn ended(&self, tx: &Tx<'_>) -> Result<Result<Ended, String>, Failure> {
        let Some((agent, blocked_by, with_receipt)) = self.change.cancels() else {
            return Ok(Ok(Vec::new()));
        };
        let organization = self.seen.organization;
        let params = params![organization.as_bytes(), agent.as_bytes()];
        let pending = all(tx, sql::PENDING_OF_AGENT, params, rows::approval)?;
        let mut ended = Vec::with_capacity(pending.len());
        for mut record in pending {
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

    fn apply(&self, tx: &Tx<'_>, number: ChangeNumber) -> Result<(), Failure> {
        let organization = self.seen.organization;
        let status = |agent: &relynt_domain::AgentId, status: AgentStatus| {
            let changed = execute(
                tx,
                sql::SET_AGENT_STATUS,
                params![
                    status.as_str(),
                    number.0,
                    organization.as_bytes(),
                    agent.as_bytes()
                ],
            )?;
            exactly_one(changed, "this agent")
        };
        match &self.change {
            Change::Agent(agent) => put_agent(tx, organization, agent, number),
            Change::DisableAgent { agent, .. } => status(agent, AgentStatus::Disabled),
            Change::EnableAgent(agent) => status(agent, AgentStatus::Active),
            Change::Rotate {
                credential, revoke, ..
            } => {
                for (earlier, at) in revoke {
                    revoke_credential(tx, organization, *earlier, *at, number)?;
                }
                insert_credential(tx, organization, credential, number)
            }
            Change::RevokeCredential { credential, at } => {
                revoke_credential(tx, organization, *credential, *at, number)
            }
            Change::Policy(policy) => {
                let next = params![policy.version.0, organization.as_bytes()];
                exactly_one(
                    execute(tx, sql::NEXT_VERSION, next)?,
                    "this version's predecessor",
                )?;
                insert_policy(tx, organization, policy, number)
            }
            Change::ActivatePolicy { version, at } => {
                let marked = execute(
                    tx,
                    sql::MARK_ACTIVATED,
                    params![
                        at.unix_micros(),
                        number.0,
                        organization.as_bytes(),
                        version.0
                    ],
                )?;
                exactly_one(marked, "this version")?;
                execute(
                    tx,
                    sql::SET_ACTIVE,
                    params![version.0, organization.as_bytes()],
                )?;
                Ok(())
            }
            Change::Connector(record) => self.put_connector(tx, record, number),
            Change::DeleteConnector { connector, at } => {
                let deleted = execute(
                    tx,
                    sql::DELETE_CONNECTOR,
                    params![
                        at.unix_micros(),
                        number.0,
                        organization.as_bytes(),
                        connector.as_bytes()
                    ],
                )?;
                exactly_one(deleted, "this connector")
            }
            Change::Token(token) => insert_token(tx, organization, token, number),
            Change::RevokeToken { token, at } => {
                let revoked = execute(
                    tx,
                    sql::REVOKE_TOKEN,
                    params![
                        at.unix_micros(),
                        number.0,
                        organization.as_bytes(),
                        token.as_bytes()
                    ],
                )?;
                exactly_one(revoked, "this token")
            }
        }
    }

    fn put_connector(
        &self,
        tx: &Tx<'_>,
        record: &ConnectorRecord,
        number: ChangeNumber,
    ) -> Result<(), Failure> {
        let sealed = self
            .sealed
            .as_ref()
            .ok_or_else(|| refused("the headers were not sealed"))?;
        let changed = execute(
            tx,
            sql::PUT_CONNECTOR,
            params![
                self.seen.organization.as_bytes(),
                record.id.as_bytes(),
                record.version,
                record.definition.name,
                definition_text(record),
                sealed,
                record.created_at.unix_micros(),
                number.0,
            ],
        )?;
        exactly_one(changed, "an earlier version of this connector")
    }
}

type Ended = Vec<(relynt_domain::ApprovalRecord, NewReceipt)>;

fn put_agent(
    tx: &Tx<'_>,
    organization: OrganizationId,
    agent: &relynt_domain::Agent,
    number: ChangeNumber,
) -> Result<(), Failure> {
    execute(
        tx,
        sql::PUT_AGENT,
        params![
            organization.as_bytes(),
            agent.id.as_bytes(),
            agent.name.as_str(),
            agent.description,
            write_strings(agent.tags.as_slice().iter().map(String::as_str)),
            agent.owner.as_bytes(),
            agent.status.as_str(),
            agent.created_at.unix_micros(),
            number.0,
        ],
    )?;
    Ok(())
}

fn insert_credential(
    tx: &Tx<'_>,
    organization: OrganizationId,
    credential: &relynt_domain::Credential,
    number: ChangeNumber,
) -> Result<(), Failure> {
    execute(
        tx,
        sql::INSERT_CREDENTIAL,
        params![
            organization.as_bytes(),
            credential.id.as_bytes(),
            credential.agent.as_bytes(),
            credential.lookup.0,
            credential.secret_hash,
            credential.created_at.unix_micros(),
            credential.last_used_at.map(Timestamp::unix_micros),
            credential.expires_at.map(Timestamp::unix_micros),
            credential.revoked_at.map(Timestamp::unix_micros),
            number.0,
        ],
    )?;
    Ok(())
}

fn revoke_credential(
    tx: &Tx<'_>,
    organization: OrganizationId,
    credential: CredentialId,
    at: Timestamp,
    number: ChangeNumber,
) -> Result<(), Failure> {
    let revoked = execute(
        tx,
        sql::REVOKE_CREDENTIAL,
        params![
            at.unix_micros(),
            number.0,
            organization.as_bytes(),
            credential.as_bytes()
        ],
    )?;
    exactly_one(revoked, "this credential")
}

pub(super) fn insert_token(
    tx: &Tx<'_>,
    organization: OrganizationId,
    token: &Token,
    number: ChangeNumber,
) -> Result<(), Failure> {
    execute(
        tx,
        sql::INSERT_TOKEN,
        params![
            organization.as_bytes(),
            token.id.as_bytes(),
            token.user.as_bytes(),
            token.name.as_str(),
            token.role.as_str(),
            write_scopes(token.scopes),
            token.lookup.0,
            token.secret_hash,
            token.created_at.unix_micros(),
            token.last_used_at.map(Timestamp::unix_micros),
            token.expires_at.map(Timestamp::unix_micros),
            token.revoked_at.map(Timestamp::unix_micros),
            number.0,
        ],
    )?;
    Ok(())
}

pub(super) fn insert_policy(
    tx: &Tx<'_>,
    organization: OrganizationId,
    policy: &PolicyRow,
    number: ChangeNumber,
) -> Result<(), Failure> {
    execute(
        tx,
        sql::INSERT_POLICY,
        params![
            organization.as_bytes(),
            policy.version.0,
            policy.rules,
            policy.note,
            policy.digest,
            policy.created_at.unix_micros(),
            policy.created_by.as_bytes(),
            policy.activated_at.map(Timestamp::unix_micros),
            number.0,
        ],
    )?;
    Ok(())
}
