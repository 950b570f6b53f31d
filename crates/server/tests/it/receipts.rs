//! Receipts over the API

use serde_json::{Value, json};

use crate::harness::update;

#[tokio::test]
async fn receipts_are_listed_filtered_and_paged() {
    let server = super::start().await;
    let secret = &server.one.secret;
    for (key, stage) in [("a", "proposal"), ("b", "closed_won"), ("c", "proposal")] {
        server
            .ask(secret, key, &update(&json!({"stage": stage})))
            .await
            .ok(200);
    }
    let denied = json!({"action": "delete_deal", "resource": "crm:deal:9", "instance_id": "run-2"});
    server.ask(secret, "d", &denied).await.ok(200);
    let keys = async |query: &str, bearer: &str| {
        let page = server
            .get(&format!("/v1/receipts?{query}"), bearer)
            .await
            .ok(200);
        let receipts = page["receipts"].as_array().unwrap().clone();
        // Within one millisecond the order is that of the ids, which is chance.
        let mut keys: Vec<_> = receipts
            .iter()
            .map(|r| r["idempotency_key"].as_str().unwrap().to_owned())
            .collect();
        let order = |r: &Value| (r["created_at"].to_string(), r["receipt_id"].to_string());
        assert!(receipts.is_sorted_by(|a, b| order(a) > order(b)));
        keys.sort_unstable();
        (keys.join(""), page["next_cursor"].clone())
    };
    let owner = &server.one.owner;
    for (query, expected) in [
        ("", "abcd"),
        ("decision=allow", "ac"),
        ("risk_level=high", "b"),
        ("action=delete_deal&decision=deny", "d"),
        ("instance_id=run-2", "d"),
        ("search=CRM:DEAL:9", "d"),
        ("from=2001-01-01T00:00:00Z", "abcd"),
        ("to=2001-01-01T00:00:00Z", ""),
    ] {
        assert_eq!(
            keys(query, owner).await,
            (expected.to_owned(), Value::Null),
            "{query}"
        );
    }
    assert_eq!(
        keys(&format!("agent_id={}", server.one.agent), owner)
            .await
            .0,
        "abcd"
    );
    assert_eq!(
        keys(&format!("agent_id={}", server.two.agent), secret)
            .await
            .0,
        ""
    );
    assert_eq!(keys("", secret).await.0, "abcd");
    assert_eq!(keys("", &server.two.owner).await.0, "");
    let (first, cursor) = keys("limit=3", owner).await;
    let (second, end) = keys(
        &format!("limit=3&cursor={}", cursor.as_str().unwrap()),
        owner,
    )
    .await;
    let mut both: Vec<_> = format!("{first}{second}").chars().collect();
    both.sort_unstable();
    assert_eq!(
        (first.len(), both.as_slice(), end),
        (3, &['a', 'b', 'c', 'd'][..], Value::Null)
    );
    server
        .get("/v1/receipts?search=x", secret)
        .await
        .problem(403, "forbidden");
    for query in [
        "limit=0",
        "limit=201",
        "limit=1&limit=1",
        "cursor=x",
        "decision=yes",
        "risk_level=none",
        "agent_id=x",
        "approval_id=x",
        "from=now",
        "search=",
        "serach=x",
    ] {
        let problem = server
            .get(&format!("/v1/receipts?{query}"), owner)
            .await
            .problem(400, "bad_request");
        let name = query.split('=').next().unwrap();
        assert!(
            problem["detail"]
                .as_str()
                .unwrap()
                .contains(&format!("`{name}`")),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn a_receipt_is_served_as_signed_and_verifies() {
    let server = super::start().await;
    let answer = server
        .ask(&server.one.secret, "k", &update(&json!({"amount": 1})))
        .await
        .ok(200);
    let path = format!("/v1/receipts/{}", answer["receipt_id"].as_str().unwrap());
    let seen = server.get(&path, &server.one.secret).await;
    let receipt = seen.ok(200);
    assert_eq!(receipt["schema"], "relynt.receipt/1");
    let keys = server.get("/.well-known/relynt-keys.json", "").await;
    let mut set = relynt_ledger::KeySet::new();
    set.add_jwks(keys.text.as_bytes(), relynt_ledger::Trust::Named)
        .unwrap();
    assert!(relynt_ledger::verify(seen.text.as_bytes(), &set).is_valid());
    let listed = server.get("/v1/receipts", &server.one.owner).await;
    assert!(
        listed.text.contains(&seen.text),
        "the list serves other bytes"
    );
    let verified = server
        .get(&format!("{path}/verify"), &server.one.owner)
        .await
        .ok(200);
    assert_eq!(
        verified,
        json!({"valid": true, "reason": null, "checks":
               {"signature": "ok", "key": "ok", "columns": "ok", "log": "not_checked"}})
    );
    for bearer in [&server.two.secret, &server.two.owner] {
        server.get(&path, bearer).await.problem(404, "not_found");
        server
            .get(&format!("{path}/verify"), bearer)
            .await
            .problem(404, "not_found");
    }
}
