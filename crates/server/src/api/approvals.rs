//! Approvals: read and wait, list, decide

use std::{sync::Arc, time::Duration};

use axum::extract::State;
use http::StatusCode;
use relynt_api::{Approval, ApprovalList, Decide, Problem};
use relynt_domain::{ApprovalId, ApprovalStatus, Role, Scope, VoteKind};
use relynt_gateway::{DecideApproval, Principal, ports::Page};

use crate::{
    app::{Answer, App, json},
    cursor,
    cx::Cx,
    error::Refusal,
    fields::Fields,
    limits::MANAGEMENT_BODY,
    wire::{self, Reader},
};

/// Read an approval
///
/// With `wait_ms`, the answer is held until the approval is final (decided, and executed where it
/// is) or the time is up: then the state as it stands. An agent sees its own, without `payload`
/// and `votes`.
#[utoipa::path(
    get,
    path = "/v1/approvals/{approval_id}",
    operation_id = "getApproval",
    tag = "approvals",
    security(("agent" = []), ("person" = [])),
    params(
        ("approval_id" = String, Path, description = "The approval", format = "uuid"),
        ("wait_ms" = Option<u32>, Query, description = "How long to wait until it is final; 0 if absent", maximum = 60_000),
    ),
    responses((status = 200, description = "The approval", body = Approval))
)]
pub(crate) async fn get(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let principal = app.reader(&cx)?;
    let wait_ms = cx.query(&["wait_ms"])?.number("wait_ms", 0, 60_000)?;
    let wait = Duration::from_millis(wait_ms.unwrap_or_default().into());
    let id = cx.id("approval_id")?;
    // Its head holds on to the buffer that it was read into: nobody needs it while they wait.
    drop(cx);
    let view = if wait.is_zero() {
        None
    } else {
        tokio::select! {
            view = Box::pin(app.gateway.approval(&principal, id, wait)) => Some(view?),
            // Nobody is held beyond a stop.
            () = app.background.stopping() => None,
        }
    };
    // Boxed, like the wait: only one of the two needs room.
    let view = match view {
        Some(view) => view,
        None => Box::pin(app.gateway.approval(&principal, id, Duration::ZERO)).await?,
    };
    let reader = match principal {
        Principal::Agent(_) => Reader::Agent,
        Principal::Person(_) => Reader::Person,
    };
    json(StatusCode::OK, &wire::approval(&view, reader)?)
}

/// List approvals
///
/// Newest first. For people.
#[utoipa::path(
    get,
    path = "/v1/approvals",
    operation_id = "listApprovals",
    tag = "approvals",
    security(("person" = [])),
    params(
        ("status" = Option<relynt_api::ApprovalStatus>, Query, description = "In this state"),
        ("agent_id" = Option<String>, Query, description = "Of this agent", format = "uuid"),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of an earlier answer"),
        ("limit" = Option<u32>, Query, description = "Approvals on a page; 50 if absent", minimum = 1, maximum = 200),
    ),
    responses((status = 200, description = "A page of approvals", body = ApprovalList))
)]
pub(crate) async fn list(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let person = app.person_reading(&cx, Role::Viewer)?;
    let query = cx.query(&["status", "agent_id", "cursor", "limit"])?;
    let status = query.read_with(
        "status",
        "`pending`, `approved`, `denied`, `expired` or `cancelled`",
        ApprovalStatus::from_word,
    )?;
    let agent = query.get("agent_id", "a lowercase UUID")?;
    let page = Page {
        after: cursor::place(&query)?,
        limit: cursor::limit(&query)?,
    };
    let (views, next) = app.gateway.approvals(&person, status, agent, page).await?;
    json(
        StatusCode::OK,
        &ApprovalList {
            approvals: views
                .iter()
                .map(|view| wire::approval(view, Reader::Person))
                .collect::<Result<_, _>>()?,
            next_cursor: next.map(cursor::of_place),
        },
    )
}

/// Decide an approval
///
/// Needs the role Approver or above and the scope `approvals:decide`. The first decision wins; a
/// later one is 409. Where a connector performs the action, the answer's `execution` is pending.
#[utoipa::path(
    post,
    path = "/v1/approvals/{approval_id}/decision",
    operation_id = "decideApproval",
    tag = "approvals",
    security(("person" = [])),
    params(("approval_id" = String, Path, description = "The approval", format = "uuid")),
    request_body = Decide,
    responses(
        (status = 200, description = "The approval, decided", body = Approval),
        (status = 409, description = "It was decided already, another revision is pending, or what it was bound to changed", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn decide(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let person = app.person(&cx)?;
    person.require(Role::Approver, Scope::ApprovalsDecide)?;
    cx.query(&[])?;
    let approval = cx.id("approval_id");
    let body = cx.json(MANAGEMENT_BODY, &app.limits).await?;
    let vote = vote(approval?, body)?;
    let id = vote.approval;
    let (gateway, background) = (Arc::clone(&app.gateway), app.background.clone());
    let view = app
        .to_the_end(async move {
            let tail = gateway.decide_approval(&person, vote).await?;
            if let Some(tail) = tail {
                let carrying = Arc::clone(&gateway);
                // Its intent is durable: it is carried out, at once if there is no place beside.
                let (hand_over, handed) = tokio::sync::oneshot::channel();
                let carry = async move {
                    if let Ok(tail) = handed.await {
                        carrying.carry_out_tail(tail).await;
                    }
                };
                match background.detached(carry) {
                    Ok(_) => drop(hand_over.send(tail)),
                    Err(_) => gateway.carry_out_tail(tail).await,
                }
            }
            let principal = Principal::Person(person);
            Ok::<_, Refusal>(gateway.approval(&principal, id, Duration::ZERO).await?)
        })
        .await??;
    json(StatusCode::OK, &wire::approval(&view, Reader::Person)?)
}

fn vote(approval: ApprovalId, body: relynt_json::Value) -> Result<DecideApproval, Refusal> {
    let mut fields = Fields::of(body)?;
    let vote = fields.required_text("decision", |text| {
        VoteKind::from_word(text).ok_or("must be `approve` or `deny`")
    });
    let revision = fields.number("revision", 1, u32::MAX);
    let note = fields.remark("note", 1024);
    fields.end(vote.map(|vote| DecideApproval {
        approval,
        vote,
        revision,
        note,
    }))
}
