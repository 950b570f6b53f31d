//! Executions: one, as it is now

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use relynt_api::Execution;

use crate::{
    app::{Answer, App, json},
    cx::Cx,
    wire::ToWire as _,
};

/// Read an execution
///
/// As it is now; an agent sees its own.
#[utoipa::path(
    get,
    path = "/v1/executions/{execution_id}",
    operation_id = "getExecution",
    tag = "executions",
    security(("agent" = []), ("person" = [])),
    params(("execution_id" = String, Path, description = "The execution", format = "uuid")),
    responses((status = 200, description = "The execution", body = Execution))
)]
pub(crate) async fn get(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let principal = app.reader(&cx)?;
    cx.query(&[])?;
    let execution = app
        .gateway
        .execution(&principal, cx.id("execution_id")?)
        .await?;
    json(StatusCode::OK, &execution.wire())
}
