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

use super::failure::{Failure, refused};
use super::session::{Ask, Session};
use super::stored_call::SealedRow;
use super::values::{Id, Param, id};
use super::write::{self, ExecutionParams};
use super::{PostgresStore, rows, sql};
use crate::keys::about;
use crate::resolution::{check, in_time};
use crate::texts::split_request;

#[async_trait]
impl Approvals for PostgresStore {
    async fn find_approval(
        &self,
        organization: OrganizationId,
        approval: ApprovalId,
    ) -> Result<Option<ApprovalRecord>, StoreError> {
        self.run(async move |core| {
            let (of, approval) = (
                Id::from(organization.as_bytes()),
                Id::from(approval.as_bytes()),
            );
            let ask = Ask::new(sql::FIND_APPROVAL, vec![&of, &approval]);
            let row = core.first(organization, ask).await?;
            row.as_ref().map(rows::approval).transpose()
        })
        .await
    }

    async fn find_request(
        &self,
        organization: OrganizationId,
        receipt: ReceiptId,
    ) -> Result<Option<Request>, StoreError> {
        let row = self
            .run(async move |core| {
                let (of, id) = (
                    Id::from(organization.as_bytes()),
                    Id::from(receipt.as_bytes()),
                );
                let ask = Ask::new(sql::FIND_REQUEST, vec![&of, &id]);
                let row = core.first(organization, ask).await?;
                row.map(|row| SealedRow::read(&row, 0)).transpose()
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
        let row = self.sealed_response(organization, execution).await?;
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
        let mut approvals = self
            .run(async move |core| {
                let of = Id::from(organization.as_bytes());
                let (after, id) = start_of(&page);
                // One more than asked for says whether there is more.
                let limit = i64::from(page.limit) + 1;
                let status = status.map(ApprovalStatus::as_str);
                let agent = agent.map(|agent| Id::from(agent.as_bytes()));
                let mut params: Vec<Param<'_>> = vec![&of, &after, &id];
                let sql = match (&agent, &status) {
                    (None, None) => sql::LIST_APPROVALS,
                    (None, Some(status)) => {
                        params.push(status);
                        sql::LIST_APPROVALS_OF_STATUS
                    }
                    (Some(agent), None) => {
                        params.push(agent);
                        sql::LIST_APPROVALS_OF_AGENT
                    }
                    (Some(agent), Some(status)) => {
                        params.push(agent);
                        params.push(status);
                        sql::LIST_APPROVALS_OF_BOTH
                    }
                };
                params.push(&limit);
                let rows = core.all(organization, Ask::new(sql, params)).await?;
                rows.iter()
                    .map(rows::approval)
                    .collect::<Result<Vec<_>, _>>()
            })
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
        self.run(async move |core| {
            core.write_once(
                resolution.organization,
                async |tx| resolve(tx, &resolution, &follows).await,
                async |tx| resolved(tx, &resolution).await,
            )
            .await
        })
        .await
    }

    async fn list_expired(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<(OrganizationId, ApprovalId)>, StoreError> {
        self.run(async move |core| {
            let (now, limit) = (now.unix_micros(), i64::from(limit));
            let rows = core
                .look_up(Ask::new(sql::LIST_EXPIRED, vec![&now, &limit]))
                .await?;
            let read = |row| {
                Ok((
                    id(row, 0, OrganizationId::from_bytes)?,
                    id(row, 1, ApprovalId::from_bytes)?,
                ))
            };
            rows.iter().map(read).collect()
        })
        .await
    }
}

/// Where a list begins: below the item that the page goes on after, or below everything.
pub(super) fn start_of(page: &Page) -> (i64, Id) {
    page.after.map_or((i64::MAX, Id([0xff; 16])), |(at, id)| {
        (at.unix_micros(), Id(id))
    })
}

/// What is worked out ahead of the transaction.
enum Follows {
    Close { leaf: Sha256 },
    Execute { draft: String },
}

/// The approval, if it has ended by this resolution.
async fn resolved(tx: &Session, resolution: &Resolution) -> Result<Option<Resolved>, Failure> {
    let (of, approval) = (
        Id::from(resolution.organization.as_bytes()),
        Id::from(resolution.approval.as_bytes()),
    );
    let row = tx.first(sql::FIND_APPROVAL, &[&of, &approval]).await?;
    let record = row.as_ref().map(rows::approval).transpose()?;
    let ours = |record: &ApprovalRecord| match &resolution.then {
        Then::Close(receipt) => record.final_receipt_id == Some(receipt.id),
        Then::Execute(new) => record.execution == Some(new.id),
    };
    Ok(record
        .filter(ours)
        .map(|record| Resolved::Done(Box::new(record))))
}

async fn resolve(
    tx: &Session,
    resolution: &Resolution,
    follows: &Follows,
) -> Result<Resolved, Failure> {
    let organization = resolution.organization;
    if resolution.seen.is_some() && write::change_number(tx, organization).await? != resolution.seen
    {
        return Ok(Resolved::Stale);
    }
    let (of, approval) = (
        Id::from(organization.as_bytes()),
        Id::from(resolution.approval.as_bytes()),
    );
    // Locked: of two resolutions at once, the second sees what the first has made of it.
    let row = tx.first(sql::LOCK_APPROVAL, &[&of, &approval]).await?;
    let Some(mut record) = row.as_ref().map(rows::approval).transpose()? else {
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
            write::receipt(tx, organization, receipt, leaf).await?;
        }
        (Then::Execute(new), Follows::Execute { draft }) => {
            record.execution = Some(new.id);
            // Its answer belongs to the approval: the call that asked was answered long ago.
            let params = ExecutionParams::new(organization, new, draft, record.receipt_id, None);
            tx.ask(vec![params.ask()]).await?;
        }
        _ => return Err(refused("a resolution was not prepared as what it is")),
    }
    write::end_of_approval(tx, organization, &record).await?;
    Ok(Resolved::Done(Box::new(record)))
}
