//! What became of an attempt, and of all of them together.

use std::time::Duration;

use aws_lc_rs::digest;
use relynt_domain::{ExecutionDetail, ExecutionStatus, ResponseState};
use relynt_egress::{Fault, Report, Sent};
use relynt_gateway::ports::{Done, Outcome};

use crate::response::Told;

/// At most so many attempts of one execution.
pub(crate) const MAX_ATTEMPTS: u32 = 4;

/// What one attempt tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// A 2xx status was received.
    Succeeded,
    /// It provably did not act.
    Failed(ExecutionDetail),
    /// Nobody can say.
    Unknown(Option<ExecutionDetail>),
}

/// Which class an attempt is of. `not_executed` lists statuses with which the target says that it
/// did not act.
pub(crate) fn classify(
    sent: Sent,
    status: Option<u16>,
    timed_out: bool,
    not_executed: &[u16],
) -> Class {
    match (status, sent) {
        (Some(200..=299), _) => Class::Succeeded,
        (Some(status), _) if not_executed.contains(&status) => {
            Class::Failed(ExecutionDetail::Refused)
        }
        // May have been carried out by an earlier request with the same key, or later.
        (Some(408 | 409 | 425), _) => Class::Unknown(None),
        (Some(400..=499), _) => Class::Failed(ExecutionDetail::Refused),
        (Some(_), _) => Class::Unknown(None),
        (None, Sent::No) => Class::Failed(ExecutionDetail::NotSent),
        (None, Sent::Maybe) if timed_out => Class::Unknown(Some(ExecutionDetail::Timeout)),
        (None, Sent::Maybe) => Class::Unknown(Some(ExecutionDetail::Broken)),
    }
}

/// Which class a report is of.
pub(crate) fn class_of(report: &Report, not_executed: &[u16]) -> Class {
    let status = report.answer.as_ref().map(|answer| answer.status.as_u16());
    classify(
        report.sent,
        status,
        matches!(report.fault, Some(Fault::Timeout)),
        not_executed,
    )
}

/// Whether the same request may be sent again under the same key.
pub(crate) fn may_repeat(report: &Report, class: Class, idempotent: bool) -> bool {
    match &report.fault {
        // Refused before anything was sent: any route.
        Some(Fault::Refused(_)) => true,
        Some(Fault::Resolve(_) | Fault::Connect(_) | Fault::ConnectTimeout | Fault::Tls(_)) => {
            idempotent
        }
        Some(Fault::Address(_) | Fault::Held(_)) => false,
        Some(Fault::Timeout | Fault::Broken) | None => {
            let status = report.answer.as_ref().map(|answer| answer.status.as_u16());
            // A redirect or a conflict would only come again.
            let passing = matches!(status, None | Some(408 | 425 | 500..=599));
            idempotent && matches!(class, Class::Unknown(_)) && passing
        }
    }
}

/// How long to wait before the next attempt: 250 ms, 500 ms, 1 s, and up to half as much again, taken
/// from the key so that many calls do not come back together.
pub(crate) fn pause(key: &str, attempts: u32) -> Duration {
    let base = 250u64 << attempts.saturating_sub(1).min(2);
    let spread = digest::digest(&digest::SHA256, format!("{key}{attempts}").as_bytes());
    let spread = spread.as_ref().first().copied().unwrap_or_default();
    Duration::from_millis(base + base * u64::from(spread) / 512)
}

/// The longest that all pauses together can be.
pub(crate) const MAX_PAUSES: Duration = Duration::from_millis(2625);

/// What is known after some attempts.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) attempts: u32,
    /// The last class, if there was an attempt.
    last: Option<Class>,
    /// Why an earlier or the last attempt may have acted.
    open: Option<Option<ExecutionDetail>>,
    told: Option<Told>,
}

impl Tally {
    pub(crate) fn note(&mut self, class: Class, told: Option<Told>) {
        self.last = Some(class);
        if let Class::Unknown(detail) = class {
            self.open = Some(detail);
        }
        if told.is_some() {
            self.told = told;
        }
    }

    /// The outcome of all: failed only if every attempt provably did not act.
    pub(crate) fn done(self) -> Done {
        let (status, detail) = match (self.last, self.open) {
            (Some(Class::Succeeded), _) => (ExecutionStatus::Succeeded, None),
            (_, Some(detail)) => (ExecutionStatus::Unknown, detail),
            (Some(Class::Failed(detail)), None) => (ExecutionStatus::Failed, Some(detail)),
            (None | Some(Class::Unknown(_)), None) => {
                (ExecutionStatus::Failed, Some(ExecutionDetail::NotSent))
            }
        };
        let told = self.told;
        Done {
            outcome: Outcome {
                status,
                detail,
                response: told.as_ref().map_or(ResponseState::None, |told| told.state),
                attempts: self.attempts,
                http_status: told.as_ref().map(|told| told.status),
            },
            response_hash: told.as_ref().map(|told| told.hash),
            tool_response: told.and_then(|told| told.tool_response),
        }
    }
}
