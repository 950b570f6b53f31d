//! Connectors: who performs an allowed action

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use relynt_api::{Connector, ConnectorList, NewConnector, PatchConnector, Problem};
use relynt_domain::{ConnectorId, Role};

use crate::{
    app::{Answer, App, json, nothing},
    cx::Cx,
    limits::MANAGEMENT_BODY,
    wire,
};

/// List connectors
///
/// In their order: the first whose patterns match performs the action.
#[utoipa::path(
    get,
    path = "/v1/connectors",
    operation_id = "listConnectors",
    tag = "connectors",
    security(("person" = [])),
    responses((status = 200, description = "All of them", body = ConnectorList))
)]
pub(crate) async fn list(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let person = app.person_reading(&cx, Role::Approver)?;
    cx.query(&[])?;
    let connectors = app.gateway.connectors(&person);
    json(
        StatusCode::OK,
        &ConnectorList {
            connectors: connectors
                .iter()
                .map(wire::connector)
                .collect::<Result<_, _>>()?,
            next_cursor: None,
        },
    )
}

/// Create a connector
///
/// Header values are secrets: sealed, never shown again.
#[utoipa::path(
    post,
    path = "/v1/connectors",
    operation_id = "createConnector",
    tag = "connectors",
    security(("person" = [])),
    request_body = NewConnector,
    responses(
        (status = 201, description = "The connector", body = Connector),
        (status = 409, description = "The name is taken", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let person = app.person_managing(&cx, Role::Admin)?;
    cx.query(&[])?;
    let request_id = cx.request_id().to_owned();
    let body = cx.json(MANAGEMENT_BODY, &app.limits).await?;
    let gateway = Arc::clone(&app.gateway);
    let record = app
        .to_the_end(async move { gateway.create_connector(&person, &body, &request_id).await })
        .await??;
    json(StatusCode::CREATED, &wire::connector(&record)?)
}

/// Read a connector
#[utoipa::path(
    get,
    path = "/v1/connectors/{connector_id}",
    operation_id = "getConnector",
    tag = "connectors",
    security(("person" = [])),
    params(("connector_id" = String, Path, description = "The connector", format = "uuid")),
    responses((status = 200, description = "The connector", body = Connector))
)]
pub(crate) async fn get(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let person = app.person_reading(&cx, Role::Approver)?;
    cx.query(&[])?;
    let record = app.gateway.connector(&person, cx.id("connector_id")?)?;
    json(StatusCode::OK, &wire::connector(&record)?)
}

/// Change a connector
///
/// Changes what the body names. The mask `********` keeps a header's value; another origin drops
/// every value that is not given anew.
#[utoipa::path(
    patch,
    path = "/v1/connectors/{connector_id}",
    operation_id = "updateConnector",
    tag = "connectors",
    security(("person" = [])),
    params(("connector_id" = String, Path, description = "The connector", format = "uuid")),
    request_body = PatchConnector,
    responses(
        (status = 200, description = "The connector", body = Connector),
        (status = 409, description = "The name is taken", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn update(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let person = app.person_managing(&cx, Role::Admin)?;
    cx.query(&[])?;
    let id = cx.id::<ConnectorId>("connector_id");
    let request_id = cx.request_id().to_owned();
    let body = cx.json(MANAGEMENT_BODY, &app.limits).await?;
    let id = id?;
    let gateway = Arc::clone(&app.gateway);
    let record = app
        .to_the_end(async move {
            gateway
                .update_connector(&person, id, &body, &request_id)
                .await
        })
        .await??;
    json(StatusCode::OK, &wire::connector(&record)?)
}

/// Delete a connector
///
/// What it would have performed goes to the next that matches, or to the agent.
#[utoipa::path(
    delete,
    path = "/v1/connectors/{connector_id}",
    operation_id = "deleteConnector",
    tag = "connectors",
    security(("person" = [])),
    params(("connector_id" = String, Path, description = "The connector", format = "uuid")),
    responses((status = 204, description = "It is gone"))
)]
pub(crate) async fn delete(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let person = app.person_managing(&cx, Role::Admin)?;
    cx.query(&[])?;
    let id = cx.id::<ConnectorId>("connector_id")?;
    let request_id = cx.request_id().to_owned();
    cx.no_body(&app.limits).await?;
    let gateway = Arc::clone(&app.gateway);
    app.to_the_end(async move { gateway.delete_connector(&person, id, &request_id).await })
        .await??;
    Ok(nothing())
}
