//! Around every request: its id, its time, its log line; and every error a problem
//!
//! The router below never renders an error: handlers leave a [`Refusal`], the router itself leaves
//! bare statuses, a panic leaves nothing. All three become problems here.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{body::Body, response::IntoResponse as _};
use futures_util::FutureExt as _;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::{
    body,
    cx::Carried,
    error::Refusal,
    limits::Limits,
    metrics::{Metrics, RouteMetrics},
    notes::Notes,
    request_id::{X_REQUEST_ID, sent},
    routes::Routes,
};

/// An error's answer that is complete as it is: a stored one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Complete;

/// The routes with all that is around them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Envelope(Arc<Inner>);

struct Inner {
    routes: Routes,
    fresh_id: Arc<dyn Fn() -> String + Send + Sync>,
    limits: Arc<Limits>,
    metrics: Arc<Metrics>,
    /// Of what no route knows.
    unmatched: Arc<RouteMetrics>,
}

impl Envelope {
    pub(crate) fn new(
        routes: Routes,
        fresh_id: Arc<dyn Fn() -> String + Send + Sync>,
        limits: Arc<Limits>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self(Arc::new(Inner {
            routes,
            fresh_id,
            limits,
            unmatched: metrics.route("unmatched"),
            metrics,
        }))
    }

    /// Answers a request. Always with an answer, and always with its id.
    pub(crate) async fn answer(self, request: Request<Incoming>) -> Response<Body> {
        let Self(inner) = self;
        let (parts, body) = request.into_parts();
        let request_id = sent(&parts.headers).map_or_else(|| (inner.fresh_id)(), ToOwned::to_owned);
        let notes = Arc::new(Notes::new(request_id));
        let method = parts.method.clone();
        let (lent, rest) = body::lend(&parts.headers, body);
        let carried = Carried {
            notes: Arc::clone(&notes),
            body: lent,
        };
        let (answering, route) = inner.routes.answer(parts, carried);
        let mut line = Line {
            notes: Arc::clone(&notes),
            method: method.clone(),
            inner: Arc::clone(&inner),
            route,
            began: Instant::now(),
            status: None,
        };
        let answered = AssertUnwindSafe(answering).catch_unwind().await;
        let mut response = answered.unwrap_or_else(|_| {
            tracing::error!(
                request_id = notes.request_id,
                "a handler panicked; the request is answered with 500"
            );
            Refusal::internal().into_response()
        });
        if response.status().as_u16() >= 400 {
            response = problem(&method, response, &notes.request_id);
            let closes = response.headers().contains_key(header::CONNECTION);
            if let Some(rest) = rest.filter(|rest| !closes && rest.is_left()) {
                // Boxed: it is rare, and its room would be kept for every request.
                Box::pin(inner.drain(rest)).await;
            }
        }
        let headers = response.headers_mut();
        // The id is ours or was found sane, so that it always is a header's value.
        if let Ok(id) = HeaderValue::from_str(&notes.request_id) {
            headers.insert(X_REQUEST_ID, id);
        }
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        line.status = Some(response.status());
        response
    }
}

impl Inner {
    /// Takes what the client still sends, so that it can read why it was refused.
    async fn drain(&self, rest: body::Rest) {
        let time = self.limits.body_idle.min(Duration::from_secs(2));
        rest.drain(1024 * 1024, time).await;
    }
}

/// The problem for an error, or the answer to `OPTIONS`.
fn problem(method: &Method, mut response: Response<Body>, request_id: &str) -> Response<Body> {
    if response.extensions().get::<Complete>().is_some() {
        return response;
    }
    let allow = response.headers_mut().remove(header::ALLOW);
    if method == Method::OPTIONS && response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let mut options = StatusCode::NO_CONTENT.into_response();
        options.headers_mut().extend(allow_header(allow));
        return options;
    }
    let refusal = response
        .extensions_mut()
        .remove::<Refusal>()
        .unwrap_or_else(|| Refusal::of_status(response.status()));
    let mut rendered = refusal.render(request_id);
    rendered.headers_mut().extend(allow_header(allow));
    if method == Method::HEAD {
        *rendered.body_mut() = Body::empty();
    }
    rendered
}

fn allow_header(allow: Option<HeaderValue>) -> Option<(HeaderName, HeaderValue)> {
    let allow = allow?;
    let with_options = format!("{},OPTIONS", allow.to_str().ok()?);
    Some((header::ALLOW, HeaderValue::from_str(&with_options).ok()?))
}

/// The log line of a request: written once, also if the client leaves before its answer.
struct Line {
    notes: Arc<Notes>,
    method: Method,
    inner: Arc<Inner>,
    /// Known from the start if the request did not go through the router.
    route: Option<Arc<RouteMetrics>>,
    began: Instant,
    status: Option<StatusCode>,
}

impl Drop for Line {
    fn drop(&mut self) {
        let taken = self.began.elapsed();
        let inner = &self.inner;
        self.notes.note(|noted| {
            let route = match (self.route.take(), &noted.route) {
                (Some(route), _) => route,
                (None, Some(path)) => inner.metrics.route(path.as_str()),
                (None, None) => Arc::clone(&inner.unmatched),
            };
            inner.metrics.request(&route, self.status, taken, noted);
            let duration_us = u64::try_from(taken.as_micros()).unwrap_or(u64::MAX);
            let status = self.status.map(|status| status.as_u16());
            tracing::info!(
                request_id = self.notes.request_id,
                method = self.method.as_str(),
                route = route.route,
                status,
                organization_id = noted.organization.map(display),
                caller = noted.caller.map(display),
                decision = noted.decision,
                receipt_id = noted.receipt_id,
                replayed = noted.replayed,
                duration_us,
                "{}",
                if status.is_some() {
                    "answered"
                } else {
                    "the client left before its answer"
                }
            );
        });
    }
}
