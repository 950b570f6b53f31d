//! The API: its routes, and the document that describes them
//!
//! Router and document come from the same annotations: what is not in the one is not in the other.

use std::sync::Arc;

use axum::{Router, extract::State, routing::get};
use http::Method;
use utoipa::openapi::{HttpMethod, OpenApi};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    app::{Answer, App, raw_json},
    cx::Cx,
    openapi,
    routes::{Direct, Routes},
};

mod agents;
mod approvals;
mod connectors;
mod executions;
mod open;
mod organization;
mod policies;
mod receipts;
mod simulator;
mod tokens;
mod tool_call;

fn described() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(openapi::frame())
        .routes(routes!(tool_call::submit))
        .routes(routes!(simulator::simulate))
        .routes(routes!(approvals::list))
        .routes(routes!(approvals::get))
        .routes(routes!(approvals::decide))
        .routes(routes!(receipts::list))
        .routes(routes!(receipts::get))
        .routes(routes!(receipts::verify))
        .routes(routes!(executions::get))
        .routes(routes!(agents::list, agents::create))
        .routes(routes!(agents::get, agents::update))
        .routes(routes!(agents::disable))
        .routes(routes!(agents::enable))
        .routes(routes!(agents::rotate))
        .routes(routes!(agents::credentials))
        .routes(routes!(agents::revoke))
        .routes(routes!(policies::list, policies::create))
        .routes(routes!(policies::get))
        .routes(routes!(policies::activate))
        .routes(routes!(connectors::list, connectors::create))
        .routes(routes!(
            connectors::get,
            connectors::update,
            connectors::delete
        ))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(organization::get))
        .routes(routes!(open::health))
        .routes(routes!(open::readiness))
        .routes(routes!(open::keys))
}

/// Everything that the gateway serves.
pub(crate) fn routes(app: Arc<App>) -> Routes {
    let direct = vec![
        direct::<tool_call::__path_submit, _>(&app, tool_call::submit),
        direct::<simulator::__path_simulate, _>(&app, simulator::simulate),
        direct::<approvals::__path_get, _>(&app, approvals::get),
    ];
    Routes::new(router(app), direct.into_iter().flatten().collect())
}

/// The routes of an annotation, to be matched before the router.
fn direct<P: utoipa::Path, F>(app: &Arc<App>, handler: fn(State<Arc<App>>, Cx) -> F) -> Vec<Direct>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let known = P::methods().into_iter().filter_map(|method| {
        let method = match method {
            HttpMethod::Get => Method::GET,
            HttpMethod::Post => Method::POST,
            // The router has it.
            _ => return None,
        };
        let state = Arc::clone(app);
        let serve = move |cx| handler(State(Arc::clone(&state)), cx);
        Some(Direct::new(method, &P::path(), &app.metrics, serve))
    });
    known.collect()
}

fn router(app: Arc<App>) -> Router {
    let (router, document) = described().split_for_parts();
    let document: bytes::Bytes = text(&openapi::finish(document)).into();
    router
        .route(
            "/openapi.json",
            get(move || {
                let answer = raw_json(http::StatusCode::OK, document.clone());
                std::future::ready(open::cached(answer, "public, max-age=60"))
            }),
        )
        .route("/", get(open::page))
        .with_state(app)
}

/// The document that describes the API: OpenAPI 3.1.
pub fn openapi_document() -> String {
    text(&openapi::finish(described().split_for_parts().1))
}

fn text(document: &OpenApi) -> String {
    // The document is made of texts, numbers and lists: writing it does not fail.
    document.to_pretty_json().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::extract::State;

    use super::{App, Cx, approvals, simulator, tool_call};

    fn size<F: Future>(_: fn(State<Arc<App>>, Cx) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn what_a_request_holds_while_it_waits_is_bounded() {
        // Ten thousand may wait for an approval, so many kilobytes each.
        let sizes = [
            size(approvals::get),
            size(tool_call::submit),
            size(simulator::simulate),
        ];
        for (size, most) in sizes.into_iter().zip([2048, 2048, 2048]) {
            assert!(size <= most, "{sizes:?}");
        }
    }
}
