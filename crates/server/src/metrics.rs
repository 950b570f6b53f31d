//! What the gateway counts, for Prometheus
//!
//! No label names an organization or an agent.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use http::StatusCode;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::{listen::Count, notes::Noted};

/// The content type of the text format.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    status: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    decision: &'static str,
}

/// Statuses that are counted without looking their labels up.
const STATUSES: [u16; 16] = [
    200, 201, 204, 400, 401, 403, 404, 405, 409, 413, 415, 422, 429, 500, 502, 503,
];

/// The figures of one route, found once and held.
pub(crate) struct RouteMetrics {
    /// The path's template.
    pub(crate) route: String,
    durations: Histogram,
    answered: [OnceLock<Counter>; STATUSES.len()],
}

/// Everything that is counted.
pub(crate) struct Metrics {
    registry: Mutex<Registry>,
    routes: RwLock<HashMap<String, Arc<RouteMetrics>>>,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
    decisions: Family<DecisionLabels, Counter>,
    replays: Counter,
    abandoned: Counter,
    connections: Gauge,
    turned_away: Counter,
    decisions_refused: Counter,
}

fn durations() -> Histogram {
    // 0.1 ms to 52 s.
    Histogram::new(exponential_buckets(0.0001, 2.0, 20))
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("relynt");
        let metrics = Self {
            routes: RwLock::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(durations as fn() -> Histogram),
            decisions: Family::default(),
            replays: Counter::default(),
            abandoned: Counter::default(),
            connections: Gauge::default(),
            turned_away: Counter::default(),
            decisions_refused: Counter::default(),
            registry: Mutex::new(Registry::default()),
        };
        registry.register(
            "http_requests",
            "Answered requests by route and status",
            metrics.requests.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "Time from a request's head to its answer",
            Unit::Seconds,
            metrics.durations.clone(),
        );
        registry.register(
            "decisions",
            "Tool calls by what came of them, replays not counted",
            metrics.decisions.clone(),
        );
        registry.register(
            "replays",
            "Tool calls that were answered from their key",
            metrics.replays.clone(),
        );
        registry.register(
            "http_requests_abandoned",
            "Requests whose client left before the answer",
            metrics.abandoned.clone(),
        );
        registry.register(
            "connections",
            "Open connections",
            metrics.connections.clone(),
        );
        registry.register(
            "connections_turned_away",
            "Connections that were refused because there were too many",
            metrics.turned_away.clone(),
        );
        registry.register(
            "decisions_refused",
            "Tool calls that were refused because too many decisions were under way",
            metrics.decisions_refused.clone(),
        );
        Self {
            registry: Mutex::new(registry),
            ..metrics
        }
    }

    /// Adds gauges of other parts, read when they are asked for.
    pub(crate) fn collect(&self, collector: Box<dyn prometheus_client::collector::Collector>) {
        self.registry
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .register_collector(collector);
    }

    /// The figures of a route.
    pub(crate) fn route(&self, route: &str) -> Arc<RouteMetrics> {
        let known = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(route) {
            return Arc::clone(known);
        }
        drop(known);
        let mut known = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let new = known.entry(route.to_owned()).or_insert_with(|| {
            Arc::new(RouteMetrics {
                route: route.to_owned(),
                durations: self.durations.get_or_create_owned(&RouteLabels {
                    route: route.to_owned(),
                }),
                answered: Default::default(),
            })
        });
        Arc::clone(new)
    }

    /// A request ended; without a status if its client left.
    pub(crate) fn request(
        &self,
        route: &RouteMetrics,
        status: Option<StatusCode>,
        taken: Duration,
        noted: &Noted,
    ) {
        let Some(status) = status else {
            self.abandoned.inc();
            return;
        };
        let count = || {
            self.requests.get_or_create_owned(&RequestLabels {
                route: route.route.clone(),
                status: status.as_str().to_owned(),
            })
        };
        let place = STATUSES.iter().position(|known| *known == status.as_u16());
        match place.and_then(|place| route.answered.get(place)) {
            Some(held) => held.get_or_init(count).inc(),
            None => count().inc(),
        };
        route.durations.observe(taken.as_secs_f64());
        if noted.replayed {
            self.replays.inc();
        } else if let Some(decision) = noted.decision {
            self.decisions
                .get_or_create_owned(&DecisionLabels { decision })
                .inc();
        }
    }

    /// A call found no place among the decisions under way.
    pub(crate) fn decision_refused(&self) {
        self.decisions_refused.inc();
    }

    /// Everything in the text format.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(
            &mut text,
            &self.registry.lock().unwrap_or_else(PoisonError::into_inner),
        )?;
        Ok(text)
    }
}

impl Count for Metrics {
    fn opened(&self) {
        self.connections.inc();
    }

    fn closed(&self) {
        self.connections.dec();
    }

    fn turned_away(&self) {
        self.turned_away.inc();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::Metrics;
    use crate::notes::Noted;

    #[test]
    fn what_is_counted_is_told_by_route_and_never_by_organization() {
        let metrics = Metrics::new();
        let noted = Noted {
            organization: Some("0192f0c1-2345-7abc-8def-0123456789ab".parse().unwrap()),
            decision: Some("deny"),
            ..Noted::default()
        };
        let route = metrics.route("/v1/agent-tool-call");
        for status in [StatusCode::OK, StatusCode::OK, StatusCode::IM_A_TEAPOT] {
            metrics.request(&route, Some(status), Duration::from_millis(1), &noted);
        }
        metrics.request(&route, None, Duration::from_millis(1), &noted);
        let text = metrics.text().unwrap();
        assert!(
            text.contains(
                r#"relynt_http_requests_total{route="/v1/agent-tool-call",status="200"} 2"#
            )
        );
        assert!(text.contains(r#"status="418"} 1"#));
        assert!(text.contains("relynt_http_requests_abandoned_total 1"));
        assert!(text.contains(r#"relynt_decisions_total{decision="deny"} 3"#));
        assert!(!text.contains("0192f0c1"));
    }
}
