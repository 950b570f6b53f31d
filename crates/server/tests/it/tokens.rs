//! Access tokens, roles and scopes over the API

use http::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_token_is_shown_once_and_revoked() {
    let server = super::start().await;
    let owner = &server.one.owner;
    let body = json!({"name": "ci", "role": "viewer"});
    let shown = server
        .call(Method::POST, "/v1/tokens", owner, Some(body))
        .await
        .ok(201);
    assert_eq!(shown["scopes"], json!(["read", "manage"]));
    let token = shown["token"].as_str().unwrap();
    assert!(token.starts_with("rlp_"));
    let list = server.get("/v1/tokens", owner).await;
    assert!(!list.text.contains(&token[27..]));
    assert_eq!(list.ok(200)["tokens"].as_array().unwrap().len(), 2);
    assert_eq!(
        server.get("/v1/organization", token).await.ok(200)["name"],
        "One"
    );
    let path = format!("/v1/tokens/{}", shown["token_id"].as_str().unwrap());
    server
        .call(Method::DELETE, &path, &server.two.owner, None)
        .await
        .problem(404, "not_found");
    server
        .call(Method::DELETE, &path, owner, None)
        .await
        .ok(204);
    server
        .get("/v1/organization", token)
        .await
        .problem(401, "unauthorized");
}

#[tokio::test]
async fn nobody_makes_a_token_above_their_own() {
    let server = super::start().await;
    let token = server.token("admin", &["read", "manage"]).await;
    for body in [
        json!({"name": "x", "role": "owner"}),
        json!({"name": "x", "role": "viewer", "scopes": ["approvals:decide"]}),
    ] {
        server
            .call(Method::POST, "/v1/tokens", &token, Some(body))
            .await
            .problem(403, "forbidden");
    }
    for (body, pointer) in [
        (json!({"role": "owner"}), "/name"),
        (json!({"name": "x", "role": "king"}), "/role"),
        (
            json!({"name": "x", "role": "owner", "scopes": []}),
            "/scopes",
        ),
        (
            json!({"name": "x", "role": "owner", "scopes": ["all"]}),
            "/scopes",
        ),
        (
            json!({"name": "x", "role": "owner", "scope": ["read"]}),
            "/scope",
        ),
    ] {
        let problem = server
            .call(Method::POST, "/v1/tokens", &token, Some(body))
            .await
            .problem(400, "bad_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
}

#[tokio::test]
async fn what_each_role_and_scope_may() {
    let server = super::start().await;
    let all = &["read", "manage", "approvals:decide", "log:read"][..];
    let agent = format!("/v1/agents/{}", server.one.agent);
    // Whether viewer, approver, admin may.
    for (method, path, body, may) in [
        (
            Method::GET,
            "/v1/agents".to_owned(),
            None,
            [true, true, true],
        ),
        (
            Method::GET,
            "/v1/policies".to_owned(),
            None,
            [true, true, true],
        ),
        (
            Method::GET,
            "/v1/receipts".to_owned(),
            None,
            [true, true, true],
        ),
        (
            Method::GET,
            "/v1/approvals".to_owned(),
            None,
            [true, true, true],
        ),
        (
            Method::GET,
            "/v1/organization".to_owned(),
            None,
            [true, true, true],
        ),
        (
            Method::GET,
            "/v1/connectors".to_owned(),
            None,
            [false, true, true],
        ),
        (
            Method::GET,
            format!("{agent}/credentials"),
            None,
            [true, true, true],
        ),
        (
            Method::POST,
            "/v1/policy-simulator".to_owned(),
            Some(json!({"action": "a", "resource": "r"})),
            [true, true, true],
        ),
        (
            Method::PATCH,
            agent.clone(),
            Some(json!({"tags": ["x"]})),
            [false, false, true],
        ),
        (
            Method::POST,
            format!("{agent}/enable"),
            None,
            [false, false, true],
        ),
        (
            Method::POST,
            "/v1/policies/v2/activate".to_owned(),
            None,
            [false, false, true],
        ),
    ] {
        for (role, may) in ["viewer", "approver", "admin"].into_iter().zip(may) {
            let token = server.token(role, all).await;
            let seen = server
                .call(method.clone(), &path, &token, body.clone())
                .await;
            if may {
                seen.ok(200);
            } else {
                seen.problem(403, "forbidden");
            }
        }
    }
    let reads = server.token("owner", &["read"]).await;
    server
        .call(Method::PATCH, &agent, &reads, Some(json!({})))
        .await
        .problem(403, "forbidden");
    let manages = server.token("owner", &["manage"]).await;
    server
        .get("/v1/agents", &manages)
        .await
        .problem(403, "forbidden");
    server
        .call(Method::PATCH, &agent, &manages, Some(json!({})))
        .await
        .ok(200);
    for bearer in ["", "x", "rlp_x", "rly_x", &server.one.owner[..75]] {
        let problem = server
            .get("/v1/agents", bearer)
            .await
            .problem(401, "unauthorized");
        assert_eq!(problem["receipt_id"], Value::Null);
    }
    let seen = server.get("/v1/agents", "x").await;
    assert_eq!(seen.header("www-authenticate"), "Bearer realm=\"relynt\"");
}
