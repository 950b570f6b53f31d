//! Agents and their credentials

use std::{sync::Arc, time::Duration};

use axum::extract::State;
use http::StatusCode;
use relynt_api::{
    Agent, AgentList, CredentialList, Environment, NewAgent, PatchAgent, Problem, RotatedSecret,
    Rotation as RotationBody,
};
use relynt_domain::{AgentId, Role, UserId};
use relynt_gateway::{AgentDraft, AgentPatch, Rotation};

use crate::{
    app::{Answer, App, json, nothing},
    cursor,
    cx::Cx,
    fields::Fields,
    limits::MANAGEMENT_BODY,
    wire::ToWire,
};

/// List agents
///
/// In the order in which they were registered.
#[utoipa::path(
    get,
    path = "/v1/agents",
    operation_id = "listAgents",
    tag = "agents",
    security(("person" = [])),
    params(
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of an earlier answer"),
        ("limit" = Option<u32>, Query, description = "Agents on a page; 50 if absent", minimum = 1, maximum = 200),
    ),
    responses((status = 200, description = "A page of agents", body = AgentList))
)]
pub(crate) async fn list(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let person = app.person_reading(&cx, Role::Viewer)?;
    let query = cx.query(&["cursor", "limit"])?;
    let limit = usize::try_from(cursor::limit(&query)?).unwrap_or(usize::MAX);
    let mut views = app
        .gateway
        .agents(&person, cursor::name(&query)?, limit.saturating_add(1));
    let more = views.len() > limit;
    views.truncate(limit);
    json(
        StatusCode::OK,
        &AgentList {
            next_cursor: views
                .last()
                .filter(|_| more)
                .map(|last| cursor::of_name(last.agent.id)),
            agents: views.iter().map(ToWire::wire).collect(),
        },
    )
}

/// Register an agent
///
/// It has no credential until the first rotation.
#[utoipa::path(
    post,
    path = "/v1/agents",
    operation_id = "createAgent",
    tag = "agents",
    security(("person" = [])),
    request_body = NewAgent,
    responses(
        (status = 201, description = "The agent", body = Agent),
        (status = 409, description = "The name is taken", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn create(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let person = app.person_managing(&cx, Role::Admin)?;
    cx.query(&[])?;
    let request_id = cx.request_id().to_owned();
    let mut fields = Fields::of(cx.json(MANAGEMENT_BODY, &app.limits).await?)?;
    let name = fields.required_string("name");
    let description = fields.string("description");
    let tags = fields.texts("tags").unwrap_or_default();
    let owner = owner(&mut fields);
    let draft = fields.end(name.map(|name| AgentDraft {
        name,
        description,
        tags,
        owner,
    }))?;
    let gateway = Arc::clone(&app.gateway);
    let view = app
        .to_the_end(async move { gateway.create_agent(&person, draft, &request_id).await })
        .await??;
    json(StatusCode::CREATED, &view.wire())
}

/// Read an agent
#[utoipa::path(
    get,
    path = "/v1/agents/{agent_id}",
    operation_id = "getAgent",
    tag = "agents",
    security(("person" = [])),
    params(("agent_id" = String, Path, description = "The agent", format = "uuid")),
    responses((status = 200, description = "The agent", body = Agent))
)]
pub(crate) async fn get(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let person = app.person_reading(&cx, Role::Viewer)?;
    cx.query(&[])?;
    let view = app.gateway.agent(&person, cx.id("agent_id")?)?;
    json(StatusCode::OK, &view.wire())
}

/// Change an agent
///
/// Changes what the body names; a `description` of null takes it away.
#[utoipa::path(
    patch,
    path = "/v1/agents/{agent_id}",
    operation_id = "updateAgent",
    tag = "agents",
    security(("person" = [])),
    params(("agent_id" = String, Path, description = "The agent", format = "uuid")),
    request_body = PatchAgent,
    responses(
        (status = 200, description = "The agent", body = Agent),
        (status = 409, description = "The name is taken", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn update(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let person = app.person_managing(&cx, Role::Admin)?;
    cx.query(&[])?;
    let (id, request_id) = (cx.id::<AgentId>("agent_id"), cx.request_id().to_owned());
    let mut fields = Fields::of(cx.json(MANAGEMENT_BODY, &app.limits).await?)?;
    let id = id?;
    let describes = fields.is_named("description");
    let name = fields.string("name");
    let description = fields.string("description");
    let tags = fields.texts("tags");
    let owner = owner(&mut fields);
    let patch = fields.end(Some(AgentPatch {
        name,
        description: describes.then_some(description),
        tags,
        owner,
    }))?;
    let gateway = Arc::clone(&app.gateway);
    let view = app
        .to_the_end(async move { gateway.update_agent(&person, id, patch, &request_id).await })
        .await??;
    json(StatusCode::OK, &view.wire())
}

/// Disable an agent
///
/// Its calls are 403 from now on, and its pending approvals are cancelled.
#[utoipa::path(
    post,
    path = "/v1/agents/{agent_id}/disable",
    operation_id = "disableAgent",
    tag = "agents",
    security(("person" = [])),
    params(("agent_id" = String, Path, description = "The agent", format = "uuid")),
    responses((status = 200, description = "The agent", body = Agent))
)]
pub(crate) async fn disable(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let person = app.person_managing(&cx, Role::Admin)?;
    cx.query(&[])?;
    let (id, request_id) = (cx.id::<AgentId>("agent_id")?, cx.request_id().to_owned());
    cx.no_body(&app.limits).await?;
    let gateway = Arc::clone(&app.gateway);
    let view = app
        .to_the_end(async move { gateway.disable_agent(&person, id, &request_id).await })
        .await??;
    json(StatusCode::OK, &view.wire())
}

/// Enable an agent
#[utoipa::path(
    post,
    path = "/v1/agents/{agent_id}/enable",
    operation_id = "enableAgent",
    tag = "agents",
    security(("person" = [])),
    params(("agent_id" = String, Path, description = "The agent", format = "uuid")),
    responses((status = 200, description = "The agent", body = Agent))
)]
pub(crate) async fn enable(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let person = app.person_managing(&cx, Role::Admin)?;
    cx.query(&[])?;
    let (id, request_id) = (cx.id::<AgentId>("agent_id")?, cx.request_id().to_owned());
    cx.no_body(&app.limits).await?;
    let gateway = Arc::clone(&app.gateway);
    let view = app
        .to_the_end(async move { gateway.enable_agent(&person, id, &request_id).await })
        .await??;
    json(StatusCode::OK, &view.wire())
}

/// Rotate an agent's credential
///
/// Gives a new credential, shown this once, and revokes every earlier one: at once, or the last of
/// them after `overlap_seconds`.
#[utoipa::path(
    post,
    path = "/v1/agents/{agent_id}/rotate",
    operation_id = "rotateCredential",
    tag = "agents",
    security(("person" = [])),
    params(("agent_id" = String, Path, description = "The agent", format = "uuid")),
    request_body = Option<RotationBody>,
    responses((status = 200, description = "The new credential", body = RotatedSecret))
)]
pub(crate) async fn rotate(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let person = app.person_managing(&cx, Role::Admin)?;
    cx.query(&[])?;
    let (id, request_id) = (cx.id::<AgentId>("agent_id"), cx.request_id().to_owned());
    let mut fields = Fields::of(cx.optional_json(MANAGEMENT_BODY, &app.limits).await?)?;
    let id = id?;
    let overlap = fields.number("overlap_seconds", 0, 604_800);
    let expires_at = fields.time("expires_at");
    let cancel_pending = fields.boolean("cancel_pending").unwrap_or(false);
    let rotation = fields.end(Some(Rotation {
        overlap: overlap
            .filter(|seconds| *seconds > 0)
            .map(|seconds| Duration::from_secs(seconds.into())),
        expires_at,
        cancel_pending,
    }))?;
    let organization = person.organization();
    let gateway = Arc::clone(&app.gateway);
    let rotated = app
        .to_the_end(async move { gateway.rotate(&person, id, rotation, &request_id).await })
        .await??;
    json(
        StatusCode::OK,
        &RotatedSecret {
            agent_secret: rotated.agent_secret.to_string(),
            credential_id: rotated.credential.to_string(),
            environment: Environment {
                api_base_url: app.public_url.clone(),
                agent_secret: rotated.agent_secret.to_string(),
                agent_id: id.to_string(),
                org_id: organization.to_string(),
            },
        },
    )
}

/// List an agent's credentials
///
/// Newest first, never with their secrets.
#[utoipa::path(
    get,
    path = "/v1/agents/{agent_id}/credentials",
    operation_id = "listCredentials",
    tag = "agents",
    security(("person" = [])),
    params(("agent_id" = String, Path, description = "The agent", format = "uuid")),
    responses((status = 200, description = "All of them", body = CredentialList))
)]
pub(crate) async fn credentials(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let person = app.person_reading(&cx, Role::Viewer)?;
    cx.query(&[])?;
    let views = app.gateway.credentials(&person, cx.id("agent_id")?)?;
    json(
        StatusCode::OK,
        &CredentialList {
            credentials: views.iter().map(ToWire::wire).collect(),
            next_cursor: None,
        },
    )
}

/// Revoke a credential
#[utoipa::path(
    delete,
    path = "/v1/agents/{agent_id}/credentials/{credential_id}",
    operation_id = "revokeCredential",
    tag = "agents",
    security(("person" = [])),
    params(
        ("agent_id" = String, Path, description = "The agent", format = "uuid"),
        ("credential_id" = String, Path, description = "The credential", format = "uuid"),
    ),
    responses((status = 204, description = "It opens nothing any more"))
)]
pub(crate) async fn revoke(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let person = app.person_managing(&cx, Role::Admin)?;
    cx.query(&[])?;
    let (agent, credential) = (cx.id("agent_id")?, cx.id("credential_id")?);
    let request_id = cx.request_id().to_owned();
    cx.no_body(&app.limits).await?;
    let gateway = Arc::clone(&app.gateway);
    app.to_the_end(async move {
        gateway
            .revoke_credential(&person, agent, credential, &request_id)
            .await
    })
    .await??;
    Ok(nothing())
}

fn owner(fields: &mut Fields) -> Option<UserId> {
    fields.text("owner", |text| {
        text.strip_prefix("user:")
            .and_then(|id| id.parse().ok())
            .ok_or("must be a person such as `user:0192f0c1-2345-7abc-8def-0123456789ab`")
    })
}
