//! Receipts: list, one, verify

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use relynt_api::{CheckOutcome, Checks, Receipt, ReceiptList, Verification};
use relynt_domain::{Decision, InstanceId, RiskLevel, Timestamp};
use relynt_gateway::{
    Principal,
    ports::{Page, ReceiptFilter},
};

use crate::{
    app::{Answer, App, json, raw_json},
    cursor,
    cx::Cx,
    error::Refusal,
    query::Query,
    wire::ToWire as _,
};

const FILTERS: [&str; 11] = [
    "decision",
    "risk_level",
    "agent_id",
    "instance_id",
    "approval_id",
    "action",
    "from",
    "to",
    "search",
    "cursor",
    "limit",
];

/// List receipts
///
/// Newest first. An agent sees its own; `search` is for people.
#[utoipa::path(
    get,
    path = "/v1/receipts",
    operation_id = "listReceipts",
    tag = "receipts",
    security(("agent" = []), ("person" = [])),
    params(
        ("decision" = Option<relynt_api::ReceiptDecision>, Query, description = "What came of it"),
        ("risk_level" = Option<relynt_api::RiskLevel>, Query, description = "How much was at stake"),
        ("agent_id" = Option<String>, Query, description = "The agent", format = "uuid"),
        ("instance_id" = Option<String>, Query, description = "The run of the agent"),
        ("approval_id" = Option<String>, Query, description = "The approval", format = "uuid"),
        ("action" = Option<String>, Query, description = "The operation, exactly"),
        ("from" = Option<String>, Query, description = "Signed at or after", format = "date-time"),
        ("to" = Option<String>, Query, description = "Signed before", format = "date-time"),
        ("search" = Option<String>, Query, description = "Part of action, resource or receipt id, whatever the case", min_length = 1, max_length = 256),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of an earlier answer"),
        ("limit" = Option<u32>, Query, description = "Receipts on a page; 50 if absent", minimum = 1, maximum = 200),
    ),
    responses((status = 200, description = "A page of receipts", body = ReceiptList))
)]
pub(crate) async fn list(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let principal = app.reader(&cx)?;
    let query = cx.query(&FILTERS)?;
    if query.text("search").is_some() && matches!(principal, Principal::Agent(_)) {
        return Err(Refusal::new(
            relynt_api::ErrorCode::Forbidden,
            "the query parameter `search` is for people, with an access token",
        ));
    }
    let filter = filter(&query)?;
    let page = Page {
        after: cursor::place(&query)?,
        limit: cursor::limit(&query)?,
    };
    let page = app.gateway.receipts(&principal, filter, page).await?;
    // Served byte for byte as they were signed.
    let mut body =
        Vec::with_capacity(64 + page.receipts.iter().map(|r| r.len() + 1).sum::<usize>());
    body.extend_from_slice(br#"{"receipts":["#);
    for (at, receipt) in page.receipts.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        body.extend_from_slice(receipt);
    }
    body.extend_from_slice(br#"],"next_cursor":"#);
    match page.next {
        Some(place) => {
            body.push(b'"');
            body.extend_from_slice(cursor::of_place(place).as_bytes());
            body.push(b'"');
        }
        None => body.extend_from_slice(b"null"),
    }
    body.push(b'}');
    Ok(raw_json(StatusCode::OK, body))
}

fn filter(query: &Query) -> Result<ReceiptFilter, Refusal> {
    Ok(ReceiptFilter {
        decision: query.read_with(
            "decision",
            "`allow`, `deny`, `pending_approval` or `error`",
            Decision::from_word,
        )?,
        risk_level: query.read_with(
            "risk_level",
            "`low`, `medium` or `high`",
            RiskLevel::from_word,
        )?,
        agent: query.get("agent_id", "a lowercase UUID")?,
        instance_id: query.read_with("instance_id", "1 to 256 visible characters", |text| {
            InstanceId::new(text).ok()
        })?,
        approval: query.get("approval_id", "a lowercase UUID")?,
        action: query.read_with("action", "1 to 256 characters", |text| {
            (1..=256)
                .contains(&text.chars().count())
                .then(|| text.to_owned())
        })?,
        from: time(query, "from")?,
        to: time(query, "to")?,
        search: query.read_with("search", "1 to 256 characters", |text| {
            (1..=256)
                .contains(&text.chars().count())
                .then(|| text.to_owned())
        })?,
    })
}

fn time(query: &Query, name: &str) -> Result<Option<Timestamp>, Refusal> {
    query.read_with(name, "a time such as `2026-01-31T09:30:00.000Z`", |text| {
        Timestamp::parse(text).ok()
    })
}

/// Read a receipt
///
/// The signed bytes as they are stored.
#[utoipa::path(
    get,
    path = "/v1/receipts/{receipt_id}",
    operation_id = "getReceipt",
    tag = "receipts",
    security(("agent" = []), ("person" = [])),
    params(("receipt_id" = String, Path, description = "The receipt", format = "uuid")),
    responses((status = 200, description = "The receipt", body = Receipt))
)]
pub(crate) async fn get(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let principal = app.reader(&cx)?;
    cx.query(&[])?;
    let receipt = app
        .gateway
        .receipt(&principal, cx.id("receipt_id")?)
        .await?;
    Ok(raw_json(StatusCode::OK, receipt.bytes))
}

/// Verify a receipt
///
/// Recomputes everything from the stored bytes. A receipt that was tampered with is an answer,
/// not an error.
#[utoipa::path(
    get,
    path = "/v1/receipts/{receipt_id}/verify",
    operation_id = "verifyReceipt",
    tag = "receipts",
    security(("agent" = []), ("person" = [])),
    params(("receipt_id" = String, Path, description = "The receipt", format = "uuid")),
    responses((status = 200, description = "What was checked and found", body = Verification))
)]
pub(crate) async fn verify(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let principal = app.reader(&cx)?;
    cx.query(&[])?;
    let verified = app
        .gateway
        .verify_receipt(&principal, cx.id("receipt_id")?)
        .await?;
    json(
        StatusCode::OK,
        &Verification {
            valid: verified.is_valid(),
            reason: verified.reason,
            checks: Checks {
                signature: verified.verification.signature.wire(),
                key: verified.verification.key.wire(),
                columns: verified.columns.wire(),
                log: CheckOutcome::NotChecked,
            },
        },
    )
}
