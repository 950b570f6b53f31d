//! The caller's organization

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use relynt_api::Organization;
use relynt_domain::Role;

use crate::{
    app::{Answer, App, json},
    cx::Cx,
};

/// Read the organization
#[utoipa::path(
    get,
    path = "/v1/organization",
    operation_id = "getOrganization",
    tag = "organization",
    security(("person" = [])),
    responses((status = 200, description = "The organization", body = Organization))
)]
pub(crate) async fn get(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let person = app.person_reading(&cx, Role::Viewer)?;
    cx.query(&[])?;
    let row = app.gateway.organization(&person);
    json(
        StatusCode::OK,
        &Organization {
            organization_id: row.id.to_string(),
            name: row.name.clone(),
            created_at: row.created_at.to_string(),
        },
    )
}
