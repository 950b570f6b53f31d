//! What needs no login

use http::{Method, Request};
use serde_json::{Value, json};

use crate::harness::{Server, update};

#[tokio::test]
async fn health_readiness_and_the_first_page() {
    let server = Server::start().await;
    let health = server.get("/healthz", "").await.ok(200);
    assert_eq!(health["status"], "ok");
    let ready = server.get("/readyz", "").await.ok(200);
    assert_eq!(
        ready,
        json!({"ready": true, "detail": null,
               "checks": {"store": "ok", "signer": "ok", "policies": "ok"}})
    );
    let page = server.get("/", "").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains(env!("CARGO_PKG_VERSION")) && page.text.contains("/openapi.json"));
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    let document = server.get("/openapi.json", "").await;
    assert_eq!(document.text, relynt_server::openapi_document());
}

#[tokio::test]
async fn keys_are_a_jwk_set_with_thumbprints() {
    let server = Server::start().await;
    let keys = server
        .get("/.well-known/relynt-keys.json", "")
        .await
        .ok(200);
    let key = &keys["keys"][0];
    assert_eq!(
        (&key["kty"], &key["crv"], &key["alg"]),
        (&json!("OKP"), &json!("Ed25519"), &json!("EdDSA"))
    );
    assert!(key["not_before"].is_string());
    assert_eq!(key["not_after"], Value::Null);
}

#[tokio::test]
async fn every_answer_has_the_callers_id_if_it_is_sane() {
    let server = Server::start().await;
    for path in ["/healthz", "/nowhere", "/v1/agents", "/v1/receipts/x"] {
        let request = |id: &str| {
            Request::get(path)
                .header("x-request-id", id)
                .body(String::new())
                .unwrap()
        };
        let seen = server.send(request("my-id.1")).await;
        assert_eq!(seen.header("x-request-id"), "my-id.1");
        let seen = server.send(request("no id")).await;
        assert_eq!(seen.header("x-request-id").len(), 36);
    }
}

#[tokio::test]
async fn what_is_not_there_yet_is_not_there_at_all() {
    let server = Server::start().await;
    for path in [
        "/v1/members",
        "/v1/invitations",
        "/v1/slack",
        "/v1/webhooks",
        "/v1/freeze",
        "/v1/events",
        "/v1/auth/login",
        "/v1/log/checkpoint",
        "/v1/executions",
        "/v1/policies/shadow/x",
        "/metrics",
        "/v1",
        "/v1/agents/",
    ] {
        server
            .get(path, &server.one.owner)
            .await
            .problem(404, "not_found");
    }
    for (method, path, allow) in [
        (Method::DELETE, "/v1/agents", "GET,HEAD,POST,OPTIONS"),
        (Method::GET, "/v1/agent-tool-call", "POST,OPTIONS"),
        (
            Method::PUT,
            "/v1/connectors/x",
            "GET,HEAD,PATCH,DELETE,OPTIONS",
        ),
        (Method::PATCH, "/v1/organization", "GET,HEAD,OPTIONS"),
    ] {
        let seen = server.call(method.clone(), path, "", None).await;
        seen.problem(405, "method_not_allowed");
        assert_eq!(seen.header("allow"), allow, "{method} {path}");
        let options = server.call(Method::OPTIONS, path, "", None).await;
        assert_eq!(
            (options.status.as_u16(), options.header("allow")),
            (204, allow)
        );
    }
}

#[tokio::test]
async fn metrics_have_their_own_listener_and_name_nobody() {
    let server = Server::start().await;
    server
        .ask(&server.one.secret, "k", &update(&json!({"stage": "x"})))
        .await
        .ok(200);
    server
        .ask(&server.one.secret, "k", &update(&json!({"stage": "x"})))
        .await
        .ok(200);
    let text = server.metrics_text().await;
    for line in [
        r#"relynt_http_requests_total{route="/v1/agent-tool-call",status="200"} 2"#,
        r#"relynt_decisions_total{decision="allow"} 1"#,
        "relynt_replays_total 1",
        "relynt_store_queue_depth ",
        r#"relynt_store_group_size_bucket{le="+Inf"}"#,
        "relynt_decisions_under_way 0",
        "relynt_decisions_refused_total 0",
        r#"relynt_stage_duration_seconds_count{stage="evaluate"} 2"#,
        r#"relynt_stage_duration_seconds_count{stage="commit"} 2"#,
        r#"relynt_stage_duration_seconds_count{stage="execute"} 0"#,
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    for name in [
        &server.one.agent,
        &server.one.organization,
        &server.one.secret,
    ] {
        assert!(!text.contains(name.as_str()));
    }
}
