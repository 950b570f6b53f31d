//! Organizations and what is configured in them.

use async_trait::async_trait;
use relynt_domain::{
    ChangeNumber, ConnectorId, ConnectorRecord, Member, OrganizationId, PolicyVersion, Token,
    UserId,
};
use relynt_gateway::ports::{
    AdminEntry, Administration, Change, ChangeError, Changes, NewOrganization, OrganizationRow,
    PolicyRow, Seen, StoreError, Touched,
};
use rusqlite::{Connection, Row, params};

use super::SqliteStore;
use super::changes::{Changed, Pending, insert_policy, insert_token};
use super::failure::{Failure, corrupt};
use super::tx::Tx;
use super::write;
use crate::connector::{StoredConnector, headers_text};
use crate::keys::connector_headers;
use crate::rows::{self, all, execute, first};
use crate::sql;

/// Rows that one command touches: a long list must not hold decisions up.
const TOUCH_STEP: usize = 128;

#[async_trait]
impl Administration for SqliteStore {
    async fn list_organizations(&self) -> Result<Vec<OrganizationRow>, StoreError> {
        self.points
            .read(|reader| {
                all(
                    reader.connection(),
                    sql::LIST_ORGANIZATIONS,
                    [],
                    rows::organization,
                )
            })
            .await
    }

    async fn record_organization(&self, new: NewOrganization) -> Result<UserId, ChangeError> {
        let wrapped = self.keys.wrap_new(&*self.entropy, new.organization.id);
        let wrapped = wrapped.map_err(StoreError::from)?;
        Ok(self
            .writer
            .submit(move |tx| found_organization(tx, &new, &wrapped))
            .await?)
    }

    async fn load_changes(
        &self,
        organization: OrganizationId,
        since: ChangeNumber,
    ) -> Result<Option<Changes>, StoreError> {
        let raw = self
            .points
            .read(move |reader| reader.snapshot(|tx| RawChanges::read(tx, organization, since)))
            .await?;
        let Some(RawChanges {
            mut changes,
            connectors,
        }) = raw
        else {
            return Ok(None);
        };
        if !connectors.is_empty() {
            let key = self.organization_key(organization).await?;
            for raw in connectors {
                changes.connectors.push(raw.open(organization, &key)?);
            }
        }
        Ok(Some(changes))
    }

    async fn record_change(
        &self,
        seen: Seen,
        change: Change,
        entry: AdminEntry,
    ) -> Result<ChangeNumber, ChangeError> {
        let sealed = match &change {
            Change::Connector(record) => Some(self.seal_headers(seen.organization, record).await?),
            _ => None,
        };
        let leaf = write::admin_leaf(&entry);
        let pending = Pending {
            seen,
            change,
            entry,
            leaf,
            sealed,
        };
        match self.writer.submit(move |tx| pending.record(tx)).await? {
            Changed::Done(number) => Ok(number),
            Changed::Stale => Err(ChangeError::Stale),
            Changed::Unsigned(why) => Err(StoreError::Database(why).into()),
        }
    }

    async fn list_policies(
        &self,
        organization: OrganizationId,
        before: Option<PolicyVersion>,
        limit: u32,
    ) -> Result<Vec<PolicyRow>, StoreError> {
        let before = before.map_or(i64::MAX, |version| i64::from(version.0));
        self.points
            .read(move |reader| {
                all(
                    reader.connection(),
                    sql::LIST_POLICIES,
                    params![organization.as_bytes(), before, limit],
                    rows::policy,
                )
            })
            .await
    }

    async fn find_policy(
        &self,
        organization: OrganizationId,
        version: PolicyVersion,
    ) -> Result<Option<PolicyRow>, StoreError> {
        self.points
            .read(move |reader| {
                first(
                    reader.connection(),
                    sql::FIND_POLICY,
                    params![organization.as_bytes(), version.0],
                    rows::policy,
                )
            })
            .await
    }

    async fn record_touched(&self, touched: Vec<Touched>) -> Result<(), StoreError> {
        for step in touched.chunks(TOUCH_STEP) {
            let step = step.to_vec();
            self.writer
                .submit(move |tx| step.iter().try_for_each(|one| touch(tx, one)))
                .await?;
        }
        Ok(())
    }
}

impl SqliteStore {
    async fn seal_headers(
        &self,
        organization: OrganizationId,
        record: &ConnectorRecord,
    ) -> Result<Vec<u8>, StoreError> {
        let key = self.organization_key(organization).await?;
        let text = headers_text(&record.definition.headers);
        Ok(key.seal(
            &*self.entropy,
            &connector_headers(organization, &record.id),
            &text,
        )?)
    }
}

/// Stores a new organization with everything that it begins with; the Owner's id.
fn found_organization(
    tx: &Tx<'_>,
    new: &NewOrganization,
    wrapped: &[u8],
) -> Result<UserId, Failure> {
    let organization = new.organization.id;
    let email_key = new.owner_email.trim().to_lowercase();
    let owner = first(tx, sql::FIND_USER, params![email_key], |row| {
        rows::id(row, 0, UserId::from_bytes)
    })?;
    let owner = if let Some(owner) = owner {
        owner
    } else {
        let email = new.owner_email.trim();
        execute(
            tx,
            sql::INSERT_USER,
            params![new.owner.as_bytes(), email, email_key],
        )?;
        new.owner
    };
    let number = ChangeNumber(1);
    execute(
        tx,
        sql::INSERT_ORGANIZATION,
        params![
            organization.as_bytes(),
            new.organization.name,
            new.organization.created_at.unix_micros(),
            wrapped,
            number.0,
            new.policy.version.0,
            new.policy.version.0,
        ],
    )?;
    insert_member(
        tx,
        organization,
        &Member {
            user: owner,
            ..new.member.clone()
        },
        number,
    )?;
    insert_token(
        tx,
        organization,
        &Token {
            user: owner,
            ..new.token.clone()
        },
        number,
    )?;
    let policy = PolicyRow {
        created_by: owner,
        ..new.policy.clone()
    };
    insert_policy(tx, organization, &policy, number)?;
    write::admin_record(tx, organization, &new.entry, &write::admin_leaf(&new.entry))?;
    Ok(owner)
}

fn insert_member(
    tx: &Tx<'_>,
    organization: OrganizationId,
    member: &Member,
    number: ChangeNumber,
) -> Result<(), Failure> {
    execute(
        tx,
        sql::INSERT_MEMBER,
        params![
            organization.as_bytes(),
            member.user.as_bytes(),
            member.role.as_str(),
            member.created_at.unix_micros(),
            number.0,
        ],
    )?;
    Ok(())
}

fn touch(tx: &Tx<'_>, touched: &Touched) -> Result<(), Failure> {
    match touched {
        Touched::Credential(organization, agent, credential, at) => {
            let at = at.unix_micros();
            let organization = organization.as_bytes();
            execute(
                tx,
                sql::TOUCH_CREDENTIAL,
                params![at, organization, credential.as_bytes()],
            )?;
            execute(
                tx,
                sql::TOUCH_AGENT,
                params![at, organization, agent.as_bytes()],
            )?;
        }
        Touched::Token(organization, token, at) => {
            let params = params![at.unix_micros(), organization.as_bytes(), token.as_bytes()];
            execute(tx, sql::TOUCH_TOKEN, params)?;
        }
    }
    Ok(())
}

/// What changed, with connectors' headers still sealed.
struct RawChanges {
    changes: Changes,
    connectors: Vec<StoredConnector>,
}

impl RawChanges {
    fn read(
        tx: &Connection,
        organization: OrganizationId,
        since: ChangeNumber,
    ) -> Result<Option<Self>, Failure> {
        let params = params![organization.as_bytes()];
        let head = first(tx, sql::FIND_ORGANIZATION, params, |row| {
            let numbers = (row.get(3)?, row.get(4)?, row.get(5)?);
            Ok((rows::organization(row)?, numbers))
        })?;
        let Some((row, (change, active, last))) = head else {
            return Ok(None);
        };
        let mut changes = Changes {
            change: ChangeNumber(change),
            organization: row,
            active: (PolicyVersion(active), None),
            last_version: PolicyVersion(last),
            agents: Vec::new(),
            credentials: Vec::new(),
            members: Vec::new(),
            tokens: Vec::new(),
            connectors: Vec::new(),
            deleted_connectors: Vec::new(),
        };
        // Asked most often, and nearly always so.
        if changes.change == since {
            return Ok(Some(Self {
                changes,
                connectors: Vec::new(),
            }));
        }
        let newer = params![organization.as_bytes(), since.0];
        changes.agents = all(tx, sql::CHANGED_AGENTS, newer, rows::agent)?;
        changes.credentials = all(tx, sql::CHANGED_CREDENTIALS, newer, rows::credential)?;
        changes.members = all(tx, sql::CHANGED_MEMBERS, newer, rows::member)?;
        changes.tokens = all(tx, sql::CHANGED_TOKENS, newer, rows::token)?;
        let policy = params![organization.as_bytes(), active, since.0];
        changes.active.1 = first(tx, sql::CHANGED_POLICY, policy, rows::policy)?;
        let mut connectors = Vec::new();
        for raw in all(tx, sql::CHANGED_CONNECTORS, newer, read_connector)? {
            match raw {
                Ok(raw) => connectors.push(raw),
                Err(deleted) => changes.deleted_connectors.push(deleted),
            }
        }
        Ok(Some(Self {
            changes,
            connectors,
        }))
    }
}

/// The connector, or its id if it was deleted.
fn read_connector(row: &Row<'_>) -> Result<Result<StoredConnector, ConnectorId>, Failure> {
    let id = rows::id(row, 0, ConnectorId::from_bytes)?;
    if rows::maybe_time(row, 6)?.is_some() {
        return Ok(Err(id));
    }
    let headers: Option<Vec<u8>> = row.get(4)?;
    Ok(Ok(StoredConnector {
        id,
        version: row.get(1)?,
        name: row.get(2)?,
        definition: row.get(3)?,
        headers: headers.ok_or_else(|| corrupt("a connector has lost its headers"))?,
        created_at: rows::time(row, 5)?,
    }))
}
