//! Policies over the API

use http::Method;
use serde_json::{Value, json};

use crate::harness::{published_policy, update};

#[tokio::test]
async fn a_version_is_saved_activated_and_rolled_back() {
    let server = super::start().await;
    let (owner, secret) = (&server.one.owner, &server.one.secret);
    let rules = json!([{"action": "*", "resource_pattern": "*", "decision": "allow"}]);
    let body = json!({"rules": rules, "note": "let all"});
    let saved = server
        .call(Method::POST, "/v1/policies", owner, Some(body))
        .await
        .ok(201);
    assert_eq!(
        (&saved["version"], &saved["active"]),
        (&json!("v3"), &json!(false))
    );
    assert_eq!(
        (&saved["rules"], &saved["note"]),
        (&rules, &json!("let all"))
    );
    assert_eq!(saved["activated_at"], Value::Null);
    let other = json!({"action": "x", "resource": "y", "instance_id": "i"});
    assert_eq!(
        server.ask(secret, "1", &other).await.ok(200)["decision"],
        "deny"
    );
    let activate = async |version: &str, body: Option<Value>| {
        let path = format!("/v1/policies/{version}/activate");
        server.call(Method::POST, &path, owner, body).await
    };
    let active = activate("v3", Some(json!({"note": "go", "acknowledge": true})))
        .await
        .ok(200);
    assert_eq!(active["active"], true);
    let answer = server.ask(secret, "2", &other).await.ok(200);
    assert_eq!(
        (&answer["decision"], &answer["policy_version"]),
        (&json!("allow"), &json!("v3"))
    );
    activate("v2", None).await.ok(200);
    assert_eq!(
        server.ask(secret, "3", &other).await.ok(200)["decision"],
        "deny"
    );
    for version in ["v4", "v0", "v02", "3", "x"] {
        activate(version, None).await.problem(404, "not_found");
    }
    let list = server.get("/v1/policies", owner).await.ok(200);
    let versions: Vec<_> = list["policies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|policy| {
            (
                policy["version"].as_str().unwrap(),
                policy["active"] == true,
            )
        })
        .collect();
    assert_eq!(versions, [("v3", false), ("v2", true), ("v1", false)]);
    let page = server.get("/v1/policies?limit=2", owner).await.ok(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    let page = server
        .get(&format!("/v1/policies?cursor={cursor}"), owner)
        .await
        .ok(200);
    assert_eq!(page["policies"][0]["version"], "v1");
    assert_eq!(
        server.get("/v1/policies/v2", owner).await.ok(200)["rules"],
        published_policy()
    );
}

#[tokio::test]
async fn a_policy_is_refused_whole_with_every_fault() {
    let server = super::start().await;
    let rules = json!([
        {"action": "a", "resource_pattern": "*", "decision": "allow",
         "conditions": {"deny_feild": ["x"]}},
        {"action": "a", "resource_pattern": "*", "decision": "perhaps"},
        {"action": "a", "resource_pattern": "*", "decision": "allow", "when": "true"}
    ]);
    let problem = server
        .call(
            Method::POST,
            "/v1/policies",
            &server.one.owner,
            Some(json!({"rules": rules})),
        )
        .await
        .problem(400, "bad_request");
    let errors = problem["errors"].as_array().unwrap();
    let pointers: Vec<_> = errors
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(
        pointers,
        [
            "/rules/0/conditions/deny_feild",
            "/rules/1/decision",
            "/rules/2/when"
        ]
    );
    assert!(
        errors[0]["detail"]
            .as_str()
            .unwrap()
            .contains("deny_fields"),
        "{problem}"
    );
    let list = server.get("/v1/policies", &server.one.owner).await.ok(200);
    assert_eq!(list["policies"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_duplicate_key_in_a_policy_is_refused_at_its_place() {
    let server = super::start().await;
    let text =
        r#"{"rules":[{"action":"a","resource_pattern":"*","decision":"allow","decision":"deny"}]}"#;
    let request = http::Request::post("/v1/policies")
        .header("authorization", format!("Bearer {}", server.one.owner))
        .header("content-type", "application/json")
        .body(text.to_owned())
        .unwrap();
    let problem = server.send(request).await.problem(400, "bad_request");
    assert_eq!(problem["errors"][0]["pointer"], "/rules/0/decision");
}

#[tokio::test]
async fn a_policy_may_be_long_but_not_without_end() {
    let server = super::start().await;
    let rule = |n: usize| json!({"id": format!("r{n}"), "action": format!("a{n}"), "resource_pattern": "*", "decision": "deny"});
    let rules: Vec<_> = (0..10_000).map(rule).collect();
    let body = json!({"rules": rules});
    assert!(body.to_string().len() > 256 * 1024);
    server
        .call(Method::POST, "/v1/policies", &server.one.owner, Some(body))
        .await
        .ok(201);
    let rules: Vec<_> = (0..10_001).map(rule).collect();
    server
        .call(
            Method::POST,
            "/v1/policies",
            &server.one.owner,
            Some(json!({"rules": rules})),
        )
        .await
        .problem(400, "bad_request");
    let long = json!({"rules": [], "note": "x".repeat(4 * 1024 * 1024)});
    server
        .call(Method::POST, "/v1/policies", &server.one.owner, Some(long))
        .await
        .problem(413, "payload_too_large");
    server
        .ask(&server.one.secret, "k", &update(&json!({})))
        .await
        .ok(200);
}
