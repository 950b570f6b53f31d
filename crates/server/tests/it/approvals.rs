//! Approvals over the API

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Seen, Server, update};

async fn pending(server: &Server, key: &str) -> String {
    let answer = server
        .ask(
            &server.one.secret,
            key,
            &update(&json!({"stage": "closed_won", "n": key})),
        )
        .await
        .ok(200);
    answer["approval_id"].as_str().unwrap().to_owned()
}

async fn decide(server: &Server, id: &str, bearer: &str, body: Value) -> Seen {
    let path = format!("/v1/approvals/{id}/decision");
    server.call(Method::POST, &path, bearer, Some(body)).await
}

#[tokio::test]
async fn a_waiting_agent_sees_the_decision_at_once() {
    let server = super::start().await;
    let id = pending(&server, "k").await;
    let path = format!("/v1/approvals/{id}?wait_ms=20000");
    let waiting = server.get(&path, &server.one.secret);
    let deciding = async {
        // Joined by the waiter or not, it sees the same.
        tokio::task::yield_now().await;
        let body = json!({"decision": "approve", "revision": 1, "note": "fine"});
        (
            decide(&server, &id, &server.one.owner, body).await,
            Instant::now(),
        )
    };
    let began = Instant::now();
    let (seen, (decided, _)) = tokio::join!(waiting, deciding);
    let decided = decided.ok(200);
    assert_eq!(decided["status"], "approved");
    assert_eq!(decided["votes"][0]["vote"], "approve");
    assert_eq!(decided["payload"]["stage"], "closed_won");
    let seen = seen.ok(200);
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "it waited to the end"
    );
    assert_eq!(seen["status"], "approved");
    assert_eq!(seen["note"], "fine");
    assert!(seen["decided_by"].as_str().unwrap().starts_with("user:"));
    assert_eq!(seen["performed_by"], "agent");
    assert!(seen["valid_until"].is_string());
    assert!(seen["final_receipt_id"].is_string());
    assert_eq!(
        (&seen["votes"], &seen["payload"]),
        (&Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn waiting_ends_with_its_time() {
    let server = super::start().await;
    let id = pending(&server, "k").await;
    let seen = server
        .get(
            &format!("/v1/approvals/{id}?wait_ms=20"),
            &server.one.secret,
        )
        .await
        .ok(200);
    assert_eq!(seen["status"], "pending");
    for wait in ["60001", "-1", "1s", ""] {
        server
            .get(
                &format!("/v1/approvals/{id}?wait_ms={wait}"),
                &server.one.secret,
            )
            .await
            .problem(400, "bad_request");
    }
}

#[tokio::test]
async fn the_first_decision_wins_and_others_are_told() {
    let server = super::start().await;
    let id = pending(&server, "k").await;
    let owner = &server.one.owner;
    decide(
        &server,
        &id,
        owner,
        json!({"decision": "approve", "revision": 2}),
    )
    .await
    .problem(409, "conflict");
    decide(&server, &id, owner, json!({"decision": "deny"}))
        .await
        .ok(200);
    let problem = decide(&server, &id, owner, json!({"decision": "approve"}))
        .await
        .problem(409, "conflict");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("denied") && detail.contains("user:"),
        "{detail}"
    );
    for (body, pointer) in [
        (json!({"decision": "maybe"}), "/decision"),
        (json!({}), "/decision"),
        (json!({"decision": "deny", "revision": 0}), "/revision"),
        (json!({"decision": "deny", "notes": "x"}), "/notes"),
        (
            json!({"decision": "deny", "note": "x".repeat(1025)}),
            "/note",
        ),
    ] {
        let problem = decide(&server, &id, owner, body)
            .await
            .problem(400, "bad_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer);
    }
}

#[tokio::test]
async fn who_may_decide_is_role_and_scope() {
    let server = super::start().await;
    let id = pending(&server, "k").await;
    for (role, scopes) in [
        ("viewer", &["read", "manage", "approvals:decide"][..]),
        ("owner", &["read", "manage"]),
        ("approver", &["read"]),
    ] {
        let token = server.token(role, scopes).await;
        decide(&server, &id, &token, json!({"decision": "approve"}))
            .await
            .problem(403, "forbidden");
    }
    decide(
        &server,
        &id,
        &server.one.secret,
        json!({"decision": "approve"}),
    )
    .await
    .problem(403, "forbidden");
    decide(
        &server,
        &id,
        &server.two.owner,
        json!({"decision": "approve"}),
    )
    .await
    .problem(404, "not_found");
    let token = server.token("approver", &["approvals:decide"]).await;
    decide(&server, &id, &token, json!({"decision": "approve"}))
        .await
        .ok(200);
}

#[tokio::test]
async fn people_list_and_agents_do_not() {
    let server = super::start().await;
    let mut ids = Vec::new();
    for key in ["a", "b", "c"] {
        ids.push(pending(&server, key).await);
    }
    decide(
        &server,
        &ids[0],
        &server.one.owner,
        json!({"decision": "deny"}),
    )
    .await
    .ok(200);
    let page = async |query: &str| {
        server
            .get(&format!("/v1/approvals?{query}"), &server.one.owner)
            .await
            .ok(200)
    };
    // Within one millisecond the order is that of the ids, which is chance.
    let first = page("status=pending&limit=1").await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = page(&format!("status=pending&limit=1&cursor={cursor}")).await;
    let mut listed = [&first, &second].map(|page| {
        assert_eq!(page["approvals"].as_array().unwrap().len(), 1);
        page["approvals"][0]["approval_id"]
            .as_str()
            .unwrap()
            .to_owned()
    });
    listed.sort_unstable();
    let mut expected = [ids[1].clone(), ids[2].clone()];
    expected.sort_unstable();
    assert_eq!(listed, expected);
    let rest = page("status=denied").await;
    assert_eq!(rest["approvals"][0]["approval_id"], ids[0].as_str());
    assert_eq!(rest["next_cursor"], Value::Null);
    assert_eq!(
        page(&format!("agent_id={}", server.two.agent)).await["approvals"],
        json!([])
    );
    server
        .get("/v1/approvals", &server.one.secret)
        .await
        .problem(403, "forbidden");
    server
        .get("/v1/approvals?state=pending", &server.one.owner)
        .await
        .problem(400, "bad_request");
    let others = server.get("/v1/approvals", &server.two.owner).await.ok(200);
    assert_eq!(others["approvals"], json!([]));
}

#[tokio::test]
async fn anothers_approval_is_one_that_does_not_exist() {
    let server = super::start().await;
    let id = pending(&server, "k").await;
    let sibling = server.new_agent(&server.one.owner, "sibling").await;
    let sibling = server.rotate(&server.one.owner, &sibling, json!({})).await;
    for bearer in [&server.two.secret, &server.two.owner, &sibling] {
        let there = server
            .get(&format!("/v1/approvals/{id}?wait_ms=1000"), bearer)
            .await;
        let nowhere = server
            .get(
                "/v1/approvals/0192f0c1-2345-7abc-8def-0123456789ab?wait_ms=1000",
                bearer,
            )
            .await;
        let malformed = server.get("/v1/approvals/x", bearer).await;
        let mut problems = [there, nowhere, malformed].map(|seen| seen.problem(404, "not_found"));
        for problem in &mut problems {
            problem["request_id"] = Value::Null;
        }
        assert_eq!(problems[0], problems[1]);
        assert_eq!(problems[1], problems[2]);
    }
}
