//! The bound on decisions under way, from outside

use futures_util::future::join_all;
use http::Method;
use relynt_server::Limits;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::harness::{PATIENCE, Server, tool_call, update};

async fn start(max_decisions: usize) -> Server {
    Server::start_with(Limits {
        max_decisions,
        ..Limits::default()
    })
    .await
}

/// A call as bytes, and how many of them are its head.
fn bytes(server: &Server, key: &str) -> (Vec<u8>, usize) {
    let body = update(&json!({"stage": "proposal"})).to_string();
    let head = format!(
        "POST /v1/agent-tool-call HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nIdempotency-Key: {key}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        server.one.secret,
        body.len()
    );
    let length = head.len();
    ((head + &body).into_bytes(), length)
}

#[tokio::test]
async fn a_call_without_a_place_is_refused_at_once_and_told_when_to_come_back() {
    let server = start(0).await;
    let body = update(&json!({"stage": "proposal"}));
    let refused = server.ask(&server.one.secret, "k", &body).await;
    refused.problem(503, "unavailable");
    assert_eq!(refused.header("retry-after"), "1");
    // What is not a decision needs no place.
    let path = "/v1/policy-simulator";
    let simulated = server.call(Method::POST, path, &server.one.secret, Some(body));
    assert_eq!(simulated.await.ok(200)["decision"], "allow");
    let text = server.metrics_text().await;
    for line in [
        "relynt_decisions_refused_total 1",
        "relynt_decisions_under_way 0",
        r#"relynt_http_requests_total{route="/v1/agent-tool-call",status="503"} 1"#,
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[tokio::test]
async fn who_may_not_call_or_sends_no_json_is_told_that_first() {
    let server = start(0).await;
    let call = |secret: &str| tool_call(secret, "k", String::new());
    server.send(call("x")).await.problem(401, "unauthorized");
    let mut text = call(&server.one.secret);
    let kind = "text/plain".parse().unwrap();
    text.headers_mut().insert("content-type", kind);
    server
        .send(text)
        .await
        .problem(415, "unsupported_media_type");
}

#[tokio::test]
async fn a_refused_call_leaves_its_key_free_and_places_come_back() {
    let server = start(1).await;
    let body = update(&json!({"stage": "proposal"}));
    let mut refused = Vec::new();
    for round in 0.. {
        let keys: Vec<_> = (0..32)
            .map(|number| format!("k-{round}-{number}"))
            .collect();
        let asked = keys
            .iter()
            .map(|key| server.ask(&server.one.secret, key, &body));
        for (key, seen) in keys.iter().zip(join_all(asked).await) {
            if seen.status == 503 {
                refused.push(key.clone());
            } else {
                seen.ok(200);
            }
        }
        if !refused.is_empty() {
            break;
        }
    }
    for key in refused {
        let seen = server.ask(&server.one.secret, &key, &body).await;
        assert_eq!(seen.header("idempotency-replayed"), "");
        seen.ok(200);
    }
    // An error gives its place back, too.
    for key in ["e1", "e2"] {
        let wrong = tool_call(&server.one.secret, key, "{".to_owned());
        server.send(wrong).await.problem(400, "bad_request");
    }
}

#[tokio::test]
async fn a_body_that_dribbles_holds_no_place() {
    let server = start(1).await;
    let (call, head) = bytes(&server, "slow");
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    let (now, later) = call.split_at(head + 5);
    slow.write_all(now).await.unwrap();
    let body = update(&json!({"stage": "proposal"}));
    for key in ["k1", "k2"] {
        server.ask(&server.one.secret, key, &body).await.ok(200);
    }
    slow.write_all(later).await.unwrap();
    let mut answer = String::new();
    let read = timeout(PATIENCE, slow.read_to_string(&mut answer));
    read.await.expect("no answer in time").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_client_that_leaves_gives_its_place_back_and_its_call_is_done() {
    let server = start(1).await;
    let body = update(&json!({"stage": "proposal"}));
    for number in 0..16 {
        let key = format!("left-{number}");
        let mut leaving = TcpStream::connect(server.address).await.unwrap();
        leaving.write_all(&bytes(&server, &key).0).await.unwrap();
        drop(leaving);
        // Whether its call was begun or not, the key answers.
        let seen = loop {
            let seen = server.ask(&server.one.secret, &key, &body).await;
            if seen.status != 503 {
                break seen;
            }
        };
        assert_eq!(seen.ok(200)["decision"], "allow");
    }
}
