//! Approvals.

use async_trait::async_trait;
use relynt_domain::{
    AgentId, ApprovalId, ApprovalRecord, ApprovalStatus, ExecutionId, OrganizationId, ReceiptId,
    Timestamp,
};
use relynt_gateway::ports::{
    ApprovalPage, Approvals, Page, Request, Resolution, Resolved, StoreError, Then,
};
use relynt_ledger::Sha256;
use rusqlite::{Connection, params};

use super::SqliteStore;
use super::failure::{Failure, refused};
use super::ledger::start_of;
use super::stored_call::SealedRow;
use super::tx::Tx;
use super::write::{self, CarriesOut};
use crate::keys::about;
use crate::resolution::{check, in_time};
use crate::rows::{self, all, first};
use crate::sql;
use crate::texts::split_request;

#[async_trait]
impl Approvals for SqliteStore {
    async fn find_approval(
        &self,
        organization: OrganizationId,
        id: ApprovalId,
    ) -> Result<Option<ApprovalRecord>, StoreError> {
        self.points
            .read(move |reader| find(reader.connection(), organization, id))
            .await
    }

    async fn find_request(
        &self,
        organization: OrganizationId,
        receipt: ReceiptId,
    ) -> Result<Option<Request>, StoreError> {
        let row = self
            .points
            .read(move |reader| {
                SealedRow::find(
                    reader.connection(),
                    sql::FIND_REQUEST,
                    organization,
                    receipt,
                )
            })
            .await?;
        let Some(row) = row else { return Ok(None) };
        let (Some(sealed), Some(key)) = (&row.sealed, self.call_key(organization, &row).await?)
        else {
            return Ok(None);
        };
        let text = key.unseal_body(sealed)?;
        let (body, facts) = split_request(&text)
            .ok_or_else(|| StoreError::Corrupt(format!("{} cannot be read", about(receipt))))?;
        Ok(Some(Request {
            body: body.to_owned(),
            facts: facts.to_owned(),
        }))
    }

    async fn find_tool_response(
        &self,
        organization: OrganizationId,
        execution: ExecutionId,
    ) -> Result<Option<String>, StoreError> {
        let row = self
            .points
            .read(move |reader| {
                SealedRow::of_execution(reader.connection(), organization, execution)
            })
            .await?;
        let Some(row) = row else { return Ok(None) };
        let (Some(sealed), Some(key)) = (&row.sealed, self.call_key(organization, &row).await?)
        else {
            return Ok(None);
        };
        let text = key.unseal_response(execution, sealed)?;
        let text = str::from_utf8(&text)
            .map_err(|_| StoreError::Corrupt("a tool response is not text".to_owned()))?;
        Ok(Some(text.to_owned()))
    }

    async fn list_approvals(
        &self,
        organization: OrganizationId,
        status: Option<ApprovalStatus>,
        agent: Option<AgentId>,
        page: Page,
    ) -> Result<ApprovalPage, StoreError> {
        let (after, id) = start_of(&page);
        // One more than asked for says whether there is more.
        let limit = page.limit.saturating_add(1);
        let read = move |connection: &Connection| {
            let organization = organization.as_bytes();
            let status = status.map(ApprovalStatus::as_str);
            let agent = agent.as_ref().map(AgentId::as_bytes);
            match (agent, status) {
                (None, None) => {
                    let params = params![organization, after, id, limit];
                    all(connection, sql::LIST_APPROVALS, params, rows::approval)
                }
                (None, Some(status)) => {
                    let params = params![organization, after, id, status, limit];
                    all(
                        connection,
                        sql::LIST_APPROVALS_OF_STATUS,
                        params,
                        rows::approval,
                    )
                }
                (Some(agent), None) => {
                    let params = params![organization, after, id, agent, limit];
                    all(
                        connection,
                        sql::LIST_APPROVALS_OF_AGENT,
                        params,
                        rows::approval,
                    )
                }
                (Some(agent), Some(status)) => {
                    let params = params![organization, after, id, agent, status, limit];
                    all(
                        connection,
                        sql::LIST_APPROVALS_OF_BOTH,
                        params,
                        rows::approval,
                    )
                }
            }
        };
        let mut approvals = self
            .points
            .read(move |reader| read(reader.connection()))
            .await?;
        let asked = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let more = approvals.len() > asked;
        approvals.truncate(asked);
        let last = approvals
            .last()
            .map(|record| (record.created_at, *record.id.as_bytes()));
        Ok(ApprovalPage {
            approvals,
            next: last.filter(|_| more),
        })
    }

    async fn record_resolution(&self, resolution: Resolution) -> Result<Resolved, StoreError> {
        check(&resolution)?;
        let follows = match &resolution.then {
            Then::Close(receipt) => Follows::Close {
                leaf: receipt.signed.leaf_hash(),
            },
            Then::Execute(new) => Follows::Execute {
                draft: write::draft_of(new)?,
            },
        };
        self.writer
            .submit(move |tx| resolve(tx, &resolution, &follows))
            .await
    }

    async fn list_expired(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(OrganizationId, ApprovalId)>, StoreError> {
        self.points
            .read(move |reader| {
                all(
                    reader.connection(),
                    sql::LIST_EXPIRED,
                    params![now.unix_micros(), limit],
                    |row| {
                        Ok((
                            rows::id(row, 0, OrganizationId::from_bytes)?,
                            rows::id(row, 1, ApprovalId::from_bytes)?,
                        ))
                    },
                )
            })
            .await
    }
}

fn find(
    connection: &Connection,
    organization: OrganizationId,
    id: ApprovalId,
) -> Result<Option<ApprovalRecord>, Failure> {
    let params = params![organization.as_bytes(), id.as_bytes()];
    first(connection, sql::FIND_APPROVAL, params, rows::approval)
}

/// What is worked out ahead of the transaction.
enum Follows {
    Close { leaf: Sha256 },
    Execute { draft: String },
}

fn resolve(tx: &Tx<'_>, resolution: &Resolution, follows: &Follows) -> Result<Resolved, Failure> {
    let organization = resolution.organization;
    if resolution.seen.is_some() && write::change_number(tx, organization)? != resolution.seen {
        return Ok(Resolved::Stale);
    }
    let Some(mut record) = find(tx, organization, resolution.approval)? else {
        return Ok(Resolved::NotFound);
    };
    if record.revision != resolution.revision || !in_time(&record, resolution) {
        return Ok(Resolved::NotPending(Box::new(record)));
    }
    let Ok(status) = record.status.end(resolution.to) else {
        return Ok(Resolved::NotPending(Box::new(record)));
    };
    record.status = status;
    record.votes.extend(resolution.vote.clone());
    record.decided_by.clone_from(&resolution.decided_by);
    record.decided_at = Some(resolution.at);
    record.note.clone_from(&resolution.note);
    record.blocked_by = resolution.blocked_by;
    record.valid_until = resolution.valid_until;
    match (&resolution.then, follows) {
        (Then::Close(receipt), Follows::Close { leaf }) => {
            record.final_receipt_id = Some(receipt.id);
            write::receipt(tx, organization, receipt, leaf)?;
        }
        (Then::Execute(new), Follows::Execute { draft }) => {
            record.execution = Some(new.id);
            // Its answer belongs to the approval: the call that asked was answered long ago.
            let carries_out = CarriesOut {
                request: record.receipt_id,
                key: None,
            };
            write::execution(tx, organization, new, draft, &carries_out)?;
        }
        _ => return Err(refused("a resolution was not prepared as what it is")),
    }
    write::end_of_approval(tx, organization, &record)?;
    Ok(Resolved::Done(Box::new(record)))
}
