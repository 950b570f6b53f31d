//! Policies: versions, saved whole and activated

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use relynt_api::{Activation, NewPolicy, Policy, PolicyList};
use relynt_domain::{PolicyVersion, Role};

use crate::{
    app::{Answer, App, json},
    cursor,
    cx::Cx,
    fields::Fields,
    limits::{MANAGEMENT_BODY, POLICIES_BODY},
    wire,
};

/// List policy versions
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/v1/policies",
    operation_id = "listPolicies",
    tag = "policies",
    security(("person" = [])),
    params(
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of an earlier answer"),
        ("limit" = Option<u32>, Query, description = "Versions on a page; 50 if absent", minimum = 1, maximum = 200),
    ),
    responses((status = 200, description = "A page of versions", body = PolicyList))
)]
pub(crate) async fn list(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let person = app.person_reading(&cx, Role::Viewer)?;
    let query = cx.query(&["cursor", "limit"])?;
    let limit = cursor::limit(&query)?;
    let mut views = app
        .gateway
        .policies(&person, cursor::name(&query)?, limit.saturating_add(1))
        .await?;
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = views.len() > most;
    views.truncate(most);
    json(
        StatusCode::OK,
        &PolicyList {
            next_cursor: views
                .last()
                .filter(|_| more)
                .map(|last| cursor::of_name(last.row.version)),
            policies: views.iter().map(wire::policy).collect::<Result<_, _>>()?,
        },
    )
}

/// Save a policy version
///
/// Saved only whole, and only if every rule is right; it decides only once it is activated. At
/// most 10,000 rules and 4 MiB.
#[utoipa::path(
    post,
    path = "/v1/policies",
    operation_id = "createPolicy",
    tag = "policies",
    security(("person" = [])),
    request_body = NewPolicy,
    responses((status = 201, description = "The version", body = Policy))
)]
pub(crate) async fn create(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let person = app.person_managing(&cx, Role::Admin)?;
    cx.query(&[])?;
    let request_id = cx.request_id().to_owned();
    let mut fields = Fields::of(cx.json(POLICIES_BODY, &app.limits).await?)?;
    let rules = fields.required_value("rules");
    let note = fields.remark("note", 1024);
    let (rules, note) = fields.end(rules.map(|rules| (rules, note)))?;
    let gateway = Arc::clone(&app.gateway);
    let view = app
        .to_the_end(async move {
            gateway
                .create_policy(&person, &rules, note.as_deref(), &request_id)
                .await
        })
        .await??;
    json(StatusCode::CREATED, &wire::policy(&view)?)
}

/// Read a policy version
#[utoipa::path(
    get,
    path = "/v1/policies/{version}",
    operation_id = "getPolicy",
    tag = "policies",
    security(("person" = [])),
    params(("version" = String, Path, description = "The version", pattern = "^v[1-9][0-9]*$")),
    responses((status = 200, description = "The version", body = Policy))
)]
pub(crate) async fn get(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let person = app.person_reading(&cx, Role::Viewer)?;
    cx.query(&[])?;
    let view = app.gateway.policy(&person, cx.id("version")?).await?;
    json(StatusCode::OK, &wire::policy(&view)?)
}

/// Activate a policy version
///
/// From now on it decides. Activating an older version is a rollback.
#[utoipa::path(
    post,
    path = "/v1/policies/{version}/activate",
    operation_id = "activatePolicy",
    tag = "policies",
    security(("person" = [])),
    params(("version" = String, Path, description = "The version", pattern = "^v[1-9][0-9]*$")),
    request_body = Option<Activation>,
    responses((status = 200, description = "The version, active", body = Policy))
)]
pub(crate) async fn activate(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let person = app.person_managing(&cx, Role::Admin)?;
    cx.query(&[])?;
    let version = cx.id::<PolicyVersion>("version");
    let request_id = cx.request_id().to_owned();
    let mut fields = Fields::of(cx.optional_json(MANAGEMENT_BODY, &app.limits).await?)?;
    let version = version?;
    let note = fields.remark("note", 1024);
    let acknowledge = fields.boolean("acknowledge").unwrap_or(false);
    fields.end(Some(()))?;
    let gateway = Arc::clone(&app.gateway);
    let view = app
        .to_the_end(async move {
            gateway
                .activate_policy(&person, version, note.as_deref(), acknowledge, &request_id)
                .await
        })
        .await??;
    json(StatusCode::OK, &wire::policy(&view)?)
}
