//! Rows as the values that they were made from.

use relynt_domain::{
    Agent, AgentId, AgentName, AgentStatus, ApprovalId, ApprovalRecord, ApprovalStatus, BlockedBy,
    ConnectorId, Credential, CredentialId, ExecutionDetail, ExecutionId, ExecutionStatus,
    IdempotencyKey, Incarnation, InstanceId, Label, LookupId, Member, OrganizationId, PerformedBy,
    PolicyVersion, ReceiptId, ResponseState, RiskLevel, Role, Scope, Tags, Token, TokenId, UserId,
};
use relynt_gateway::ports::{
    Execution, NewExecution, OpenApproval, OpenExecution, OrganizationRow, PolicyRow, StoredReceipt,
};
use tokio_postgres::Row;

use super::failure::Failure;
use super::values::{
    array, get, id, maybe_array, maybe_id, maybe_number, maybe_time, maybe_word, number, time,
    word, wrong,
};
use crate::draft;
use crate::texts::{exact_time, read_votes, strings};

type Read<T> = Result<T, Failure>;

pub(super) fn organization(row: &Row) -> Read<OrganizationRow> {
    Ok(OrganizationRow {
        id: id(row, 0, OrganizationId::from_bytes)?,
        name: get(row, 1)?,
        created_at: time(row, 2)?,
    })
}

pub(super) fn member(row: &Row) -> Read<Member> {
    Ok(Member {
        user: id(row, 0, UserId::from_bytes)?,
        role: word(row, 1, Role::from_word)?,
        created_at: time(row, 2)?,
    })
}

pub(super) fn agent(row: &Row) -> Read<Agent> {
    let tags = strings(get(row, 3)?).ok_or_else(|| wrong(row, 3))?;
    Ok(Agent {
        id: id(row, 0, AgentId::from_bytes)?,
        name: AgentName::new(get(row, 1)?).map_err(|_| wrong(row, 1))?,
        description: get(row, 2)?,
        tags: Tags::new(tags.iter().map(String::as_str)).map_err(|_| wrong(row, 3))?,
        owner: id(row, 4, UserId::from_bytes)?,
        status: word(row, 5, AgentStatus::from_word)?,
        created_at: time(row, 6)?,
        last_seen_at: maybe_time(row, 7)?,
    })
}

pub(super) fn credential(row: &Row) -> Read<Credential> {
    Ok(Credential {
        id: id(row, 0, CredentialId::from_bytes)?,
        agent: id(row, 1, AgentId::from_bytes)?,
        lookup: LookupId(array(row, 2)?),
        secret_hash: array(row, 3)?,
        created_at: time(row, 4)?,
        last_used_at: maybe_time(row, 5)?,
        expires_at: maybe_time(row, 6)?,
        revoked_at: maybe_time(row, 7)?,
    })
}

pub(super) fn token(row: &Row) -> Read<Token> {
    let scopes = strings(get(row, 4)?)
        .and_then(|words| words.iter().map(|word| Scope::from_word(word)).collect())
        .ok_or_else(|| wrong(row, 4))?;
    Ok(Token {
        id: id(row, 0, TokenId::from_bytes)?,
        user: id(row, 1, UserId::from_bytes)?,
        name: Label::new(get(row, 2)?, usize::MAX).map_err(|_| wrong(row, 2))?,
        role: word(row, 3, Role::from_word)?,
        scopes,
        lookup: LookupId(array(row, 5)?),
        secret_hash: array(row, 6)?,
        created_at: time(row, 7)?,
        last_used_at: maybe_time(row, 8)?,
        expires_at: maybe_time(row, 9)?,
        revoked_at: maybe_time(row, 10)?,
    })
}

pub(super) fn policy(row: &Row) -> Read<PolicyRow> {
    Ok(PolicyRow {
        version: PolicyVersion(number(row, 0)?),
        rules: get(row, 1)?,
        note: get(row, 2)?,
        digest: array(row, 3)?,
        created_at: time(row, 4)?,
        created_by: id(row, 5, UserId::from_bytes)?,
        activated_at: maybe_time(row, 6)?,
    })
}

pub(super) fn execution(row: &Row) -> Read<Execution> {
    Ok(Execution {
        id: id(row, 0, ExecutionId::from_bytes)?,
        agent: id(row, 1, AgentId::from_bytes)?,
        status: word(row, 2, ExecutionStatus::from_word)?,
        detail: maybe_word(row, 3, ExecutionDetail::from_word)?,
        response: word(row, 4, ResponseState::from_word)?,
        connector: id(row, 5, ConnectorId::from_bytes)?,
        connector_version: number(row, 6)?,
        attempts: number(row, 7)?,
        http_status: maybe_number(row, 8)?,
        started_at: time(row, 9)?,
        finished_at: maybe_time(row, 10)?,
    })
}

pub(super) fn open_execution(row: &Row) -> Read<OpenExecution> {
    Ok(OpenExecution {
        organization: id(row, 0, OrganizationId::from_bytes)?,
        intent: NewExecution {
            id: id(row, 1, ExecutionId::from_bytes)?,
            receipt_id: id(row, 2, ReceiptId::from_bytes)?,
            draft: draft::read(get(row, 3)?).map_err(|_| wrong(row, 3))?,
            agent: id(row, 4, AgentId::from_bytes)?,
            approval: maybe_id(row, 5, ApprovalId::from_bytes)?,
            connector: id(row, 6, ConnectorId::from_bytes)?,
            connector_version: number(row, 7)?,
            incarnation: id(row, 8, Incarnation::from_bytes)?,
            request_digest: array(row, 9)?,
            started_at: time(row, 10)?,
            deadline_at: time(row, 11)?,
            request_id: get(row, 12)?,
        },
    })
}

pub(super) fn open_approval(row: &Row) -> Read<OpenApproval> {
    Ok(OpenApproval {
        id: id(row, 0, ApprovalId::from_bytes)?,
        revision: number(row, 1)?,
        expires_at: time(row, 2)?,
    })
}

pub(super) fn approval(row: &Row) -> Read<ApprovalRecord> {
    let connector = match (
        maybe_id(row, 18, ConnectorId::from_bytes)?,
        maybe_array(row, 19)?,
    ) {
        (Some(id), Some(binding)) => Some((id, binding)),
        (None, None) => None,
        _ => return Err(wrong(row, 18)),
    };
    let key: &str = get(row, 7)?;
    let decided_by: Option<&str> = get(row, 24)?;
    Ok(ApprovalRecord {
        id: id(row, 0, ApprovalId::from_bytes)?,
        status: word(row, 1, ApprovalStatus::from_word)?,
        created_at: time(row, 2)?,
        expires_at: time(row, 3)?,
        revision: number(row, 4)?,
        agent: id(row, 5, AgentId::from_bytes)?,
        credential: id(row, 6, CredentialId::from_bytes)?,
        idempotency_key: IdempotencyKey::new(key.as_bytes()).map_err(|_| wrong(row, 7))?,
        instance_id: InstanceId::new(get(row, 8)?).map_err(|_| wrong(row, 8))?,
        action: get(row, 9)?,
        resource: get(row, 10)?,
        request_digest: array(row, 11)?,
        request_hash: array(row, 12)?,
        reason: get(row, 13)?,
        risk_level: word(row, 14, RiskLevel::from_word)?,
        policy_version: PolicyVersion(number(row, 15)?),
        policy_digest: array(row, 16)?,
        rule_id: get(row, 17)?,
        connector,
        performed_by: word(row, 20, PerformedBy::from_word)?,
        valid_until: maybe_time(row, 21)?,
        receipt_id: id(row, 22, ReceiptId::from_bytes)?,
        final_receipt_id: maybe_id(row, 23, ReceiptId::from_bytes)?,
        decided_by: decided_by
            .map(|text| text.parse().map_err(|_| wrong(row, 24)))
            .transpose()?,
        decided_at: maybe_time(row, 25)?,
        note: get(row, 26)?,
        blocked_by: maybe_word(row, 27, BlockedBy::from_word)?,
        execution: maybe_id(row, 28, ExecutionId::from_bytes)?,
        votes: read_votes(get(row, 29)?).ok_or_else(|| wrong(row, 29))?,
    })
}

/// The columns beside the bytes, whatever somebody has made of them: told as they are to whoever
/// compares.
pub(super) fn stored_receipt(row: &Row) -> Read<StoredReceipt> {
    Ok(StoredReceipt {
        bytes: get(row, 0)?,
        id: id(row, 1, ReceiptId::from_bytes)?,
        created_at: exact_time(get(row, 2)?),
        agent: id(row, 3, AgentId::from_bytes)?,
        instance_id: get(row, 4)?,
        approval: maybe_id(row, 5, ApprovalId::from_bytes)?,
        action: get(row, 6)?,
        resource: get(row, 7)?,
        decision: get(row, 8)?,
        risk_level: get(row, 9)?,
    })
}
