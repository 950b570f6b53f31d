//! Personal access tokens

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use relynt_api::{NewToken, ShownToken, TokenList};
use relynt_domain::{Role, Scope, Scopes};
use relynt_gateway::TokenDraft;

use crate::{
    app::{Answer, App, json, nothing},
    cursor,
    cx::Cx,
    fields::Fields,
    limits::MANAGEMENT_BODY,
    wire::ToWire,
};

/// List tokens
///
/// One's own; Owner and Admin see all of the organization.
#[utoipa::path(
    get,
    path = "/v1/tokens",
    operation_id = "listTokens",
    tag = "tokens",
    security(("person" = [])),
    params(
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of an earlier answer"),
        ("limit" = Option<u32>, Query, description = "Tokens on a page; 50 if absent", minimum = 1, maximum = 200),
    ),
    responses((status = 200, description = "A page of tokens", body = TokenList))
)]
pub(crate) async fn list(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let person = app.person_reading(&cx, Role::Viewer)?;
    let query = cx.query(&["cursor", "limit"])?;
    let limit = usize::try_from(cursor::limit(&query)?).unwrap_or(usize::MAX);
    let mut views = app
        .gateway
        .tokens(&person, cursor::name(&query)?, limit.saturating_add(1));
    let more = views.len() > limit;
    views.truncate(limit);
    json(
        StatusCode::OK,
        &TokenList {
            next_cursor: views
                .last()
                .filter(|_| more)
                .map(|last| cursor::of_name(last.token.id)),
            tokens: views.iter().map(ToWire::wire).collect(),
        },
    )
}

/// Make a token
///
/// Of the caller, and not above the caller's own role and scopes. Its text is shown this once.
#[utoipa::path(
    post,
    path = "/v1/tokens",
    operation_id = "createToken",
    tag = "tokens",
    security(("person" = [])),
    request_body = NewToken,
    responses((status = 201, description = "The token with its text", body = ShownToken))
)]
pub(crate) async fn create(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let person = app.person_managing(&cx, Role::Viewer)?;
    cx.query(&[])?;
    let request_id = cx.request_id().to_owned();
    let mut fields = Fields::of(cx.json(MANAGEMENT_BODY, &app.limits).await?)?;
    let name = fields.required_string("name");
    let role = fields.required_text("role", |text| {
        Role::from_word(text).ok_or("must be `owner`, `admin`, `approver` or `viewer`")
    });
    let scopes = scopes(&mut fields);
    let expires_at = fields.time("expires_at");
    let draft = fields.end(name.zip(role).map(|(name, role)| TokenDraft {
        name,
        role,
        scopes,
        expires_at,
    }))?;
    let gateway = Arc::clone(&app.gateway);
    let shown = app
        .to_the_end(async move { gateway.create_token(&person, draft, &request_id).await })
        .await??;
    let token = shown.view.wire();
    json(
        StatusCode::CREATED,
        &ShownToken {
            token_id: token.token_id,
            name: token.name,
            role: token.role,
            scopes: token.scopes,
            created_at: token.created_at,
            last_used_at: token.last_used_at,
            expires_at: token.expires_at,
            token: shown.text.to_string(),
        },
    )
}

fn scopes(fields: &mut Fields) -> Option<Scopes> {
    let texts = fields.texts("scopes")?;
    let scopes: Option<Vec<Scope>> = texts.iter().map(|text| Scope::from_word(text)).collect();
    match scopes {
        Some(scopes) if !scopes.is_empty() => Some(scopes.into_iter().collect()),
        _ => {
            fields.fault(
                "scopes",
                "`scopes` must be a list of `read`, `manage`, `approvals:decide`, `log:read`",
            );
            None
        }
    }
}

/// Revoke a token
///
/// One's own; Owner and Admin any.
#[utoipa::path(
    delete,
    path = "/v1/tokens/{token_id}",
    operation_id = "revokeToken",
    tag = "tokens",
    security(("person" = [])),
    params(("token_id" = String, Path, description = "The token", format = "uuid")),
    responses((status = 204, description = "It opens nothing any more"))
)]
pub(crate) async fn revoke(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let person = app.person_managing(&cx, Role::Viewer)?;
    cx.query(&[])?;
    let id = cx.id("token_id")?;
    let request_id = cx.request_id().to_owned();
    cx.no_body(&app.limits).await?;
    let gateway = Arc::clone(&app.gateway);
    app.to_the_end(async move { gateway.revoke_token(&person, id, &request_id).await })
        .await??;
    Ok(nothing())
}
