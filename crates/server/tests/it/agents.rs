//! Agents and credentials over the API

use http::Method;
use serde_json::{Value, json};

use crate::harness::update;

#[tokio::test]
async fn an_agent_is_registered_changed_and_listed() {
    let server = super::start().await;
    let owner = &server.one.owner;
    let body = json!({"name": "mail", "description": "sends mail", "tags": ["b", "a", "a"]});
    let agent = server
        .call(Method::POST, "/v1/agents", owner, Some(body.clone()))
        .await
        .ok(201);
    assert_eq!(agent["tags"], json!(["a", "b"]));
    assert_eq!(
        (&agent["status"], &agent["last_seen_at"]),
        (&json!("active"), &Value::Null)
    );
    assert!(agent["owner"].as_str().unwrap().starts_with("user:"));
    server
        .call(Method::POST, "/v1/agents", owner, Some(body))
        .await
        .problem(409, "conflict");
    let path = format!("/v1/agents/{}", agent["agent_id"].as_str().unwrap());
    let patch = json!({"description": null, "name": "post"});
    let changed = server
        .call(Method::PATCH, &path, owner, Some(patch))
        .await
        .ok(200);
    assert_eq!(
        (&changed["name"], &changed["description"]),
        (&json!("post"), &Value::Null)
    );
    assert_eq!(changed["tags"], agent["tags"]);
    assert_eq!(server.get(&path, owner).await.ok(200), changed);
    let first = server.get("/v1/agents?limit=1", owner).await.ok(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = server
        .get(&format!("/v1/agents?limit=1&cursor={cursor}"), owner)
        .await
        .ok(200);
    assert!(
        [&first, &second]
            .iter()
            .any(|page| page["agents"][0] == changed)
    );
    assert_ne!(first["agents"], second["agents"]);
    assert_eq!(second["next_cursor"], Value::Null);
    server
        .get(&path, &server.two.owner)
        .await
        .problem(404, "not_found");
}

#[tokio::test]
async fn what_is_wrong_with_an_agent_is_named() {
    let server = super::start().await;
    for (body, pointer) in [
        (json!({}), "/name"),
        (json!({"name": ""}), "/name"),
        (json!({"name": "a\nb"}), "/name"),
        (json!({"name": "a", "nmae": "b"}), "/nmae"),
        (json!({"name": "a", "tags": "b"}), "/tags"),
        (json!({"name": "a", "owner": "ada"}), "/owner"),
        (
            json!({"name": "a", "owner": "user:0192f0c1-2345-7abc-8def-0123456789ab"}),
            "/owner",
        ),
        (json!([]), ""),
    ] {
        let problem = server
            .call(
                Method::POST,
                "/v1/agents",
                &server.one.owner,
                Some(body.clone()),
            )
            .await
            .problem(400, "bad_request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}");
    }
}

#[tokio::test]
async fn rotation_gives_four_lines_and_revokes_what_was() {
    let server = super::start().await;
    let (owner, agent) = (&server.one.owner, &server.one.agent);
    let path = format!("/v1/agents/{agent}/rotate");
    // No body at all is fine.
    let rotated = server.call(Method::POST, &path, owner, None).await.ok(200);
    let secret = rotated["agent_secret"].as_str().unwrap();
    assert_eq!(
        rotated["environment"],
        json!({
            "RELYNT_API_BASE_URL": format!("http://{}", server.address),
            "RELYNT_AGENT_SECRET": secret,
            "RELYNT_AGENT_ID": agent,
            "RELYNT_ORG_ID": server.one.organization,
        })
    );
    server
        .ask(&server.one.secret, "k", &update(&json!({})))
        .await
        .problem(401, "unauthorized");
    server.ask(secret, "k", &update(&json!({}))).await.ok(200);
    // With an overlap both are valid, and never three.
    let second = server
        .rotate(owner, agent, json!({"overlap_seconds": 3600}))
        .await;
    server.ask(secret, "k2", &update(&json!({}))).await.ok(200);
    server.ask(&second, "k3", &update(&json!({}))).await.ok(200);
    let third = server
        .rotate(owner, agent, json!({"overlap_seconds": 3600}))
        .await;
    server
        .ask(secret, "k4", &update(&json!({})))
        .await
        .problem(401, "unauthorized");
    server.ask(&second, "k5", &update(&json!({}))).await.ok(200);
    server.ask(&third, "k6", &update(&json!({}))).await.ok(200);
    for body in [
        json!({"overlap_seconds": 604_801}),
        json!({"overlap_seconds": 1.5}),
        json!({"expires_at": "2001-01-01T00:00:00Z"}),
        json!({"expires_at": "soon"}),
        json!({"overlap": 5}),
    ] {
        server
            .call(Method::POST, &path, owner, Some(body))
            .await
            .problem(400, "bad_request");
    }
}

#[tokio::test]
async fn credentials_are_listed_without_secrets_and_revoked_one_by_one() {
    let server = super::start().await;
    let (owner, agent) = (&server.one.owner, &server.one.agent);
    let second = server
        .rotate(owner, agent, json!({"overlap_seconds": 60}))
        .await;
    let path = format!("/v1/agents/{agent}/credentials");
    let seen = server.get(&path, owner).await;
    let list = seen.ok(200);
    let list = list["credentials"].as_array().unwrap();
    assert_eq!(list.len(), 2);
    for secret in [&server.one.secret, &second] {
        let part = &secret[4 + 22 + 1..];
        assert!(!seen.text.contains(part));
        assert!(
            list.iter()
                .any(|one| secret.contains(one["lookup_id"].as_str().unwrap()))
        );
    }
    let newest = list
        .iter()
        .find(|one| second.contains(one["lookup_id"].as_str().unwrap()))
        .unwrap();
    let one = format!("{path}/{}", newest["credential_id"].as_str().unwrap());
    server
        .call(Method::DELETE, &one, &server.two.owner, None)
        .await
        .problem(404, "not_found");
    let gone = server.call(Method::DELETE, &one, owner, None).await;
    assert_eq!((gone.status.as_u16(), gone.text.as_str()), (204, ""));
    server
        .ask(&second, "k", &update(&json!({})))
        .await
        .problem(401, "unauthorized");
    server
        .ask(&server.one.secret, "k", &update(&json!({})))
        .await
        .ok(200);
}

#[tokio::test]
async fn a_disabled_agent_is_403_and_its_approvals_are_cancelled() {
    let server = super::start().await;
    let (owner, agent, secret) = (&server.one.owner, &server.one.agent, &server.one.secret);
    let asked = server
        .ask(secret, "k", &update(&json!({"stage": "closed_won"})))
        .await
        .ok(200);
    let path = format!("/v1/agents/{agent}");
    let disabled = server
        .call(Method::POST, &format!("{path}/disable"), owner, None)
        .await
        .ok(200);
    assert_eq!(disabled["status"], "disabled");
    server
        .ask(secret, "k2", &update(&json!({})))
        .await
        .problem(403, "forbidden");
    let approval = format!("/v1/approvals/{}", asked["approval_id"].as_str().unwrap());
    let approval = server.get(&approval, owner).await.ok(200);
    assert_eq!(approval["status"], "cancelled");
    assert_eq!(approval["blocked_by"], "agent_disabled");
    let enabled = server
        .call(
            Method::POST,
            &format!("{path}/enable"),
            owner,
            Some(json!({})),
        )
        .await
        .ok(200);
    assert_eq!(enabled["status"], "active");
    server.ask(secret, "k2", &update(&json!({}))).await.ok(200);
    server
        .call(
            Method::POST,
            &format!("{path}/enable"),
            owner,
            Some(json!({"now": true})),
        )
        .await
        .problem(400, "bad_request");
}
