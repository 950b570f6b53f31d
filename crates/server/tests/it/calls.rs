//! Tool calls and the simulator

use http::Method;
use serde_json::{Value, json};

use crate::harness::{tool_call, update};

#[tokio::test]
async fn the_published_example_holds() {
    let server = super::start().await;
    let secret = &server.one.secret;
    for (key, body, decision, risk, rule) in [
        (
            "k1",
            update(&json!({"stage": "Closed_Won "})),
            "pending_approval",
            "high",
            "closing",
        ),
        (
            "k2",
            update(&json!({"stage": "proposal"})),
            "allow",
            "low",
            "2",
        ),
        (
            "k3",
            json!({"action": "delete_deal", "resource": "crm:deal:1", "instance_id": "i"}),
            "deny",
            "medium",
            "3",
        ),
    ] {
        let answer = server.ask(secret, key, &body).await.ok(200);
        assert_eq!(answer["decision"], decision, "{answer}");
        assert_eq!(answer["risk_level"], risk);
        assert_eq!(answer["policy_version"], "v2");
        assert!(
            answer["reason"].as_str().unwrap().contains(rule),
            "{answer}"
        );
        assert_eq!(
            answer["approval_id"].is_string(),
            decision == "pending_approval"
        );
        let mut fields: Vec<_> = answer
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        fields.sort_unstable();
        assert_eq!(
            fields,
            [
                "approval_id",
                "decision",
                "execution",
                "performed_by",
                "policy_version",
                "reason",
                "receipt_id",
                "risk_level",
                "tool_response",
                "tool_response_erased",
                "valid_until"
            ]
        );
        let allowed = decision == "allow";
        assert_eq!(
            answer["performed_by"],
            if allowed { json!("agent") } else { Value::Null }
        );
        assert_eq!(answer["valid_until"].is_string(), allowed);
    }
}

#[tokio::test]
async fn a_key_answers_as_it_did_and_refuses_other_parameters() {
    let server = super::start().await;
    let secret = &server.one.secret;
    let first = server
        .ask(secret, "\"k\"", &update(&json!({"a": 1.50})))
        .await;
    assert_eq!(first.header("idempotency-replayed"), "");
    let mut same = update(&json!({"a": 1.5}));
    same["instance_id"] = json!("another-run");
    let second = server.ask(secret, "\"k\"", &same).await;
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert_eq!((second.status, &second.text), (first.status, &first.text));
    // The key is taken literally, quotes included.
    let other = server
        .ask(secret, "k", &update(&json!({"a": 1.5})))
        .await
        .ok(200);
    assert_ne!(other["receipt_id"], first.json()["receipt_id"]);
    let conflict = server.ask(secret, "\"k\"", &update(&json!({"a": 2}))).await;
    conflict.problem(409, "conflict");
}

#[tokio::test]
async fn what_is_checked_first_answers_first() {
    let server = super::start().await;
    let secret = &server.one.secret;
    let nothing = tool_call("", "k", String::new());
    let (parts, _) = nothing.into_parts();
    let mut request = http::Request::from_parts(parts, "x".repeat(300 * 1024));
    request.headers_mut().remove("idempotency-key");
    request
        .headers_mut()
        .insert("content-type", "text/plain".parse().unwrap());
    let clone = |request: &http::Request<String>| {
        let mut copy = http::Request::builder()
            .method(request.method())
            .uri(request.uri())
            .body(request.body().clone())
            .unwrap();
        *copy.headers_mut() = request.headers().clone();
        copy
    };
    // Everything is wrong; one thing after the other is set right.
    server
        .send(clone(&request))
        .await
        .problem(401, "unauthorized");
    request
        .headers_mut()
        .insert("authorization", format!("Bearer {secret}").parse().unwrap());
    server
        .send(clone(&request))
        .await
        .problem(415, "unsupported_media_type");
    request
        .headers_mut()
        .insert("content-type", "application/json".parse().unwrap());
    server
        .send(clone(&request))
        .await
        .problem(413, "payload_too_large");
    *request.body_mut() = "{\"action\":".to_owned();
    server
        .send(clone(&request))
        .await
        .problem(400, "bad_request");
    *request.body_mut() = update(&json!({})).to_string();
    let problem = server
        .send(clone(&request))
        .await
        .problem(400, "bad_request");
    assert_eq!(problem["detail"], "the header `Idempotency-Key` is missing");
    request
        .headers_mut()
        .insert("idempotency-key", "k".parse().unwrap());
    server.send(request).await.ok(200);
}

#[tokio::test]
async fn hostile_bodies_are_refused_with_their_place() {
    let server = super::start().await;
    let secret = &server.one.secret;
    let deep = format!(
        r#"{{"action":"a","resource":"r","instance_id":"i","payload":{}1{}}}"#,
        "{\"a\":".repeat(70),
        "}".repeat(70)
    );
    for (body, pointer) in [
        (
            r#"{"action":"a","action":"b","resource":"r","instance_id":"i"}"#,
            "/action",
        ),
        (
            r#"{"action":"a","resource":"r","instance_id":"i","payload":{"x":{"k":1,"k":1}}}"#,
            "/payload/x/k",
        ),
        (
            r#"{"action":"a","resource":"r","instance_id":"i","payload":{"n":9007199254740993}}"#,
            "/payload/n",
        ),
        (
            r#"{"action":"a","resource":"r","instance_id":"i","payload":{"n":1e400}}"#,
            "/payload/n",
        ),
        (
            r#"{"action":"a","resource":"r","instance_id":"i","payload":{"n":0.12345678901234567890}}"#,
            "/payload/n",
        ),
        (
            r#"{"action":"a","resource":"r","instance_id":"i","payload":[]}"#,
            "/payload",
        ),
        (
            r#"{"action":"a\u0000","resource":"r","instance_id":"i"}"#,
            "/action",
        ),
        (
            r#"{"action":"a","resource":"r\u202e","instance_id":"i"}"#,
            "/resource",
        ),
        (
            r#"{"action":"a","resource":"r","instance_id":"i","paylod":{}}"#,
            "/paylod",
        ),
        (r#"{"action":"a","resource":"r"}"#, "/instance_id"),
        (
            r#"{"action":"","resource":"r","instance_id":"i"}"#,
            "/action",
        ),
        (deep.as_str(), ""),
    ] {
        let problem = server
            .send(tool_call(secret, "k", body.to_owned()))
            .await
            .problem(400, "bad_request");
        let errors = problem["errors"].as_array().unwrap();
        let told = errors[0]["pointer"].as_str().unwrap();
        assert!(told.starts_with(pointer), "{body}: {told}");
        assert!(problem["receipt_id"].is_null());
    }
    for key in ["", " ", "é", &"k".repeat(256)] {
        let mut request = tool_call(secret, "k", update(&json!({})).to_string());
        let key = http::HeaderValue::from_bytes(key.as_bytes()).unwrap();
        request.headers_mut().insert("idempotency-key", key);
        server.send(request).await.problem(400, "bad_request");
    }
    let mut twice = tool_call(secret, "k", update(&json!({})).to_string());
    twice
        .headers_mut()
        .append("idempotency-key", "k".parse().unwrap());
    server.send(twice).await.problem(400, "bad_request");
    // None of them used the key.
    let answer = server.ask(secret, "k", &update(&json!({}))).await;
    assert_eq!(answer.header("idempotency-replayed"), "");
}

#[tokio::test]
async fn the_longer_form_of_a_credential_names_its_agent() {
    let server = super::start().await;
    let (agent, secret) = (&server.one.agent, &server.one.secret);
    server
        .ask(&format!("{agent}:{secret}"), "k", &update(&json!({})))
        .await
        .ok(200);
    let other = &server.two.agent;
    server
        .ask(&format!("{other}:{secret}"), "k", &update(&json!({})))
        .await
        .problem(401, "unauthorized");
    // A person's token is no agent's credential.
    server
        .ask(&server.one.owner, "k", &update(&json!({})))
        .await
        .problem(403, "forbidden");
}

#[tokio::test]
async fn two_hundred_calls_with_one_key_are_one_call() {
    let server = super::start().await;
    let body = update(&json!({"stage": "closed_won"}));
    let calls = (0..200).map(|_| server.ask(&server.one.secret, "same", &body));
    let seen = futures_util::future::join_all(calls).await;
    for answer in &seen {
        assert_eq!((answer.status.as_u16(), &answer.text), (200, &seen[0].text));
    }
    let receipts = server.get("/v1/receipts", &server.one.owner).await.ok(200);
    assert_eq!(receipts["receipts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_simulator_says_the_same_and_leaves_nothing() {
    let server = super::start().await;
    let ask = async |bearer: &str, body: Value| {
        server
            .call(Method::POST, "/v1/policy-simulator", bearer, Some(body))
            .await
    };
    let body = json!({"action": "update_deal", "resource": "crm:deal:1",
                      "payload": {"stage": "proposal"}});
    let answer = ask(&server.one.secret, body.clone()).await.ok(200);
    assert_eq!(answer["decision"], "allow");
    assert_eq!(answer["matched_rule"]["id"], "2");
    assert_eq!(answer["matched_rule"]["decision"], "allow");
    assert_eq!(
        (&answer["rule_index"], &answer["skipped"]),
        (&Value::Null, &Value::Null)
    );
    let answer = ask(&server.one.owner, body.clone()).await.ok(200);
    assert_eq!(answer["rule_index"], 1);
    assert_eq!(answer["skipped"][0]["rule_id"], "closing");
    // A draft, an older version, and what only people may ask.
    let mut draft = body.clone();
    draft["rules"] = json!([{"action": "*", "resource_pattern": "*", "decision": "allow"}]);
    let answer = ask(&server.one.owner, draft.clone()).await.ok(200);
    assert_eq!(
        (&answer["policy_version"], &answer["decision"]),
        (&json!("draft"), &json!("allow"))
    );
    let problem = ask(&server.one.secret, draft)
        .await
        .problem(400, "bad_request");
    assert_eq!(problem["errors"][0]["pointer"], "/rules");
    let mut older = body.clone();
    older["version"] = json!("v1");
    let answer = ask(&server.one.owner, older.clone()).await.ok(200);
    assert_eq!(
        (&answer["policy_version"], &answer["decision"]),
        (&json!("v1"), &json!("deny"))
    );
    older["version"] = json!("v9");
    ask(&server.one.owner, older.clone())
        .await
        .problem(404, "not_found");
    older["version"] = json!("nine");
    ask(&server.one.owner, older)
        .await
        .problem(400, "bad_request");
    let mut wrong = body;
    wrong["rules"] = json!([{"action": "*", "resource_pattern": "*", "decision": "maybe"}]);
    let problem = ask(&server.one.owner, wrong)
        .await
        .problem(400, "bad_request");
    assert_eq!(problem["errors"][0]["pointer"], "/rules/0/decision");
    let receipts = server.get("/v1/receipts", &server.one.owner).await.ok(200);
    assert_eq!(receipts["receipts"], json!([]));
}
