//! Connectors over the API, and calls that they carry out

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{Seen, Server, update};

const SECRET: &str = "Bearer target-secret-0123456789";

/// A target that answers every request the same way.
async fn target(status: StatusCode, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::Router::new().fallback(move || async move { (status, body) });
    #[expect(
        clippy::disallowed_methods,
        reason = "a test has no background of its own"
    )]
    drop(tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                break;
            };
            let service = hyper_util::service::TowerToHyperService::new(router.clone());
            let io = hyper_util::rt::TokioIo::new(stream);
            drop(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(io, service)
                    .await,
            );
        }
    }));
    format!("http://{address}/deals")
}

async fn connect(server: &Server, base_url: &str) -> Value {
    let body = json!({"name": "crm", "action": "update_*", "resource_pattern": "crm:*",
                      "base_url": base_url, "headers": {"Authorization": SECRET}});
    server
        .call(
            Method::POST,
            "/v1/connectors",
            &server.one.owner,
            Some(body),
        )
        .await
        .ok(201)
}

async fn ask(server: &Server, key: &str) -> Seen {
    server
        .ask(&server.one.secret, key, &update(&json!({"amount": 5})))
        .await
}

#[tokio::test]
async fn header_values_are_never_shown_and_the_mask_keeps_them() {
    let server = super::start().await;
    let connector = connect(&server, "http://127.0.0.1:9/x").await;
    assert_eq!(connector["headers"], json!({"authorization": "********"}));
    assert_eq!(
        (&connector["version"], &connector["timeout_ms"]),
        (&json!(1), &json!(10_000))
    );
    let id = connector["connector_id"].as_str().unwrap();
    let path = format!("/v1/connectors/{id}");
    let patch = json!({"headers": {"Authorization": "********", "X-More": "abc"}, "position": 3});
    let seen = server
        .call(Method::PATCH, &path, &server.one.owner, Some(patch))
        .await;
    let changed = seen.ok(200);
    assert_eq!(
        changed["headers"],
        json!({"authorization": "********", "x-more": "********"})
    );
    assert_eq!(
        (&changed["version"], &changed["position"]),
        (&json!(2), &json!(3))
    );
    assert!(!seen.text.contains("target-secret"));
    let list = server.get("/v1/connectors", &server.one.owner).await;
    assert_eq!(list.ok(200)["connectors"][0], changed);
    server
        .get(&path, &server.two.owner)
        .await
        .problem(404, "not_found");
    server
        .get(&path, &server.one.secret)
        .await
        .problem(403, "forbidden");
    let viewer = server.token("viewer", &["read"]).await;
    server.get(&path, &viewer).await.problem(403, "forbidden");
    server
        .call(Method::DELETE, &path, &server.two.owner, None)
        .await
        .problem(404, "not_found");
    server
        .call(Method::DELETE, &path, &server.one.owner, None)
        .await
        .ok(204);
    server
        .get(&path, &server.one.owner)
        .await
        .problem(404, "not_found");
}

#[tokio::test]
async fn what_is_wrong_with_a_connector_is_named_without_its_secrets() {
    let server = super::start().await;
    let good = json!({"name": "crm", "action": "*", "resource_pattern": "*",
                      "base_url": "http://127.0.0.1:9/x"});
    for (field, value) in [
        ("base_url", json!("ftp://example.com")),
        ("base_url", json!(format!("http://{}/v1", server.address))),
        ("timeout_ms", json!(99)),
        ("headers", json!({"Host": "x"})),
        ("headers", json!({"X-A": "a\r\nb"})),
        ("pattern", json!("*")),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let problem = server
            .call(
                Method::POST,
                "/v1/connectors",
                &server.one.owner,
                Some(body),
            )
            .await
            .problem(400, "bad_request");
        let pointer = problem["errors"][0]["pointer"].as_str().unwrap();
        assert!(pointer.starts_with(&format!("/{field}")), "{problem}");
    }
}

#[tokio::test]
async fn an_allowed_action_is_carried_out_and_its_response_replayed() {
    let server = super::start().await;
    let base = target(
        StatusCode::OK,
        r#"{"deal":{"amount":5},"echo":"Bearer target-secret-0123456789"}"#,
    )
    .await;
    connect(&server, &base).await;
    let seen = ask(&server, "k").await;
    let answer = seen.ok(200);
    assert_eq!(
        (&answer["decision"], &answer["performed_by"]),
        (&json!("allow"), &json!("gateway"))
    );
    assert_eq!(
        answer["tool_response"],
        json!({"deal": {"amount": 5}, "echo": "********"})
    );
    assert_eq!(answer["execution"]["status"], "succeeded");
    assert_eq!(answer["execution"]["http_status"], 200);
    assert_eq!(answer["valid_until"], Value::Null);
    let again = ask(&server, "k").await;
    assert_eq!(again.text, seen.text);
    assert_eq!(again.header("idempotency-replayed"), "true");
    let id = answer["execution"]["execution_id"].as_str().unwrap();
    let path = format!("/v1/executions/{id}");
    for bearer in [&server.one.secret, &server.one.owner] {
        assert_eq!(server.get(&path, bearer).await.ok(200), answer["execution"]);
    }
    for bearer in [&server.two.secret, &server.two.owner] {
        server.get(&path, bearer).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn an_execution_that_did_not_succeed_is_502_and_remembered() {
    let server = super::start().await;
    for (status, outcome) in [
        (StatusCode::UNPROCESSABLE_ENTITY, "failed"),
        (StatusCode::INTERNAL_SERVER_ERROR, "unknown"),
    ] {
        let connector = connect(&server, &target(status, r#"{"error":"no"}"#).await).await;
        let seen = ask(&server, outcome).await;
        let problem = seen.problem(502, "connector_error");
        assert_eq!(problem["execution"]["status"], outcome);
        assert_eq!(problem["tool_response"], json!({"error": "no"}));
        let receipt = problem["receipt_id"].as_str().unwrap();
        let receipt = server
            .get(&format!("/v1/receipts/{receipt}"), &server.one.owner)
            .await
            .ok(200);
        assert_eq!(
            (&receipt["decision"], &receipt["verdict"]),
            (&json!("error"), &json!("allow"))
        );
        let again = ask(&server, outcome).await;
        assert_eq!((again.status.as_u16(), &again.text), (502, &seen.text));
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(again.header("content-type"), "application/problem+json");
        let path = format!(
            "/v1/connectors/{}",
            connector["connector_id"].as_str().unwrap()
        );
        server
            .call(Method::DELETE, &path, &server.one.owner, None)
            .await
            .ok(204);
    }
}

#[tokio::test]
async fn an_approved_action_is_carried_out_while_its_agent_waits() {
    let server = super::start().await;
    connect(&server, &target(StatusCode::OK, r#"{"won":true}"#).await).await;
    let body = update(&json!({"stage": "closed_won"}));
    let asked = server.ask(&server.one.secret, "k", &body).await.ok(200);
    let id = asked["approval_id"].as_str().unwrap();
    let decision = format!("/v1/approvals/{id}/decision");
    let decided = server
        .call(
            Method::POST,
            &decision,
            &server.one.owner,
            Some(json!({"decision": "approve"})),
        )
        .await
        .ok(200);
    assert_eq!(decided["status"], "approved");
    assert!(decided["execution"]["execution_id"].is_string());
    let seen = server
        .get(
            &format!("/v1/approvals/{id}?wait_ms=20000"),
            &server.one.secret,
        )
        .await
        .ok(200);
    assert_eq!(seen["execution"]["status"], "succeeded");
    assert_eq!(seen["tool_response"], json!({"won": true}));
    assert!(seen["final_receipt_id"].is_string());
    let listed = server
        .get(
            &format!("/v1/receipts?approval_id={id}"),
            &server.one.secret,
        )
        .await
        .ok(200);
    assert_eq!(listed["receipts"].as_array().unwrap().len(), 2);
}
