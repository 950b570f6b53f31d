//! Outcomes against a scripted target, connections counted.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::digest;
use relynt_domain::ExecutionDetail::{self, Broken, NotSent, Refused, Timeout};
use relynt_domain::ExecutionStatus::{self, Failed, Succeeded, Unknown};
use relynt_domain::ResponseState::{self, Complete, Incomplete, None as Nothing};
use relynt_egress::{PlainHttp, Resolve, Resolving};
use relynt_gateway::ports::{Clock as _, Done};
use tokio::net::TcpListener;

use crate::fixture::{Act, Bench, Leaping, Target, answer, call, permit, text};

const IDEMPOTENT: &str = r#""routes":{"act":{"resource":"crm:deal:{id}","method":"PUT","path":"/{id}","idempotent":true,"not_executed":[501]}}"#;
const PLAIN: &str = r#""routes":{"act":{"resource":"crm:deal:{id}","method":"PUT","path":"/{id}","not_executed":[501]}}"#;

type Told = (
    ExecutionStatus,
    Option<ExecutionDetail>,
    ResponseState,
    Option<u16>,
);

fn told(done: &Done) -> Told {
    let outcome = done.outcome;
    (
        outcome.status,
        outcome.detail,
        outcome.response,
        outcome.http_status,
    )
}

async fn perform(acts: Vec<Act>, fields: &str) -> (Done, Target) {
    let target = Target::start(acts).await;
    let done = Bench::new(&target.url(), fields).perform(call(None)).await;
    (done, target)
}

#[tokio::test]
async fn a_status_decides_and_is_asked_for_once() {
    let cut = "HTTP/1.1 200 X\r\ncontent-length: 100\r\n\r\n{".to_owned();
    let cut_refusal = "HTTP/1.1 404 X\r\ncontent-length: 100\r\n\r\n{".to_owned();
    let long = text(200, &"x".repeat(1024 * 1024 + 1));
    for (act, expected) in [
        (answer(200, "{}"), (Succeeded, None, Complete, Some(200))),
        (answer(204, ""), (Succeeded, None, Complete, Some(204))),
        (Act::Answer(cut), (Succeeded, None, Incomplete, Some(200))),
        (Act::Answer(long), (Succeeded, None, Incomplete, Some(200))),
        (answer(200, "\u{0}"), (Succeeded, None, Complete, Some(200))),
        (answer(302, ""), (Unknown, None, Complete, Some(302))),
        (
            answer(400, "{}"),
            (Failed, Some(Refused), Complete, Some(400)),
        ),
        (
            answer(429, "{}"),
            (Failed, Some(Refused), Complete, Some(429)),
        ),
        (
            Act::Answer(cut_refusal),
            (Failed, Some(Refused), Incomplete, Some(404)),
        ),
        (answer(408, ""), (Unknown, None, Complete, Some(408))),
        (answer(409, ""), (Unknown, None, Complete, Some(409))),
        (answer(425, ""), (Unknown, None, Complete, Some(425))),
        (answer(500, "{}"), (Unknown, None, Complete, Some(500))),
        (
            answer(501, "{}"),
            (Failed, Some(Refused), Complete, Some(501)),
        ),
        (answer(503, "{}"), (Unknown, None, Complete, Some(503))),
        (Act::Hear, (Unknown, Some(Broken), Nothing, None)),
        (
            Act::Answer("HTTP/1.1 20".to_owned()),
            (Unknown, Some(Broken), Nothing, None),
        ),
        (
            Act::Answer("hello\r\n\r\n".to_owned()),
            (Unknown, Some(Broken), Nothing, None),
        ),
    ] {
        let (done, target) = perform(vec![act.clone()], PLAIN).await;
        assert_eq!(told(&done), expected, "{act:?}");
        assert_eq!(
            (done.outcome.attempts, target.connections()),
            (1, 1),
            "{act:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_is_handed_on_also_from_a_failure() {
    for status in [200, 404, 500] {
        let (done, _) = perform(vec![answer(status, r#"{"b":1,"a":2}"#)], PLAIN).await;
        assert_eq!(done.tool_response.as_deref(), Some(r#"{"a":2,"b":1}"#));
        let hash = digest::digest(&digest::SHA256, br#"{"b":1,"a":2}"#);
        assert_eq!(&done.response_hash.unwrap()[..], hash.as_ref());
    }
    let (done, _) = perform(vec![Act::Hear], PLAIN).await;
    assert_eq!((done.tool_response, done.response_hash), (None, None));
}

#[tokio::test]
async fn a_secret_that_is_sent_back_is_not_handed_on() {
    let target = Target::start(vec![answer(
        401,
        r#"{"error":"bad token Bearer s3cr3t-s3cr3t","s3cr3t-s3cr3t":1}"#,
    )])
    .await;
    let bench = Bench::new(
        &target.url(),
        r#""headers":{"Authorization":"Bearer s3cr3t-s3cr3t"}"#,
    );
    let done = bench.perform(call(None)).await;
    assert_eq!(
        done.tool_response.as_deref(),
        Some(r#"{"********":1,"error":"bad token ********"}"#)
    );
}

#[tokio::test]
async fn a_slow_target_is_unknown_after_its_time() {
    for (act, expected) in [
        (
            Act::Hold(String::new()),
            (Unknown, Some(Timeout), Nothing, None),
        ),
        (
            Act::Hold("HTTP/1.1 200 X\r\ncontent-length: 5\r\n\r\nab".to_owned()),
            (Succeeded, None, Incomplete, Some(200)),
        ),
        (
            Act::Hold("HTTP/1.1 500 X\r\ncontent-length: 5\r\n\r\nab".to_owned()),
            (Unknown, None, Incomplete, Some(500)),
        ),
    ] {
        let (done, target) = perform(vec![act], r#""timeout_ms":150"#).await;
        assert_eq!(told(&done), expected);
        assert_eq!(target.connections(), 1);
    }
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_and_is_not_sent() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let done = Bench::new(&format!("http://{closed}"), "")
        .perform(call(None))
        .await;
    assert_eq!(told(&done), (Failed, Some(NotSent), Nothing, None));
    assert_eq!(done.outcome.attempts, 4);
}

/// Answers with one address after the other, the last for ever, and does something each time.
struct Turning<F> {
    addresses: Vec<io::Result<SocketAddr>>,
    asked: AtomicUsize,
    then: F,
}

impl<F> std::fmt::Debug for Turning<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Turning")
    }
}

impl<F: Fn(usize) + Send + Sync> Resolve for Turning<F> {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> Resolving<'a> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        (self.then)(turn);
        let address = self.addresses.get(turn).or(self.addresses.last()).unwrap();
        let address = address
            .as_ref()
            .map(|a| vec![*a])
            .map_err(|e| io::Error::from(e.kind()));
        Box::pin(async { address })
    }
}

fn turning<F: Fn(usize) + Send + Sync + 'static>(
    addresses: Vec<io::Result<SocketAddr>>,
    then: F,
) -> Arc<dyn Resolve> {
    Arc::new(Turning {
        addresses,
        asked: AtomicUsize::new(0),
        then,
    })
}

fn loopback(last: u8) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, last], 0))
}

#[tokio::test]
async fn a_connection_refused_at_first_is_executed_once_by_the_next_attempt() {
    // The target listens on one address of loopback; the name leads to another one first.
    let target = Target::on(
        TcpListener::bind("127.0.0.2:0").await.unwrap(),
        vec![answer(200, "{}")],
    );
    let resolver = turning(vec![Ok(loopback(1)), Ok(loopback(2))], |_| {});
    let url = format!("http://crm.example.com:{}", target.address.port());
    let bench = Bench::resolving(&url, "", Leaping::new(), Some(resolver));
    let done = bench.perform(call(None)).await;
    assert_eq!(told(&done), (Succeeded, None, Complete, Some(200)));
    assert_eq!((done.outcome.attempts, target.connections()), (2, 1));
}

#[tokio::test]
async fn only_an_idempotent_route_is_tried_again_after_a_byte_may_have_left() {
    for (first, last, expected, attempts) in [
        (
            Act::Hear,
            answer(200, "{}"),
            (Succeeded, None, Complete, Some(200)),
            2,
        ),
        (
            answer(503, "{}"),
            answer(200, "{}"),
            (Succeeded, None, Complete, Some(200)),
            2,
        ),
        (
            answer(500, "{}"),
            answer(404, "{}"),
            (Unknown, None, Complete, Some(404)),
            2,
        ),
        (
            Act::Hear,
            answer(404, "{}"),
            (Unknown, Some(Broken), Complete, Some(404)),
            2,
        ),
        (
            Act::Hear,
            Act::Hear,
            (Unknown, Some(Broken), Nothing, None),
            4,
        ),
        (
            answer(404, "{}"),
            answer(200, "{}"),
            (Failed, Some(Refused), Complete, Some(404)),
            1,
        ),
        (
            answer(501, "{}"),
            answer(200, "{}"),
            (Failed, Some(Refused), Complete, Some(501)),
            1,
        ),
        (
            answer(409, "{}"),
            answer(200, "{}"),
            (Unknown, None, Complete, Some(409)),
            1,
        ),
        (
            answer(302, "{}"),
            answer(200, "{}"),
            (Unknown, None, Complete, Some(302)),
            1,
        ),
    ] {
        let (done, target) = perform(vec![first.clone(), last], IDEMPOTENT).await;
        assert_eq!(told(&done), expected, "{first:?}");
        assert_eq!(
            (done.outcome.attempts, target.connections()),
            (attempts, attempts as usize),
            "{first:?}"
        );
        let (plain, target) = perform(vec![first.clone(), answer(200, "{}")], PLAIN).await;
        assert_eq!(
            (plain.outcome.attempts, target.connections()),
            (1, 1),
            "{first:?}"
        );
    }
}

#[tokio::test]
async fn every_attempt_carries_the_same_key() {
    let (_, target) = perform(vec![Act::Hear, answer(200, "{}")], IDEMPOTENT).await;
    let field = |request: &str, name: &str| {
        request
            .lines()
            .find_map(|line| line.strip_prefix(name).map(str::to_owned))
            .unwrap()
    };
    let [first, second] = &target.heard()[..] else {
        panic!("two requests")
    };
    for name in ["idempotency-key: ", "x-relynt-receipt-id: "] {
        assert_eq!(field(first, name), field(second, name));
    }
    assert_ne!(
        field(first, "traceparent: "),
        field(second, "traceparent: ")
    );
}

#[tokio::test]
async fn a_machine_that_slept_before_the_first_byte_has_sent_nothing() {
    let target = Target::start(vec![Act::Hear]).await;
    let clock = Leaping::new();
    let asleep = Arc::clone(&clock);
    let resolver = turning(vec![Ok(loopback(1))], move |_| {
        asleep.leap(Duration::from_secs(8));
    });
    let url = format!("http://crm.example.com:{}", target.address.port());
    let bench = Bench::resolving(&url, IDEMPOTENT, clock, Some(resolver));
    let done = bench.perform(call(None)).await;
    assert_eq!(told(&done), (Failed, Some(NotSent), Nothing, None));
    assert_eq!(done.outcome.attempts, 1);
    assert!(target.heard().iter().all(String::is_empty), "not a byte");
}

#[tokio::test]
async fn a_machine_that_slept_between_attempts_cannot_say() {
    let target = Target::start(vec![Act::Hear]).await;
    let clock = Leaping::new();
    let asleep = Arc::clone(&clock);
    let resolver = turning(vec![Ok(loopback(1))], move |turn| {
        asleep.leap(Duration::from_secs(8 * turn as u64));
    });
    let url = format!("http://crm.example.com:{}", target.address.port());
    let bench = Bench::resolving(&url, IDEMPOTENT, clock, Some(resolver));
    let done = bench.perform(call(None)).await;
    assert_eq!(told(&done), (Unknown, Some(Broken), Nothing, None));
    assert_eq!(done.outcome.attempts, 2);
    assert_eq!(
        target
            .heard()
            .iter()
            .filter(|request| !request.is_empty())
            .count(),
        1
    );
}

#[tokio::test]
async fn a_permit_that_waited_too_long_is_not_used() {
    let target = Target::start(vec![answer(200, "{}")]).await;
    for (late, deadline) in [(7001, 30_000), (2000, 1999)] {
        let bench = Bench::new(&target.url(), "");
        let mut permit = permit(call(None), bench.clock.uptime());
        permit.deadline = permit.committed_at + Duration::from_millis(deadline);
        bench.clock.leap(Duration::from_millis(late));
        let done = bench.connector.sender("act").perform(permit).await;
        assert_eq!(told(&done), (Failed, Some(NotSent), Nothing, None));
        assert_eq!(done.outcome.attempts, 0);
    }
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn a_call_that_does_not_fit_its_route_is_not_sent() {
    let target = Target::start(vec![answer(200, "{}")]).await;
    let bench = Bench::new(&target.url(), PLAIN);
    for resource in ["crm:deal:..", "crm:deal:1/2", "crm:contact:1"] {
        let mut call = call(None);
        call.resource = relynt_domain::Resource::new(resource).unwrap();
        let done = bench.perform(call).await;
        assert_eq!(told(&done), (Failed, Some(NotSent), Nothing, None));
    }
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn a_connector_that_the_operator_does_not_allow_any_more_is_not_called() {
    let target = Target::start(vec![answer(200, "{}")]).await;
    for (allow, plain) in [
        ("", PlainHttp::Allowed),
        ("127.0.0.1/32:1", PlainHttp::Allowed),
        ("10.0.0.0/8", PlainHttp::Refused),
    ] {
        let bench = Bench::new(&target.url(), "").under(allow, plain);
        let done = bench.perform(call(None)).await;
        assert_eq!(told(&done), (Failed, Some(NotSent), Nothing, None));
    }
    let named = Bench::new("http://crm.example.com", "").under("127.0.0.0/8", PlainHttp::Refused);
    let done = named.perform(call(None)).await;
    assert_eq!(
        (told(&done), done.outcome.attempts),
        ((Failed, Some(NotSent), Nothing, None), 0)
    );
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn an_address_that_became_forbidden_is_not_sent_and_not_tried_again() {
    let target = Target::start(vec![answer(200, "{}")]).await;
    let resolver = turning(vec![Ok("10.0.0.1:0".parse().unwrap())], |_| {});
    let url = format!("http://crm.example.com:{}", target.address.port());
    let done = Bench::resolving(&url, IDEMPOTENT, Leaping::new(), Some(resolver))
        .perform(call(None))
        .await;
    assert_eq!(told(&done), (Failed, Some(NotSent), Nothing, None));
    assert_eq!((done.outcome.attempts, target.connections()), (1, 0));
}

#[tokio::test]
async fn a_name_without_address_is_tried_again_only_for_an_idempotent_route() {
    for (fields, attempts) in [(PLAIN, 1), (IDEMPOTENT, 2)] {
        let target = Target::start(vec![answer(200, "{}")]).await;
        let resolver = turning(
            vec![Err(io::ErrorKind::NotFound.into()), Ok(loopback(1))],
            |_| {},
        );
        let url = format!("http://crm.example.com:{}", target.address.port());
        let done = Bench::resolving(&url, fields, Leaping::new(), Some(resolver))
            .perform(call(None))
            .await;
        assert_eq!(done.outcome.attempts, attempts);
        assert_eq!(target.connections(), (attempts - 1) as usize);
    }
}

#[tokio::test]
async fn a_slot_is_given_back_at_the_end() {
    let place = Arc::new(());
    let target = Target::start(vec![answer(200, "{}")]).await;
    let bench = Bench::new(&target.url(), "");
    let mut permit = permit(call(None), bench.clock.uptime());
    permit.slot = relynt_gateway::ports::Slot::new(Arc::clone(&place));
    assert_eq!(Arc::strong_count(&place), 2);
    bench.connector.sender("act").perform(permit).await;
    assert_eq!(Arc::strong_count(&place), 1);
}
