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
use tokio_postgres::Row;

use super::changes::{Changed, Pending, insert_policy, insert_token};
use super::core::Core;
use super::failure::{Failure, corrupt};
use super::session::{Ask, Session};
use super::values::{Id, get, id, maybe_time, number, time};
use super::{PostgresStore, rows, sql, write};
use crate::connector::{StoredConnector, headers_text};
use crate::keys::connector_headers;

/// Organizations that one transaction reads: each row is compared with all of them.
const SCOPE_STEP: usize = 64;
/// Rows that one transaction touches.
const TOUCH_STEP: usize = 128;

#[async_trait]
impl Administration for PostgresStore {
    async fn list_organizations(&self) -> Result<Vec<OrganizationRow>, StoreError> {
        self.run(async |core| {
            let heads = core
                .look_up(Ask::new(sql::LIST_NUMBERS, Vec::new()))
                .await?;
            let organizations = heads
                .iter()
                .map(|head| id(head, 0, OrganizationId::from_bytes))
                .collect::<Result<Vec<_>, _>>()?;
            let mut rows = Vec::with_capacity(organizations.len());
            for some in organizations.chunks(SCOPE_STEP) {
                let ask = [Ask::new(sql::LIST_ORGANIZATIONS, Vec::new())];
                for row in core.read(some, &ask).await?.iter().flatten() {
                    rows.push(rows::organization(row)?);
                }
            }
            rows.sort_by_key(|row: &OrganizationRow| (row.created_at, row.id));
            Ok(rows)
        })
        .await
    }

    async fn record_organization(&self, new: NewOrganization) -> Result<UserId, ChangeError> {
        let wrapped = self.keys.wrap_new(&*self.entropy, new.organization.id);
        let wrapped = wrapped.map_err(StoreError::from)?;
        let owner = self
            .run(async move |core| {
                let found = async || {
                    core.write_once(
                        new.organization.id,
                        async |tx| found_organization(tx, &new, &wrapped).await,
                        async |tx| founded(tx, &new).await,
                    )
                    .await
                };
                match found().await {
                    // Somebody else has just brought the same person in.
                    Err(failure) if failure.is_duplicate("users_email_key_key") => found().await,
                    other => other,
                }
            })
            .await?;
        Ok(owner)
    }

    async fn load_changes(
        &self,
        organization: OrganizationId,
        since: ChangeNumber,
    ) -> Result<Option<Changes>, StoreError> {
        let raw = self
            .run(async move |core| RawChanges::read(&core, organization, since).await)
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
        let pending = Pending {
            seen,
            change,
            entry,
            sealed,
        };
        let changed = self
            .run(async move |core| {
                core.write_once(
                    seen.organization,
                    async |tx| pending.record(tx).await,
                    async |tx| pending.recorded(tx).await,
                )
                .await
            })
            .await?;
        match changed {
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
        self.run(async move |core| {
            let of = Id::from(organization.as_bytes());
            let limit = i64::from(limit);
            let ask = Ask::new(sql::LIST_POLICIES, vec![&of, &before, &limit]);
            let rows = core.all(organization, ask).await?;
            rows.iter().map(rows::policy).collect()
        })
        .await
    }

    async fn find_policy(
        &self,
        organization: OrganizationId,
        version: PolicyVersion,
    ) -> Result<Option<PolicyRow>, StoreError> {
        self.run(async move |core| {
            let of = Id::from(organization.as_bytes());
            let version = i64::from(version.0);
            let ask = Ask::new(sql::FIND_POLICY, vec![&of, &version]);
            let row = core.first(organization, ask).await?;
            row.as_ref().map(rows::policy).transpose()
        })
        .await
    }

    async fn record_touched(&self, touched: Vec<Touched>) -> Result<(), StoreError> {
        self.run(async move |core| {
            for step in touched.chunks(TOUCH_STEP) {
                let mut organizations: Vec<_> = step.iter().map(organization_of).collect();
                organizations.sort_unstable();
                organizations.dedup();
                core.write(&organizations, async |tx| touch(tx, step).await)
                    .await?;
            }
            Ok(())
        })
        .await
    }
}

impl PostgresStore {
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
async fn found_organization(
    tx: &Session,
    new: &NewOrganization,
    wrapped: &[u8],
) -> Result<UserId, Failure> {
    let organization = new.organization.id;
    let of = Id::from(organization.as_bytes());
    let email = new.owner_email.trim();
    let email_key = email.to_lowercase();
    // The application does not read people: it looks this one up as whoever may.
    tx.batch("SET LOCAL ROLE relynt_lookup").await?;
    let known = tx.first(sql::FIND_USER, &[&email_key]).await?;
    tx.batch("SET LOCAL ROLE relynt_application").await?;
    let owner = if let Some(row) = known {
        id(&row, 0, UserId::from_bytes)?
    } else {
        let id = Id::from(new.owner.as_bytes());
        tx.execute(sql::INSERT_USER, &[&id, &email, &email_key])
            .await?;
        new.owner
    };
    let change = ChangeNumber(1);
    let version = i64::from(new.policy.version.0);
    let created_at = new.organization.created_at.unix_micros();
    tx.execute(
        sql::INSERT_ORGANIZATION,
        &[
            &of,
            &new.organization.name,
            &created_at,
            &wrapped,
            &change.0,
            &version,
            &version,
        ],
    )
    .await?;
    let member = Member {
        user: owner,
        ..new.member.clone()
    };
    tx.execute(
        sql::INSERT_MEMBER,
        &[
            &of,
            &Id::from(member.user.as_bytes()),
            &member.role.as_str(),
            &member.created_at.unix_micros(),
            &change.0,
        ],
    )
    .await?;
    let token = Token {
        user: owner,
        ..new.token.clone()
    };
    insert_token(tx, organization, &token, change).await?;
    let policy = PolicyRow {
        created_by: owner,
        ..new.policy.clone()
    };
    insert_policy(tx, organization, &policy, change).await?;
    write::admin_record(tx, organization, &new.entry).await?;
    Ok(owner)
}

/// The Owner of an organization that is there.
async fn founded(tx: &Session, new: &NewOrganization) -> Result<Option<UserId>, Failure> {
    let organization = new.organization.id;
    if !write::has_admin_record(tx, organization, &new.entry).await? {
        return Ok(None);
    }
    let of = Id::from(organization.as_bytes());
    let row = tx.first(sql::OWNER_OF, &[&of]).await?;
    row.map(|row| id(&row, 0, UserId::from_bytes)).transpose()
}

const fn organization_of(touched: &Touched) -> OrganizationId {
    match touched {
        Touched::Credential(organization, ..) | Touched::Token(organization, ..) => *organization,
    }
}

/// In one order, that of decisions too, so that two transactions never wait for each other: agents,
/// credentials, tokens, each by id, and each once, with the latest time.
async fn touch(tx: &Session, step: &[Touched]) -> Result<(), Failure> {
    let mut rows: Vec<(&'static str, Id, Id, i64)> = Vec::with_capacity(2 * step.len());
    for touched in step {
        match touched {
            Touched::Credential(organization, agent, credential, at) => {
                let of = Id::from(organization.as_bytes());
                let at = at.unix_micros();
                rows.push((sql::TOUCH_CREDENTIAL, of, credential.as_bytes().into(), at));
                rows.push((sql::TOUCH_AGENT, of, agent.as_bytes().into(), at));
            }
            Touched::Token(organization, token, at) => rows.push((
                sql::TOUCH_TOKEN,
                organization.as_bytes().into(),
                token.as_bytes().into(),
                at.unix_micros(),
            )),
        }
    }
    let row = |one: &(&'static str, Id, Id, i64)| (one.0, one.1, one.2);
    rows.sort_unstable_by(|one, two| row(one).cmp(&row(two)).then(two.3.cmp(&one.3)));
    rows.dedup_by(|earlier, latest| row(earlier) == row(latest));
    let asks = rows
        .iter()
        .map(|(sql, organization, id, at)| Ask::new(sql, vec![at, organization, id]));
    tx.ask(asks.collect()).await?;
    Ok(())
}

/// What changed, with connectors' headers still sealed.
struct RawChanges {
    changes: Changes,
    connectors: Vec<StoredConnector>,
}

impl RawChanges {
    async fn read(
        core: &Core,
        organization: OrganizationId,
        since: ChangeNumber,
    ) -> Result<Option<Self>, Failure> {
        let of = Id::from(organization.as_bytes());
        let head = Ask::new(sql::FIND_ORGANIZATION, vec![&of]);
        let Some(row) = core.first(organization, head.clone()).await? else {
            return Ok(None);
        };
        // Asked most often, and nearly always so.
        if get::<i64>(&row, 3)? == since.0 {
            return Self::of(&row).map(Some);
        }
        let newer = |sql| Ask::new(sql, vec![&of, &since.0]);
        let asks = [
            head,
            newer(sql::CHANGED_AGENTS),
            newer(sql::CHANGED_CREDENTIALS),
            newer(sql::CHANGED_MEMBERS),
            newer(sql::CHANGED_TOKENS),
            newer(sql::CHANGED_POLICY),
            newer(sql::CHANGED_CONNECTORS),
        ];
        let answers = core.read(&[organization], &asks).await?;
        let [
            head,
            agents,
            credentials,
            members,
            tokens,
            policy,
            connectors,
        ] = answers.as_slice()
        else {
            return Err(corrupt("an answer is missing"));
        };
        let Some(row) = head.first() else {
            return Ok(None);
        };
        let mut raw = Self::of(row)?;
        let changes = &mut raw.changes;
        changes.agents = each(agents, rows::agent)?;
        changes.credentials = each(credentials, rows::credential)?;
        changes.members = each(members, rows::member)?;
        changes.tokens = each(tokens, rows::token)?;
        changes.active.1 = policy.first().map(rows::policy).transpose()?;
        for connector in each(connectors, read_connector)? {
            match connector {
                Ok(stored) => raw.connectors.push(stored),
                Err(deleted) => changes.deleted_connectors.push(deleted),
            }
        }
        Ok(Some(raw))
    }

    /// Nothing but the head.
    fn of(row: &Row) -> Result<Self, Failure> {
        Ok(Self {
            changes: Changes {
                organization: rows::organization(row)?,
                change: ChangeNumber(get(row, 3)?),
                active: (PolicyVersion(number(row, 4)?), None),
                last_version: PolicyVersion(number(row, 5)?),
                agents: Vec::new(),
                credentials: Vec::new(),
                members: Vec::new(),
                tokens: Vec::new(),
                connectors: Vec::new(),
                deleted_connectors: Vec::new(),
            },
            connectors: Vec::new(),
        })
    }
}

fn each<T>(rows: &[Row], read: fn(&Row) -> Result<T, Failure>) -> Result<Vec<T>, Failure> {
    rows.iter().map(read).collect()
}

/// The connector, or its id if it was deleted.
fn read_connector(row: &Row) -> Result<Result<StoredConnector, ConnectorId>, Failure> {
    let id = id(row, 0, ConnectorId::from_bytes)?;
    if maybe_time(row, 6)?.is_some() {
        return Ok(Err(id));
    }
    let headers: Option<Vec<u8>> = get(row, 4)?;
    Ok(Ok(StoredConnector {
        id,
        version: number(row, 1)?,
        name: get(row, 2)?,
        definition: get(row, 3)?,
        headers: headers.ok_or_else(|| corrupt("a connector has lost its headers"))?,
        created_at: time(row, 5)?,
    }))
}
