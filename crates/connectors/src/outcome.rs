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
    /// Whether an attempt may have acted, and what is known of the last such one.
    may_have_acted: bool,
    why: Option<ExecutionDetail>,
    told: Option<Told>,
}

impl Tally {
    pub(crate) fn note(&mut self, class: Class, told: Option<Told>) {
        self.last = Some(class);
        if let Class::Unknown(detail) = class {
            self.may_have_acted = true;
            self.why = detail;
        }
        if told.is_some() {
            self.told = told;
        }
    }

    /// The outcome of all: failed only if every attempt provably did not act.
    pub(crate) fn done(self) -> Done {
        let (status, detail) = match self.last {
            Some(Class::Succeeded) => (ExecutionStatus::Succeeded, None),
            _ if self.may_have_acted => (ExecutionStatus::Unknown, self.why),
            Some(Class::Failed(detail)) => (ExecutionStatus::Failed, Some(detail)),
            Some(Class::Unknown(detail)) => (ExecutionStatus::Unknown, detail),
            None => (ExecutionStatus::Failed, Some(ExecutionDetail::NotSent)),
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

#[cfg(test)]
mod tests {
    use ExecutionDetail::{Broken, NotSent, Refused, Timeout};

    use super::*;

    #[test]
    fn a_status_says_what_became_of_it() {
        for (status, class) in [
            (200, Class::Succeeded),
            (201, Class::Succeeded),
            (204, Class::Succeeded),
            (299, Class::Succeeded),
            (101, Class::Unknown(None)),
            (300, Class::Unknown(None)),
            (302, Class::Unknown(None)),
            (304, Class::Unknown(None)),
            (400, Class::Failed(Refused)),
            (401, Class::Failed(Refused)),
            (403, Class::Failed(Refused)),
            (404, Class::Failed(Refused)),
            (408, Class::Unknown(None)),
            (409, Class::Unknown(None)),
            (422, Class::Failed(Refused)),
            (425, Class::Unknown(None)),
            (429, Class::Failed(Refused)),
            (499, Class::Failed(Refused)),
            (500, Class::Unknown(None)),
            (502, Class::Unknown(None)),
            (503, Class::Unknown(None)),
            (599, Class::Unknown(None)),
            (600, Class::Unknown(None)),
            (999, Class::Unknown(None)),
        ] {
            for timed_out in [false, true] {
                assert_eq!(
                    classify(Sent::Maybe, Some(status), timed_out, &[]),
                    class,
                    "{status}"
                );
            }
        }
    }

    #[test]
    fn listed_statuses_did_not_act() {
        for status in [302, 409, 503] {
            assert_eq!(
                classify(Sent::Maybe, Some(status), false, &[status]),
                Class::Failed(Refused)
            );
            assert_eq!(
                classify(Sent::Maybe, Some(status), false, &[599]),
                Class::Unknown(None)
            );
        }
    }

    #[test]
    fn without_a_status_it_depends_on_whether_a_byte_left() {
        assert_eq!(classify(Sent::No, None, false, &[]), Class::Failed(NotSent));
        assert_eq!(classify(Sent::No, None, true, &[]), Class::Failed(NotSent));
        assert_eq!(
            classify(Sent::Maybe, None, true, &[]),
            Class::Unknown(Some(Timeout))
        );
        assert_eq!(
            classify(Sent::Maybe, None, false, &[]),
            Class::Unknown(Some(Broken))
        );
    }

    fn outcome(
        classes: &[(Class, Option<u16>)],
    ) -> (ExecutionStatus, Option<ExecutionDetail>, Option<u16>) {
        let mut tally = Tally::default();
        for (class, status) in classes {
            tally.attempts += 1;
            let told = status.map(|status| Told {
                status,
                state: ResponseState::Complete,
                tool_response: Some("{}".to_owned()),
                hash: [0; 32],
            });
            tally.note(*class, told);
        }
        let outcome = tally.done().outcome;
        assert_eq!(outcome.attempts as usize, classes.len());
        (outcome.status, outcome.detail, outcome.http_status)
    }

    #[test]
    fn failed_is_only_what_provably_did_not_act_in_any_attempt() {
        use ExecutionStatus::{Failed, Succeeded, Unknown};
        let (refused, unsent) = (Class::Failed(Refused), Class::Failed(NotSent));
        let (late, broken) = (Class::Unknown(Some(Timeout)), Class::Unknown(Some(Broken)));
        let odd = Class::Unknown(None);
        for (classes, expected) in [
            (&[][..], (Failed, Some(NotSent), None)),
            (&[(unsent, None)], (Failed, Some(NotSent), None)),
            (
                &[(unsent, None), (unsent, None)],
                (Failed, Some(NotSent), None),
            ),
            (
                &[(unsent, None), (refused, Some(404))],
                (Failed, Some(Refused), Some(404)),
            ),
            (
                &[(unsent, None), (Class::Succeeded, Some(200))],
                (Succeeded, None, Some(200)),
            ),
            (&[(late, None)], (Unknown, Some(Timeout), None)),
            (
                &[(late, None), (unsent, None)],
                (Unknown, Some(Timeout), None),
            ),
            (
                &[(broken, None), (refused, Some(404))],
                (Unknown, Some(Broken), Some(404)),
            ),
            (
                &[(odd, Some(503)), (unsent, None)],
                (Unknown, None, Some(503)),
            ),
            (
                &[(odd, Some(503)), (late, None)],
                (Unknown, Some(Timeout), Some(503)),
            ),
            (
                &[(late, None), (Class::Succeeded, Some(201))],
                (Succeeded, None, Some(201)),
            ),
        ] {
            assert_eq!(outcome(classes), expected, "{classes:?}");
        }
    }

    #[test]
    fn pauses_grow_and_are_bounded() {
        let mut all = Duration::ZERO;
        for (attempts, base) in [(1, 250), (2, 500), (3, 1000)] {
            let pause = pause("key", attempts);
            assert!(
                (base..base * 3 / 2).contains(&pause.as_millis()),
                "{pause:?}"
            );
            all += Duration::from_millis(u64::try_from(base * 3 / 2).unwrap());
        }
        assert_eq!(all, MAX_PAUSES);
        assert_ne!(pause("one", 3), pause("two", 3));
    }
}
