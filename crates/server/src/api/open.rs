//! What needs no login: health, readiness, public keys, the document, the first page

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use http::{HeaderValue, StatusCode, header};
use relynt_api::{CheckOutcome, Health, KeySet, Readiness, ReadinessChecks};
use relynt_gateway::NotReady;

use crate::{
    app::{Answer, App, json, raw_json},
    cx::Cx,
    envelope::Complete,
};

/// The gateway's version.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Whether the process answers
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "getHealth",
    tag = "operation",
    responses((status = 200, description = "It does", body = Health))
)]
pub(crate) async fn health(cx: Cx) -> Answer {
    cx.query(&[])?;
    json(
        StatusCode::OK,
        &Health {
            status: "ok".to_owned(),
            version: VERSION.to_owned(),
        },
    )
}

/// Whether the gateway can decide
///
/// The store takes a write, the signer signs, the policies are loaded.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "getReadiness",
    tag = "operation",
    responses(
        (status = 200, description = "It can", body = Readiness),
        (status = 503, description = "It cannot; the body says what is missing", body = Readiness),
    )
)]
pub(crate) async fn readiness(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    cx.query(&[])?;
    let checked = app.gateway.check_ready().await;
    let (ok, failed, unknown) = (
        CheckOutcome::Ok,
        CheckOutcome::Failed,
        CheckOutcome::NotChecked,
    );
    let (store, signer, policies) = match &checked {
        Ok(()) => (ok, ok, ok),
        Err(NotReady::Store(_)) => (failed, unknown, unknown),
        Err(NotReady::Signer) => (ok, failed, unknown),
        Err(NotReady::NoOrganization | NotReady::Policies) => (ok, ok, failed),
    };
    let detail = checked.as_ref().err().map(|why| match why {
        // What exactly is wrong with it is for the log.
        NotReady::Store(error) => {
            tracing::warn!("not ready: {error}");
            "the store cannot be written".to_owned()
        }
        NotReady::Signer | NotReady::NoOrganization | NotReady::Policies => why.to_string(),
    });
    let status = match checked {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = json(
        status,
        &Readiness {
            ready: checked.is_ok(),
            detail,
            checks: ReadinessChecks {
                store,
                signer,
                policies,
            },
        },
    )?;
    response.extensions_mut().insert(Complete);
    Ok(response)
}

/// Read the public keys
///
/// Whoever has them can verify receipts without asking the gateway.
#[utoipa::path(
    get,
    path = "/.well-known/relynt-keys.json",
    operation_id = "getKeys",
    tag = "operation",
    responses((status = 200, description = "The keys, old ones included", body = KeySet))
)]
pub(crate) async fn keys(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    cx.query(&[])?;
    let keys = app.gateway.published_keys().to_value().to_canonical();
    Ok(cached(raw_json(StatusCode::OK, keys), "public, max-age=60"))
}

/// The first page: version and where to read on.
pub(crate) async fn page() -> Response {
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Relynt {VERSION}</title>\n\
         </head>\n<body>\n<h1>Relynt {VERSION}</h1>\n\
         <p>The authorization gateway for AI agents. It runs.</p>\n<ul>\n\
         <li><a href=\"/openapi.json\">The API, as OpenAPI 3.1</a></li>\n\
         <li><a href=\"/.well-known/relynt-keys.json\">Public keys of the receipts</a></li>\n\
         <li><a href=\"/readyz\">Readiness</a></li>\n\
         <li><a href=\"https://github.com/relynt/relynt/tree/main/docs\">Documentation</a></li>\n\
         </ul>\n</body>\n</html>\n"
    );
    let mut response = page.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
    response
}

/// The same with its lifetime in caches.
pub(crate) fn cached(mut response: Response, control: &'static str) -> Response {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static(control));
    response
}
