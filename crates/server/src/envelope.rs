//! Around every request: its id, its time, its log line; and every error a problem
//!
//! The router below never renders an error: handlers leave a [`Refusal`], the router itself leaves
//! bare statuses, a panic leaves nothing. All three become problems here.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{Router, body::Body, response::IntoResponse as _};
use futures_util::FutureExt as _;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use tokio::time::Instant;
use tower::ServiceExt as _;

use crate::{
    body,
    error::Refusal,
    limits::Limits,
    metrics::Metrics,
    notes::Notes,
    request_id::{X_REQUEST_ID, sent},
};

/// An error's answer that is complete as it is: a stored one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Complete;

/// The router with all that is around it.
#[derive(Clone)]
pub(crate) struct Envelope {
    router: Router,
    fresh_id: Arc<dyn Fn() -> String + Send + Sync>,
    limits: Arc<Limits>,
    metrics: Arc<Metrics>,
}

impl Envelope {
    pub(crate) fn new(
        router: Router,
        fresh_id: Arc<dyn Fn() -> String + Send + Sync>,
        limits: Arc<Limits>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            router,
            fresh_id,
            limits,
            metrics,
        }
    }

    /// Answers a request. Always with an answer, and always with its id.
    pub(crate) async fn answer(self, request: Request<Body>) -> Response<Body> {
        let request_id =
            sent(request.headers()).map_or_else(|| (self.fresh_id)(), ToOwned::to_owned);
        let notes = Arc::new(Notes::new(request_id));
        let mut line = Line::new(
            Arc::clone(&notes),
            request.method(),
            Arc::clone(&self.metrics),
        );
        let (mut request, rest) = lend_body(request);
        request.extensions_mut().insert(Arc::clone(&notes));
        let method = request.method().clone();
        let answered = AssertUnwindSafe(self.router.clone().oneshot(request))
            .catch_unwind()
            .await;
        let mut response = match answered {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_) => {
                tracing::error!(
                    request_id = notes.request_id,
                    "a handler panicked; the request is answered with 500"
                );
                Refusal::internal().into_response()
            }
        };
        if response.status().as_u16() >= 400 {
            response = problem(&method, response, &notes.request_id);
            let closes = response.headers().contains_key(header::CONNECTION);
            if let Some(rest) = rest.filter(|_| !closes) {
                self.drain(rest).await;
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
        line.end(response.status());
        response
    }

    /// Takes what the client still sends, so that it can read why it was refused.
    async fn drain(&self, rest: body::Rest) {
        if rest.is_left() {
            let time = self.limits.body_idle.min(Duration::from_secs(2));
            rest.drain(1024 * 1024, time).await;
        }
    }
}

/// Keeps a hand on the body if there is one that the client sends without asking first.
fn lend_body(request: Request<Body>) -> (Request<Body>, Option<body::Rest>) {
    if http_body::Body::is_end_stream(request.body())
        || request.headers().contains_key(header::EXPECT)
    {
        return (request, None);
    }
    let (parts, body) = request.into_parts();
    let (lent, rest) = body::lend(body);
    (Request::from_parts(parts, Body::new(lent)), Some(rest))
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
    metrics: Arc<Metrics>,
    began: Instant,
    status: Option<StatusCode>,
}

impl Line {
    fn new(notes: Arc<Notes>, method: &Method, metrics: Arc<Metrics>) -> Self {
        Self {
            notes,
            method: method.clone(),
            metrics,
            began: Instant::now(),
            status: None,
        }
    }

    fn end(&mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let taken = self.began.elapsed();
        let noted = self.notes.noted();
        let route = noted.route.as_deref().unwrap_or("unmatched");
        self.metrics.request(route, self.status, taken, &noted);
        let duration_us = u64::try_from(taken.as_micros()).unwrap_or(u64::MAX);
        let status = self.status.map(|status| status.as_u16());
        tracing::info!(
            request_id = self.notes.request_id,
            method = self.method.as_str(),
            route,
            status,
            organization_id = noted.organization,
            caller = noted.caller,
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
    }
}
