//! Rows as the values that they were made from.

use relynt_domain::{
    Agent, AgentId, AgentName, AgentStatus, ApprovalId, ApprovalRecord, ApprovalStatus, BlockedBy,
    ConnectorId, Credential, CredentialId, ExecutionDetail, ExecutionId, ExecutionStatus,
    IdempotencyKey, Incarnation, InstanceId, Label, LookupId, Member, OrganizationId, PerformedBy,
    PolicyVersion, ReceiptId, ResponseState, RiskLevel, Role, Scope, Tags, Timestamp, Token,
    TokenId, UserId,
};
use relynt_gateway::ports::{
    Execution, NewExecution, OpenApproval, OpenExecution, OrganizationRow, PolicyRow, StoredReceipt,
};
use rusqlite::{CachedStatement, Connection, Params, Row};

use crate::draft;
use crate::sqlite::{Failure, corrupt};
use crate::texts::{exact_time, read_votes, strings};

type Read<T> = Result<T, Failure>;

/// A statement, prepared once. Its parameters are bound by place, so their numbers must be their
/// places.
pub(crate) fn prepare<'a>(connection: &'a Connection, sql: &str) -> Read<CachedStatement<'a>> {
    let statement = connection.prepare_cached(sql)?;
    debug_assert!(
        (1..=statement.parameter_count())
            .all(|at| statement.parameter_name(at) == Some(&format!("${at}"))),
        "parameters out of order: {sql}"
    );
    Ok(statement)
}

/// Every row of a statement.
pub(crate) fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl Fn(&Row<'_>) -> Read<T>,
) -> Read<Vec<T>> {
    let mut statement = prepare(connection, sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// The first row of a statement, if there is one.
pub(crate) fn first<T>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> Read<T>,
) -> Read<Option<T>> {
    let mut statement = prepare(connection, sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(read).transpose()
}

/// Runs a statement; the number of rows that it changed.
pub(crate) fn execute(connection: &Connection, sql: &str, params: impl Params) -> Read<usize> {
    Ok(prepare(connection, sql)?.execute(params)?)
}

pub(crate) fn id<T>(row: &Row<'_>, at: usize, make: fn([u8; 16]) -> T) -> Read<T> {
    Ok(make(row.get(at)?))
}

pub(crate) fn maybe_id<T>(row: &Row<'_>, at: usize, make: fn([u8; 16]) -> T) -> Read<Option<T>> {
    Ok(row.get::<_, Option<[u8; 16]>>(at)?.map(make))
}

pub(crate) fn time(row: &Row<'_>, at: usize) -> Read<Timestamp> {
    Ok(Timestamp::from_unix_micros(row.get(at)?))
}

pub(crate) fn maybe_time(row: &Row<'_>, at: usize) -> Read<Option<Timestamp>> {
    Ok(row
        .get::<_, Option<i64>>(at)?
        .map(Timestamp::from_unix_micros))
}

fn word<T>(row: &Row<'_>, at: usize, read: fn(&str) -> Option<T>) -> Read<T> {
    read(row.get_ref(at)?.as_str().map_err(rusqlite::Error::from)?).ok_or_else(|| unknown(row, at))
}

fn maybe_word<T>(row: &Row<'_>, at: usize, read: fn(&str) -> Option<T>) -> Read<Option<T>> {
    let text = row
        .get_ref(at)?
        .as_str_or_null()
        .map_err(rusqlite::Error::from)?;
    text.map(|text| read(text).ok_or_else(|| unknown(row, at)))
        .transpose()
}

fn unknown(row: &Row<'_>, at: usize) -> Failure {
    let name = row.as_ref().column_name(at).unwrap_or("?").to_owned();
    corrupt(format!("`{name}` holds a word that is not known"))
}

fn wrong(column: &str) -> Failure {
    corrupt(format!("`{column}` does not hold what was written there"))
}

pub(crate) fn organization(row: &Row<'_>) -> Read<OrganizationRow> {
    Ok(OrganizationRow {
        id: id(row, 0, OrganizationId::from_bytes)?,
        name: row.get(1)?,
        created_at: time(row, 2)?,
    })
}

pub(crate) fn member(row: &Row<'_>) -> Read<Member> {
    Ok(Member {
        user: id(row, 0, UserId::from_bytes)?,
        role: word(row, 1, Role::from_word)?,
        created_at: time(row, 2)?,
    })
}

pub(crate) fn agent(row: &Row<'_>) -> Read<Agent> {
    let tags = strings(row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?)
        .ok_or_else(|| wrong("tags"))?;
    Ok(Agent {
        id: id(row, 0, AgentId::from_bytes)?,
        name: AgentName::new(&row.get::<_, String>(1)?).map_err(|_| wrong("name"))?,
        description: row.get(2)?,
        tags: Tags::new(tags.iter().map(String::as_str)).map_err(|_| wrong("tags"))?,
        owner: id(row, 4, UserId::from_bytes)?,
        status: word(row, 5, AgentStatus::from_word)?,
        created_at: time(row, 6)?,
        last_seen_at: maybe_time(row, 7)?,
    })
}

pub(crate) fn credential(row: &Row<'_>) -> Read<Credential> {
    Ok(Credential {
        id: id(row, 0, CredentialId::from_bytes)?,
        agent: id(row, 1, AgentId::from_bytes)?,
        lookup: LookupId(row.get(2)?),
        secret_hash: row.get(3)?,
        created_at: time(row, 4)?,
        last_used_at: maybe_time(row, 5)?,
        expires_at: maybe_time(row, 6)?,
        revoked_at: maybe_time(row, 7)?,
    })
}

pub(crate) fn token(row: &Row<'_>) -> Read<Token> {
    let scopes = strings(row.get_ref(4)?.as_str().map_err(rusqlite::Error::from)?)
        .and_then(|words| words.iter().map(|word| Scope::from_word(word)).collect())
        .ok_or_else(|| wrong("scopes"))?;
    Ok(Token {
        id: id(row, 0, TokenId::from_bytes)?,
        user: id(row, 1, UserId::from_bytes)?,
        name: Label::new(&row.get::<_, String>(2)?, usize::MAX).map_err(|_| wrong("name"))?,
        role: word(row, 3, Role::from_word)?,
        scopes,
        lookup: LookupId(row.get(5)?),
        secret_hash: row.get(6)?,
        created_at: time(row, 7)?,
        last_used_at: maybe_time(row, 8)?,
        expires_at: maybe_time(row, 9)?,
        revoked_at: maybe_time(row, 10)?,
    })
}

pub(crate) fn policy(row: &Row<'_>) -> Read<PolicyRow> {
    Ok(PolicyRow {
        version: PolicyVersion(row.get(0)?),
        rules: row.get(1)?,
        note: row.get(2)?,
        digest: row.get(3)?,
        created_at: time(row, 4)?,
        created_by: id(row, 5, UserId::from_bytes)?,
        activated_at: maybe_time(row, 6)?,
    })
}

pub(crate) fn execution(row: &Row<'_>) -> Read<Execution> {
    Ok(Execution {
        id: id(row, 0, ExecutionId::from_bytes)?,
        agent: id(row, 1, AgentId::from_bytes)?,
        status: word(row, 2, ExecutionStatus::from_word)?,
        detail: maybe_word(row, 3, ExecutionDetail::from_word)?,
        response: word(row, 4, ResponseState::from_word)?,
        connector: id(row, 5, ConnectorId::from_bytes)?,
        connector_version: row.get(6)?,
        attempts: row.get(7)?,
        http_status: row.get(8)?,
        started_at: time(row, 9)?,
        finished_at: maybe_time(row, 10)?,
    })
}

pub(crate) fn open_execution(row: &Row<'_>) -> Read<OpenExecution> {
    let draft = row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(OpenExecution {
        organization: id(row, 0, OrganizationId::from_bytes)?,
        intent: NewExecution {
            id: id(row, 1, ExecutionId::from_bytes)?,
            receipt_id: id(row, 2, ReceiptId::from_bytes)?,
            draft: draft::read(draft).map_err(|_| wrong("draft"))?,
            agent: id(row, 4, AgentId::from_bytes)?,
            approval: maybe_id(row, 5, ApprovalId::from_bytes)?,
            connector: id(row, 6, ConnectorId::from_bytes)?,
            connector_version: row.get(7)?,
            incarnation: id(row, 8, Incarnation::from_bytes)?,
            request_digest: row.get(9)?,
            started_at: time(row, 10)?,
            deadline_at: time(row, 11)?,
            request_id: row.get(12)?,
        },
    })
}

pub(crate) fn open_approval(row: &Row<'_>) -> Read<OpenApproval> {
    Ok(OpenApproval {
        id: id(row, 0, ApprovalId::from_bytes)?,
        revision: row.get(1)?,
        expires_at: time(row, 2)?,
    })
}

pub(crate) fn approval(row: &Row<'_>) -> Read<ApprovalRecord> {
    let key: String = row.get(7)?;
    let connector = match (maybe_id(row, 18, ConnectorId::from_bytes)?, row.get(19)?) {
        (Some(id), Some(binding)) => Some((id, binding)),
        (None, None) => None,
        _ => return Err(wrong("connector")),
    };
    let decided_by: Option<String> = row.get(24)?;
    let votes = row.get_ref(29)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(ApprovalRecord {
        id: id(row, 0, ApprovalId::from_bytes)?,
        status: word(row, 1, ApprovalStatus::from_word)?,
        created_at: time(row, 2)?,
        expires_at: time(row, 3)?,
        revision: row.get(4)?,
        agent: id(row, 5, AgentId::from_bytes)?,
        credential: id(row, 6, CredentialId::from_bytes)?,
        idempotency_key: IdempotencyKey::new(key.as_bytes()).map_err(|_| wrong("key"))?,
        instance_id: InstanceId::new(&row.get::<_, String>(8)?)
            .map_err(|_| wrong("instance_id"))?,
        action: row.get(9)?,
        resource: row.get(10)?,
        request_digest: row.get(11)?,
        request_hash: row.get(12)?,
        reason: row.get(13)?,
        risk_level: word(row, 14, RiskLevel::from_word)?,
        policy_version: PolicyVersion(row.get(15)?),
        policy_digest: row.get(16)?,
        rule_id: row.get(17)?,
        connector,
        performed_by: word(row, 20, PerformedBy::from_word)?,
        valid_until: maybe_time(row, 21)?,
        receipt_id: id(row, 22, ReceiptId::from_bytes)?,
        final_receipt_id: maybe_id(row, 23, ReceiptId::from_bytes)?,
        decided_by: decided_by
            .map(|text| text.parse().map_err(|_| wrong("decided_by")))
            .transpose()?,
        decided_at: maybe_time(row, 25)?,
        note: row.get(26)?,
        blocked_by: maybe_word(row, 27, BlockedBy::from_word)?,
        execution: maybe_id(row, 28, ExecutionId::from_bytes)?,
        votes: read_votes(votes).ok_or_else(|| wrong("votes"))?,
    })
}

/// The columns beside the bytes, whatever somebody has made of them: what cannot be read is
/// something else than was written, and told as such by whoever compares.
pub(crate) fn stored_receipt(row: &Row<'_>) -> Read<StoredReceipt> {
    let or_nil = |at: usize| -> Read<[u8; 16]> {
        let bytes = row
            .get_ref(at)?
            .as_blob_or_null()
            .map_err(rusqlite::Error::from)?;
        Ok(bytes
            .and_then(|bytes| bytes.try_into().ok())
            .unwrap_or_default())
    };
    let approval: Option<Vec<u8>> = row.get(5)?;
    Ok(StoredReceipt {
        bytes: row.get(0)?,
        id: ReceiptId::from_bytes(or_nil(1)?),
        created_at: exact_time(row.get(2)?),
        agent: AgentId::from_bytes(or_nil(3)?),
        instance_id: row.get(4)?,
        approval: match approval {
            Some(_) => Some(ApprovalId::from_bytes(or_nil(5)?)),
            None => None,
        },
        action: row.get(6)?,
        resource: row.get(7)?,
        decision: row.get(8)?,
        risk_level: row.get(9)?,
    })
}
