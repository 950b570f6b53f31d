//! Carrying one execution out: attempts, each with its own `send_by`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use relynt_domain::{ConnectorId, ExecutionId, OrganizationId};
use relynt_egress::{Egress, Exchange, Hold, Report};
use relynt_gateway::ports::{Clock, Done, Outcome, PermitRequest};

use crate::outcome::{MAX_ATTEMPTS, MAX_PAUSES, Tally, class_of, may_repeat, pause};
use crate::redact::Redactor;
use crate::request::{Prepared, Shape, Trace};
use crate::response::{MAX_BODY, Told};

/// Time to resolve, connect and shake hands.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// The first byte of an attempt leaves at most so long after its start, or never.
const SEND_WITHIN: Duration = Duration::from_secs(7);
/// All attempts together, unless one alone may take longer.
const ALL_WITHIN: Duration = Duration::from_secs(25);

/// How long all attempts together may take when one may take `timeout`.
pub(crate) fn budget(timeout: Duration) -> Duration {
    (timeout * MAX_ATTEMPTS + MAX_PAUSES)
        .min(ALL_WITHIN)
        .max(timeout)
}

/// What an execution needs.
pub(crate) struct Sender<'a> {
    pub(crate) egress: &'a Egress,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) organization: OrganizationId,
    pub(crate) connector: ConnectorId,
    pub(crate) redactor: &'a Redactor,
    pub(crate) timeout: Duration,
    pub(crate) unreachable: Option<&'a str>,
    pub(crate) shape: Shape<'a>,
}

impl Sender<'_> {
    /// Carries it out. The permit's slot is given back at the end.
    pub(crate) async fn perform(&self, permit: PermitRequest) -> Done {
        let fits = self.unreachable.map_or(Ok(()), |why| Err(why.to_owned()));
        let prepared = match fits.and_then(|()| Prepared::new(self.shape, &permit)) {
            Ok(prepared) => prepared,
            Err(why) => {
                let (connector, execution) = (self.connector, permit.execution);
                tracing::warn!(%connector, %execution, why, "nothing was sent to the connector");
                return nothing_sent();
            }
        };
        let PermitRequest {
            call,
            execution,
            receipt,
            committed_at,
            deadline,
            slot,
            ..
        } = permit;
        let trace = Trace {
            given: call.traceparent.as_deref(),
            receipt: receipt.as_bytes(),
            execution: execution.as_bytes(),
        };
        let route = self.shape.route;
        let end = deadline.min(committed_at + budget(self.timeout));
        let mut tally = Tally::default();
        // The first attempt starts at the intent's commit, whenever it really gets here.
        let mut start = committed_at;
        loop {
            let now = self.clock.uptime();
            let send_by = (start + SEND_WITHIN).min(deadline);
            if now >= end || now > send_by {
                break;
            }
            tally.attempts += 1;
            let request = prepared.attempt(&trace, tally.attempts);
            let report = self
                .attempt(request, end.saturating_sub(now), send_by)
                .await;
            self.log(&report, execution, tally.attempts);
            let class = class_of(&report, route.map_or(&[][..], |route| &route.not_executed));
            let idempotent = route.is_some_and(|route| route.idempotent);
            let again = tally.attempts < MAX_ATTEMPTS && may_repeat(&report, class, idempotent);
            let told = report
                .answer
                .as_ref()
                .map(|answer| Told::new(answer, self.redactor));
            tally.note(class, told);
            let wait = pause(&prepared.key, tally.attempts);
            if !again || self.clock.uptime() + wait >= end {
                break;
            }
            tokio::time::sleep(wait).await;
            start = self.clock.uptime();
        }
        drop(slot);
        tally.done()
    }

    async fn attempt(&self, request: Request<Bytes>, left: Duration, send_by: Duration) -> Report {
        let exchange = Exchange {
            origin: self.shape.base.origin.clone(),
            organization: Some(self.organization),
            request,
            connect_within: CONNECT_WITHIN,
            within: self.timeout.min(left),
            max_body: MAX_BODY,
        };
        // A machine that slept between the commit and here must not act on what was allowed long ago.
        let clock = Arc::clone(self.clock);
        let in_time = move || {
            if clock.uptime() <= send_by {
                Ok(())
            } else {
                Err(Hold::TooLate)
            }
        };
        self.egress.exchange(exchange, in_time).await
    }

    fn log(&self, report: &Report, execution: ExecutionId, attempt: u32) {
        if let Some(fault) = &report.fault {
            let connector = self.connector;
            let cause = std::error::Error::source(fault).map(ToString::to_string);
            tracing::warn!(%connector, %execution, attempt, cause, "calling the connector: {fault}");
        }
    }
}

fn nothing_sent() -> Done {
    Done {
        outcome: Outcome::not_sent(0),
        tool_response: None,
        response_hash: None,
    }
}

#[cfg(test)]
mod tests;
