//! Which answers are worth another attempt, and when.

use std::time::Duration;

use crate::answer::Answer;
use crate::problem::Problem;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(8);
/// All waits of one call together.
pub(crate) const WAITS: Duration = Duration::from_secs(16);

/// Whether the same request may succeed later: 408, 429, 5xx except 501, and a call that is still
/// running. A failed connector is an outcome, not a hiccup: trying again would only read it again.
pub(crate) fn is_transient(answer: &Answer) -> bool {
    let code = || Problem::parse(&answer.body).code;
    match answer.status {
        408 | 429 => true,
        409 => code().as_deref() == Some("request_in_progress"),
        501 => false,
        500..=599 => code().as_deref() != Some("connector_error"),
        _ => false,
    }
}

/// The wait after failure number `failures` (from 0): exponential from 0.5 s to 8 s with full
/// jitter, and never shorter than the server asks for.
pub(crate) fn wait(failures: u32, asked: Option<Duration>, chance: f64) -> Duration {
    let cap = FIRST
        .saturating_mul(2_u32.saturating_pow(failures))
        .min(LONGEST);
    let jittered = cap.mul_f64(chance.clamp(0.0, 1.0));
    jittered.max(asked.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{is_transient, wait};
    use crate::answer::Answer;

    fn answer(status: u16, code: &str, retry_after: Option<&str>) -> Answer {
        Answer {
            status,
            request_id: None,
            retry_after: retry_after.map(str::to_owned),
            date: None,
            replayed: false,
            body: format!("{{\"code\":\"{code}\"}}").into_bytes(),
        }
    }

    #[test]
    fn only_hiccups_are_tried_again() {
        for (status, code, again) in [
            (200, "", false),
            (302, "", false),
            (400, "bad_request", false),
            (401, "unauthorized", false),
            (403, "forbidden", false),
            (404, "not_found", false),
            (408, "", true),
            (409, "conflict", false),
            (409, "request_in_progress", true),
            (422, "policy_error", false),
            (423, "frozen", false),
            (429, "rate_limited", true),
            (500, "internal_error", true),
            (501, "", false),
            (502, "connector_error", false),
            (502, "", true),
            (503, "unavailable", true),
            (504, "", true),
        ] {
            let found = is_transient(&answer(status, code, None));
            assert_eq!(found, again, "{status} {code}");
        }
    }

    #[test]
    fn waits_double_to_eight_seconds_with_full_jitter() {
        let longest: Vec<u64> = (0..7)
            .map(|failures| u64::try_from(wait(failures, None, 1.0).as_millis()).unwrap())
            .collect();
        assert_eq!(longest, [500, 1000, 2000, 4000, 8000, 8000, 8000]);
        assert_eq!(wait(9, None, 0.0), Duration::ZERO);
        assert_eq!(wait(u32::MAX, None, 0.5), Duration::from_secs(4));
    }

    #[test]
    fn the_server_may_ask_for_more_never_for_less() {
        let asked = Some(Duration::from_secs(3));
        assert_eq!(wait(0, asked, 1.0), Duration::from_secs(3));
        assert_eq!(wait(4, asked, 1.0), Duration::from_secs(8));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let wall = UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (text, seconds) in [
            ("7", Some(7)),
            ("0", Some(0)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
            ("Sun, 06 Nov 1994 08:49:07 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            let asked = answer(503, "", Some(text)).retry_after(wall);
            assert_eq!(asked, seconds.map(Duration::from_secs), "{text:?}");
        }
        let forever = answer(503, "", Some("99999999999999999999")).retry_after(wall);
        assert_eq!(forever, Some(Duration::MAX));
    }
}
