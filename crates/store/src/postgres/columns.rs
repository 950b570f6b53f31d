//! A group's rows, column by column, as its statements take them.

use relynt_domain::ApprovalId;
use relynt_gateway::ports::Decided;

use super::decision::{Decision, Prepared};
use super::failure::{Failure, refused};
use super::session::Ask;
use super::sql;
use super::values::Id;
use super::write::{ApprovalParams, ExecutionParams};

/// Rows of `calls`.
#[derive(Default)]
pub(super) struct Claims<'a> {
    organization: Vec<Id>,
    agent: Vec<Id>,
    key: Vec<&'a [u8]>,
    digest: Vec<&'a [u8]>,
    receipt: Vec<Id>,
    http_status: Vec<Option<i64>>,
    format: Vec<Option<i64>>,
    body_kept: Vec<bool>,
}

impl<'a> Claims<'a> {
    pub(super) fn push(&mut self, decision: &'a Decision) -> Result<(), Failure> {
        let call = &decision.call;
        let ready = decision
            .ready
            .as_ref()
            .ok_or_else(|| refused("nothing was decided"))?;
        let answer = ready.answer();
        self.organization.push(call.organization.as_bytes().into());
        self.agent.push(call.agent.as_bytes().into());
        self.key.push(&decision.stored_key);
        self.digest.push(&call.request_digest);
        self.receipt.push(ready.receipt().as_bytes().into());
        self.http_status
            .push(answer.map(|answer| answer.http_status.into()));
        self.format.push(answer.map(|answer| answer.format.into()));
        self.body_kept
            .push(answer.is_some_and(|answer| answer.body.is_some()));
        Ok(())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.receipt.is_empty()
    }

    pub(super) fn ask(&self) -> Ask<'_> {
        Ask::new(
            sql::CLAIM_CALLS,
            vec![
                &self.organization,
                &self.agent,
                &self.key,
                &self.digest,
                &self.receipt,
                &self.http_status,
                &self.format,
                &self.body_kept,
            ],
        )
    }
}

/// Rows of everything else.
#[derive(Default)]
pub(super) struct Stored<'a> {
    requests: Requests<'a>,
    receipts: Receipts<'a>,
    approvals: Vec<ApprovalParams<'a>>,
    executions: Vec<ExecutionParams<'a>>,
}

#[derive(Default)]
struct Requests<'a> {
    organization: Vec<Id>,
    receipt: Vec<Id>,
    agent: Vec<Id>,
    key: Vec<&'a [u8]>,
    call_key: Vec<&'a [u8]>,
    body: Vec<&'a [u8]>,
    answer: Vec<Option<&'a [u8]>>,
}

#[derive(Default)]
struct Receipts<'a> {
    organization: Vec<Id>,
    id: Vec<Id>,
    created_at: Vec<i64>,
    agent: Vec<Id>,
    instance_id: Vec<&'a str>,
    approval: Vec<Option<Id>>,
    action: Vec<&'a str>,
    resource: Vec<&'a str>,
    decision: Vec<&'a str>,
    risk_level: Vec<&'a str>,
    bytes: Vec<&'a [u8]>,
    kind: Vec<&'a str>,
    leaf: Vec<&'a [u8]>,
}

impl<'a> Stored<'a> {
    pub(super) fn push(&mut self, decision: &'a Decision) -> Result<(), Failure> {
        let call = &decision.call;
        let ready = decision
            .ready
            .as_ref()
            .ok_or_else(|| refused("nothing was decided"))?;
        let answer = match (&*ready.decided, &ready.prepared) {
            (
                Decided::Close {
                    receipt, approval, ..
                },
                Prepared::Close { leaf, answer },
            ) => {
                let rows = &mut self.receipts;
                rows.organization.push(call.organization.as_bytes().into());
                rows.id.push(receipt.id.as_bytes().into());
                rows.created_at.push(receipt.created_at.unix_micros());
                rows.agent.push(receipt.agent.as_bytes().into());
                rows.instance_id.push(&receipt.instance_id);
                rows.approval.push(
                    receipt
                        .approval
                        .as_ref()
                        .map(|id| ApprovalId::as_bytes(id).into()),
                );
                rows.action.push(&receipt.action);
                rows.resource.push(&receipt.resource);
                rows.decision.push(receipt.decision.as_str());
                rows.risk_level.push(receipt.risk_level.as_str());
                rows.bytes.push(receipt.signed.bytes());
                rows.kind.push("receipt");
                rows.leaf.push(leaf);
                if let Some(new) = approval {
                    self.approvals
                        .push(ApprovalParams::new(call.organization, &new.record));
                }
                answer.as_deref()
            }
            (Decided::Execute(new), Prepared::Execute { draft }) => {
                self.executions.push(ExecutionParams::new(
                    call.organization,
                    new,
                    draft,
                    new.receipt_id,
                    Some(&decision.stored_key),
                ));
                None
            }
            _ => return Err(refused("a decision was not prepared as what it is")),
        };
        let rows = &mut self.requests;
        rows.organization.push(call.organization.as_bytes().into());
        rows.receipt.push(ready.receipt().as_bytes().into());
        rows.agent.push(call.agent.as_bytes().into());
        rows.key.push(&decision.stored_key);
        rows.call_key.push(&decision.sealed.wrapped);
        rows.body.push(&decision.sealed.body);
        rows.answer.push(answer);
        Ok(())
    }

    pub(super) fn asks(&self) -> Vec<Ask<'_>> {
        let mut asks = Vec::new();
        let rows = &self.requests;
        if !rows.receipt.is_empty() {
            asks.push(Ask::new(
                sql::INSERT_REQUESTS,
                vec![
                    &rows.organization,
                    &rows.receipt,
                    &rows.agent,
                    &rows.key,
                    &rows.call_key,
                    &rows.body,
                    &rows.answer,
                ],
            ));
        }
        let rows = &self.receipts;
        if !rows.id.is_empty() {
            asks.push(Ask::new(
                sql::INSERT_RECEIPTS,
                vec![
                    &rows.organization,
                    &rows.id,
                    &rows.created_at,
                    &rows.agent,
                    &rows.instance_id,
                    &rows.approval,
                    &rows.action,
                    &rows.resource,
                    &rows.decision,
                    &rows.risk_level,
                    &rows.bytes,
                ],
            ));
            asks.push(Ask::new(
                sql::QUEUE_LEAVES,
                vec![&rows.organization, &rows.id, &rows.kind, &rows.leaf],
            ));
        }
        asks.extend(self.approvals.iter().map(ApprovalParams::ask));
        asks.extend(self.executions.iter().map(ExecutionParams::ask));
        asks
    }
}
