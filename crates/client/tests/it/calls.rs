use std::time::{Duration, Instant};

use relynt_client::{
    ActionCall, ActionResult, ApprovalResult, BrokenKind, Client, Error, IdempotencyKey, Options,
    blocking,
};
use serde_json::json;

use crate::fake::{Fake, Reply, answer, answer_with};

const SECRET: &str = "rly_canary-canary-canary-canary";
const ALLOW: &str = r#"{"decision":"allow","receipt_id":"r-1","tool_response":{"ok":1},"new":[]}"#;

fn options(fake: &Fake) -> Options {
    Options::new(&fake.url, SECRET)
        .timeout(Duration::from_millis(500))
        .instance_id("run")
}

/// Does the same with both clients, each against a server of its own.
fn check<T>(
    script: &[Reply],
    asynchronous: impl AsyncFn(Client) -> T,
    blocking: impl Fn(blocking::Client) -> T,
    judge: impl Fn(T, &Fake),
) {
    let fake = Fake::start(script.to_vec());
    judge(
        blocking(blocking::Client::new(options(&fake)).unwrap()),
        &fake,
    );
    let fake = Fake::start(script.to_vec());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let client = Client::new(options(&fake)).unwrap();
    judge(runtime.block_on(asynchronous(client)), &fake);
}

fn check_call(
    call: &ActionCall,
    script: &[Reply],
    judge: impl Fn(Result<ActionResult, Error>, &Fake),
) {
    check(
        script,
        async |client| client.request_action(call).await,
        |client| client.request_action(call),
        judge,
    );
}

fn check_poll(script: &[Reply], judge: impl Fn(Result<ApprovalResult, Error>, &Fake)) {
    let patience = Duration::from_secs(20);
    check(
        script,
        async |client| client.poll_approval("a-1", patience).await,
        |client| client.poll_approval("a-1", patience),
        judge,
    );
}

fn call() -> ActionCall {
    ActionCall::new("update_deal", "crm:deal:123").payload(json!({ "amount": 52_000 }))
}

#[test]
fn call_is_sent_as_documented_and_its_answer_read() {
    let key = IdempotencyKey::parse("my-key").unwrap();
    let replayed = answer_with(200, "Idempotency-Replayed: true\r\n", ALLOW);
    check_call(&call().idempotency_key(key), &[replayed], |result, fake| {
        let result = result.unwrap();
        assert_eq!(result.decision, "allow");
        assert_eq!(result.tool_response.unwrap()["ok"], 1);
        assert!(result.replayed);
        let requests = fake.requests();
        assert!(
            requests[0]
                .head
                .starts_with("POST /v1/agent-tool-call HTTP/1.1")
        );
        assert_eq!(requests[0].header("idempotency-key"), Some("my-key"));
        assert_eq!(
            requests[0].header("authorization"),
            Some(format!("Bearer {SECRET}").as_str())
        );
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&requests[0].body).unwrap(),
            json!({
                "action": "update_deal", "resource": "crm:deal:123",
                "instance_id": "run", "payload": { "amount": 52_000 },
            })
        );
    });
}

#[test]
fn broken_connections_and_hiccups_are_retried_with_one_key() {
    let script = [
        Reply::Cut(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec()),
        answer_with(503, "Retry-After: 0\r\n", "{}"),
        answer(200, ALLOW),
    ];
    check_call(&call(), &script, |result, fake| {
        assert_eq!(result.unwrap().decision, "allow");
        let keys: Vec<_> = fake
            .requests()
            .iter()
            .map(|request| request.header("idempotency-key").unwrap().to_owned())
            .collect();
        assert_eq!(keys.len(), 3);
        assert!(keys.iter().all(|key| *key == keys[0]));
    });
}

#[test]
fn silence_is_a_network_error_with_the_key() {
    check_call(&call(), &[Reply::Hang], |result, fake| {
        let requests = fake.requests();
        match result.unwrap_err() {
            Error::Network {
                broken,
                idempotency_key: Some(key),
            } => {
                assert_eq!(broken.kind, BrokenKind::TimedOut);
                assert_eq!(requests[0].header("idempotency-key"), Some(key.as_str()));
            }
            other => panic!("{other}"),
        }
        assert_eq!(requests.len(), 3);
    });
}

#[test]
fn refusals_carry_their_fields_and_never_the_secret() {
    let echo = format!(
        r#"{{"code":"conflict","detail":"Bearer {SECRET}","request_id":"q","receipt_id":"r"}}"#
    );
    check_call(&call(), &[answer(409, &echo)], |result, fake| {
        let error = result.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
        match error {
            Error::Request(refusal) => {
                assert_eq!((refusal.status, refusal.code.as_str()), (409, "conflict"));
                assert_eq!(refusal.receipt_id.as_deref(), Some("r"));
            }
            other => panic!("{other}"),
        }
        assert_eq!(fake.requests().len(), 1);
    });
    check_call(&call(), &[answer(401, "")], |result, _| match result {
        Err(Error::Authentication(refusal)) => assert_eq!(refusal.code, "http_401"),
        other => panic!("{other:?}"),
    });
}

#[test]
fn answer_without_decision_or_receipt_is_an_error() {
    for body in ["", "{}", r#"{"decision":"allow"}"#, r#"{"receipt_id":"r"}"#] {
        check_call(&call(), &[answer(200, body)], |result, _| match result {
            Err(Error::Request(refusal)) => assert_eq!(refusal.code, "invalid_answer"),
            other => panic!("{other:?}"),
        });
    }
}

#[test]
fn connection_is_kept_and_a_stale_one_replaced() {
    let script = [
        answer(200, ALLOW),
        Reply::Cut(match answer(200, ALLOW) {
            Reply::Say(bytes) => bytes,
            _ => unreachable!(),
        }),
        answer(200, ALLOW),
    ];
    let judge = |(): (), fake: &Fake| {
        let connections: Vec<_> = fake.requests().iter().map(|r| r.connection).collect();
        assert_eq!(connections, [0, 0, 1]);
    };
    check(
        &script,
        async |client| {
            for _ in 0..3 {
                client.request_action(&call()).await.unwrap();
            }
        },
        |client| {
            for _ in 0..3 {
                client.request_action(&call()).unwrap();
            }
        },
        judge,
    );
}

#[test]
fn approval_is_waited_for_through_trouble() {
    let script = [
        answer(200, r#"{"status":"pending"}"#),
        answer(503, ""),
        Reply::Cut(Vec::new()),
        answer(
            200,
            r#"{"status":"approved","execution":{"status":"pending"}}"#,
        ),
        answer(
            200,
            r#"{"status":"approved","decided_by":"user:1","receipt_id":"r-1","final_receipt_id":"r-2",
                "execution":{"status":"succeeded"},"tool_response":{"ok":1}}"#,
        ),
    ];
    check_poll(&script, |result, fake| {
        let result = result.unwrap();
        assert_eq!(result.status, "approved");
        assert_eq!(result.receipt_id.as_deref(), Some("r-2"));
        assert_eq!(result.approval_id, "a-1");
        assert!(
            fake.requests()[0]
                .head
                .starts_with("GET /v1/approvals/a-1?wait_ms=")
        );
    });
}

#[test]
fn cancelled_is_denied_and_a_failed_execution_is_an_error() {
    let cancelled = answer(200, r#"{"status":"cancelled","blocked_by":"policy"}"#);
    check_poll(&[cancelled], |result, _| {
        let result = result.unwrap();
        assert_eq!(result.status, "denied");
        assert_eq!(result.blocked_by.as_deref(), Some("policy"));
    });
    let failed = answer(
        200,
        r#"{"status":"approved","execution":{"status":"unknown"}}"#,
    );
    check_poll(&[failed], |result, _| match result {
        Err(Error::Request(refusal)) => {
            assert_eq!(
                (refusal.status, refusal.code.as_str()),
                (502, "connector_error")
            );
        }
        other => panic!("{other:?}"),
    });
}

#[test]
fn deadline_leaves_the_approval_open() {
    let pending = [answer(200, r#"{"status":"pending"}"#)];
    let patience = Duration::from_millis(300);
    let start = Instant::now();
    check(
        &pending,
        async |client| client.poll_approval("a-1", patience).await,
        |client| client.poll_approval("a-1", patience),
        |result, _| match result {
            Err(Error::ApprovalTimeout { approval_id, last }) => {
                assert_eq!((approval_id.as_str(), last), ("a-1", None));
            }
            other => panic!("{other:?}"),
        },
    );
    assert!(start.elapsed() < Duration::from_secs(5));
}
