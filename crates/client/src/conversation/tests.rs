use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::{Conversation, Outcome, Step};
use crate::answer::Answer;
use crate::broken::Broken;
use crate::ids::IdempotencyKey;
use crate::options::Options;
use crate::outside::Moment;
use crate::response::Fault;
use crate::setup::Setup;

/// Plays a conversation against a list of events on a clock that only the conversation moves.
struct Play {
    start: Instant,
    now: Instant,
    chance: f64,
}

impl Play {
    fn new(chance: f64) -> Self {
        let start = crate::outside::now();
        Self {
            start,
            now: start,
            chance,
        }
    }

    fn moment(&self) -> Moment {
        Moment {
            at: self.now,
            wall: SystemTime::UNIX_EPOCH,
            chance: self.chance,
        }
    }

    fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Each event comes after the given time; `None` uses up the whole attempt.
    fn run(
        &mut self,
        conversation: &mut dyn Conversation,
        mut events: impl FnMut(&str) -> (Option<u64>, Result<Answer, Broken>),
    ) -> Outcome {
        let mut step = conversation.begin(&self.moment());
        loop {
            let (after, timeout) = match step {
                Step::Finish(outcome) => return outcome,
                Step::Send { after, timeout } => (after, timeout),
            };
            self.now += after;
            let line = String::from_utf8_lossy(conversation.request().bytes()).into_owned();
            let (took, event) = events(line.lines().next().unwrap());
            self.now += took.map_or(timeout, |ms| Duration::from_millis(ms).min(timeout));
            step = conversation.heard(event, &self.moment());
        }
    }
}

fn setup(retries: u32) -> Arc<Setup> {
    let options = Options::new("http://127.0.0.1:1", "secret")
        .timeout(Duration::from_secs(3))
        .max_retries(retries);
    Setup::new(&options).unwrap()
}

fn answer(status: u16, body: &str, retry_after: Option<&str>) -> Answer {
    Answer {
        status,
        request_id: None,
        retry_after: retry_after.map(str::to_owned),
        date: None,
        replayed: false,
        body: body.as_bytes().to_vec(),
    }
}

fn status(outcome: &Outcome) -> u16 {
    match outcome {
        Outcome::Answer(answer) => answer.status,
        other => panic!("{other:?}"),
    }
}

#[test]
fn call_is_tried_three_times_and_then_says_what_the_last_try_said() {
    let key = IdempotencyKey::parse("k").unwrap();
    let mut seen = 0;
    let mut play = Play::new(0.5);
    let outcome = play.run(&mut setup(2).action(b"{}", &key), |_| {
        seen += 1;
        (Some(10), Ok(answer(503, "", None)))
    });
    assert_eq!((seen, status(&outcome)), (3, 503));
    assert_eq!(play.elapsed(), Duration::from_millis(30 + 250 + 500));
}

#[test]
fn call_ends_within_the_promised_time_whatever_happens() {
    for retries in [0, 1, 2, 10, 100] {
        for asked in [None, Some("1"), Some("8"), Some("16"), Some("17")] {
            let key = IdempotencyKey::parse("k").unwrap();
            let mut play = Play::new(0.999);
            play.run(&mut setup(retries).action(b"{}", &key), |_| {
                (None, Ok(answer(503, "", asked)))
            });
            let bound = Duration::from_secs(3) * (retries + 1) + Duration::from_secs(16);
            assert!(play.elapsed() <= bound, "{retries} {asked:?}");
        }
    }
}

#[test]
fn longer_retry_after_than_all_waits_ends_the_call_at_once() {
    let key = IdempotencyKey::parse("k").unwrap();
    for (asked, tries) in [("17", 1), ("16", 2), ("9", 2), ("8", 3)] {
        let mut seen = 0;
        let outcome = Play::new(0.0).run(&mut setup(2).action(b"{}", &key), |_| {
            seen += 1;
            (Some(0), Ok(answer(429, "", Some(asked))))
        });
        assert_eq!((seen, status(&outcome)), (tries, 429), "{asked}");
    }
}

#[test]
fn broken_connection_is_tried_again_and_an_untrusted_one_is_not() {
    let key = IdempotencyKey::parse("k").unwrap();
    let untrusted = Broken::untrusted("h", &rustls::Error::DecryptError);
    for (broken, tries) in [
        (Broken::timed_out(), 3),
        (Broken::from(Fault::Cut), 3),
        (Broken::from(Fault::Malformed), 3),
        (Broken::from(Fault::TooLarge), 1),
        (untrusted, 1),
    ] {
        let mut seen = 0;
        let outcome = Play::new(0.0).run(&mut setup(2).action(b"{}", &key), |_| {
            seen += 1;
            (Some(0), Err(broken.clone()))
        });
        assert_eq!(outcome, Outcome::Broken(broken.clone()));
        assert_eq!(seen, tries, "{broken}");
    }
}

const PENDING: &str = r#"{"status":"pending"}"#;
const EXECUTING: &str = r#"{"status":"approved","execution":{"status":"pending"}}"#;
const APPROVED: &str = r#"{"status":"approved","execution":{"status":"succeeded"}}"#;

fn poll(
    patience_ms: u64,
    chance: f64,
    events: impl FnMut(&str) -> (Option<u64>, Result<Answer, Broken>),
) -> (Outcome, Duration) {
    let mut play = Play::new(chance);
    let patience = Duration::from_millis(patience_ms);
    let outcome = play.run(&mut setup(2).approval("a-1", patience), events);
    (outcome, play.elapsed())
}

#[test]
fn approval_is_waited_for_until_its_execution_is_over() {
    let mut bodies = [PENDING, EXECUTING, APPROVED].into_iter();
    let mut lines = Vec::new();
    let (outcome, _) = poll(60_000, 0.5, |line| {
        lines.push(line.to_owned());
        (Some(25_000), Ok(answer(200, bodies.next().unwrap(), None)))
    });
    assert_eq!(status(&outcome), 200);
    assert_eq!(
        lines,
        [
            "GET /v1/approvals/a-1?wait_ms=25000 HTTP/1.1",
            "GET /v1/approvals/a-1?wait_ms=25000 HTTP/1.1",
            "GET /v1/approvals/a-1?wait_ms=10000 HTTP/1.1",
        ]
    );
}

#[test]
fn zero_patience_is_one_look() {
    let mut lines = Vec::new();
    let (outcome, _) = poll(0, 0.5, |line| {
        lines.push(line.to_owned());
        (Some(5), Ok(answer(200, PENDING, None)))
    });
    assert_eq!(outcome, Outcome::Deadline(None));
    assert_eq!(lines, ["GET /v1/approvals/a-1 HTTP/1.1"]);
    let (outcome, _) = poll(0, 0.5, |_| (Some(5), Ok(answer(503, "", None))));
    assert_eq!(status(&outcome), 503);
}

#[test]
fn trouble_is_ridden_out_until_the_deadline() {
    let mut number = 0;
    let (outcome, elapsed) = poll(30_000, 0.9, |_| {
        number += 1;
        let event = match number % 4 {
            0 => Ok(answer(429, "", Some("1"))),
            1 => Ok(answer(503, "", None)),
            2 => Err(Broken::from(Fault::Cut)),
            _ => Err(Broken::timed_out()),
        };
        (Some(100), event)
    });
    assert!(matches!(outcome, Outcome::Deadline(Some(_))));
    assert!(number > 6, "{number}");
    assert!(elapsed <= Duration::from_millis(30_500), "{elapsed:?}");
}

#[test]
fn silent_gateway_does_not_stretch_the_deadline() {
    let (outcome, elapsed) = poll(1_000, 0.5, |_| (None, Err(Broken::timed_out())));
    assert!(matches!(outcome, Outcome::Deadline(Some(_))));
    assert!(elapsed <= Duration::from_millis(1_500), "{elapsed:?}");
}

#[test]
fn what_will_not_change_is_said_at_once() {
    for status_code in [400, 401, 403, 404, 409, 422, 501] {
        let mut seen = 0;
        let (outcome, _) = poll(60_000, 0.5, |_| {
            seen += 1;
            (Some(1), Ok(answer(status_code, "{}", None)))
        });
        assert_eq!((status(&outcome), seen), (status_code, 1));
    }
    let (outcome, _) = poll(60_000, 0.5, |_| (Some(1), Ok(answer(200, "[]", None))));
    assert_eq!(status(&outcome), 200);
}

#[test]
fn gateway_that_does_not_hold_the_answer_is_not_hammered() {
    let mut looks = 0;
    let (outcome, elapsed) = poll(10_000, 0.0, |_| {
        looks += 1;
        (Some(1), Ok(answer(200, PENDING, None)))
    });
    assert_eq!(outcome, Outcome::Deadline(None));
    assert!(looks <= 52, "{looks}");
    assert!(elapsed <= Duration::from_millis(10_500), "{elapsed:?}");
}

#[test]
fn huge_patience_does_not_overflow() {
    let (outcome, _) = poll(u64::MAX, 0.5, |_| {
        (Some(1), Ok(answer(200, APPROVED, None)))
    });
    assert_eq!(status(&outcome), 200);
}
