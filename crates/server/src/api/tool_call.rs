//! `POST /v1/agent-tool-call`: the one call that an agent makes before it acts

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use relynt_api::{Problem, ToolCall, ToolCallAnswer};
use relynt_domain::{IdempotencyKey, ToolCallDraft};
use relynt_gateway::{Intake, Submitted};

use crate::{
    app::{Answer, App, raw_json},
    cx::{Cx, parse},
    envelope::Complete,
    error::{PROBLEM_JSON, Refusal},
    limits::TOOL_CALL_BODY,
    trace,
};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Ask before acting
///
/// Decides an action under the active policy, records the decision in a signed receipt, and
/// carries an allowed action out where a connector does. A repeated call with the same key is
/// answered as the first was, and nothing is done again.
#[utoipa::path(
    post,
    path = "/v1/agent-tool-call",
    operation_id = "submitToolCall",
    tag = "calls",
    security(("agent" = [])),
    params(("Idempotency-Key" = String, Header,
        description = "What makes a retry the same call: 1 to 255 visible ASCII characters",
        min_length = 1, max_length = 255)),
    request_body = ToolCall,
    responses(
        (status = 200, description = "Decided: allow, deny or pending_approval", body = ToolCallAnswer,
            headers(("Idempotency-Replayed" = String, description = "`true` if it was answered before"))),
        (status = 409, description = "The key was used with other parameters, or its first call has not finished", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The policy could not be evaluated", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "Allowed, but the execution failed or its outcome is not known", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn submit(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let caller = app.agent(&cx)?;
    cx.query(&[])?;
    let key = key(cx.headers());
    let traceparent = trace::parent(cx.headers());
    let (notes, request_id) = (Arc::clone(&cx.notes), cx.request_id().to_owned());
    let body = cx.bytes(TOOL_CALL_BODY, &app.limits).await?;
    // Only now: whoever is slow to send, or may not, holds nobody else up.
    let place = app.place()?;
    let body = parse(&body)?;
    let key = key?;
    let draft = ToolCallDraft::from_body(body).map_err(Refusal::faults)?;
    let instance_id = draft
        .instance_id
        .clone()
        .ok_or_else(|| Refusal::bad_request("`instance_id` is missing"))?;
    let intake = Intake {
        draft,
        instance_id,
        key,
        request_id,
        traceparent,
        place,
    };
    let gateway = Arc::clone(&app.gateway);
    let submitted = app
        .to_the_end(async move { gateway.submit(caller, intake).await })
        .await??;
    notes.note(|noted| {
        noted.decision = Some(submitted.decision.as_str());
        noted.receipt_id = Some(submitted.receipt_id.clone());
        noted.replayed = submitted.replayed;
    });
    Ok(render(submitted))
}

/// Exactly one key, taken verbatim.
fn key(headers: &HeaderMap) -> Result<IdempotencyKey, Refusal> {
    let mut keys = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = keys.next() else {
        return Err(Refusal::bad_request(
            "the header `Idempotency-Key` is missing",
        ));
    };
    if keys.next().is_some() {
        return Err(Refusal::bad_request(
            "the header `Idempotency-Key` is given twice",
        ));
    }
    IdempotencyKey::new(key.as_bytes())
        .map_err(|why| Refusal::bad_request(format!("the header `Idempotency-Key` {why}")))
}

fn render(submitted: Submitted) -> Response {
    let status =
        StatusCode::from_u16(submitted.http_status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = raw_json(status, submitted.body);
    if status != StatusCode::OK {
        response.extensions_mut().insert(Complete);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, PROBLEM_JSON);
    }
    if submitted.replayed {
        response
            .headers_mut()
            .insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
