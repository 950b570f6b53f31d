//! Which handler answers a request
//!
//! The router knows every route. The few that nearly all requests take are matched before it, at a
//! fraction of its cost; what does not fit one of them exactly is the router's.

use std::{future::Future, pin::Pin, sync::Arc};

use axum::{
    Router,
    body::Body,
    response::{IntoResponse as _, Response},
};
use futures_util::FutureExt as _;
use http::{Method, Request, request::Parts};
use tower::ServiceExt as _;

use crate::{
    app::Answer,
    cx::{Carried, Cx},
    metrics::{Metrics, RouteMetrics},
};

/// A response on its way.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

/// Every route.
pub(crate) struct Routes {
    router: Router,
    direct: Vec<Direct>,
}

/// A route that is matched before the router.
pub(crate) struct Direct {
    method: Method,
    /// The path up to its parameter, if it has one.
    path: String,
    /// The name of the parameter at its end.
    parameter: Option<String>,
    serve: Box<dyn Fn(Cx) -> Answering + Send + Sync>,
    metrics: Arc<RouteMetrics>,
}

impl Direct {
    /// A route with the template `path`, which may have one parameter, as its last segment.
    pub(crate) fn new<F>(
        method: Method,
        path: &str,
        metrics: &Metrics,
        serve: impl Fn(Cx) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let parameter = path
            .split_once('{')
            .and_then(|(before, rest)| Some((before, rest.strip_suffix('}')?)));
        Self {
            method,
            path: parameter.map_or(path, |(before, _)| before).to_owned(),
            parameter: parameter.map(|(_, name)| name.to_owned()),
            // Not an async block, which would hold the handler's future twice.
            serve: Box::new(move |cx| Box::pin(serve(cx).map(Answer::into_response))),
            metrics: metrics.route(path),
        }
    }

    /// The parameters in the path, if the request is exactly this one's.
    fn matches(&self, parts: &Parts) -> Option<Vec<(String, String)>> {
        let rest = parts.uri.path().strip_prefix(self.path.as_str())?;
        if parts.method != self.method {
            return None;
        }
        match &self.parameter {
            None => rest.is_empty().then(Vec::new),
            Some(name) => {
                // What is encoded is for the router to decode.
                let plain = !rest.is_empty() && !rest.contains(['/', '%']);
                plain.then(|| vec![(name.clone(), rest.to_owned())])
            }
        }
    }
}

impl Routes {
    pub(crate) fn new(router: Router, direct: Vec<Direct>) -> Self {
        Self { router, direct }
    }

    /// Begins to answer; says which route it is if it is known already.
    pub(crate) fn answer(
        &self,
        parts: Parts,
        carried: Carried,
    ) -> (Answering, Option<Arc<RouteMetrics>>) {
        for direct in &self.direct {
            if let Some(params) = direct.matches(&parts) {
                let cx = Cx::direct(parts, carried, params);
                return ((direct.serve)(cx), Some(Arc::clone(&direct.metrics)));
            }
        }
        let mut request = Request::from_parts(parts, Body::empty());
        request.extensions_mut().insert(carried);
        let answering = self
            .router
            .clone()
            .oneshot(request)
            .map(|answered| answered.unwrap_or_else(|never| match never {}));
        (Box::pin(answering), None)
    }
}
