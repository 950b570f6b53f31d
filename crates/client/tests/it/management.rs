use std::time::Duration;

use relynt_client::{BrokenKind, Management, Options, OptionsError};

use crate::fake::{Fake, Reply, answer};

fn management(fake: &Fake) -> Management {
    let options = Options::new(&fake.url, "rlp_token").timeout(Duration::from_secs(5));
    Management::new(&options).unwrap()
}

#[test]
fn status_and_body_come_back_as_they_are() {
    let fake = Fake::start(vec![
        answer(201, r#"{"agent_id":"a"}"#),
        answer(409, r#"{"code":"conflict"}"#),
        answer(204, ""),
    ]);
    let management = management(&fake);
    let body = br#"{"name":"x"}"#;
    let created = management
        .request("POST", "/v1/agents", Some(body))
        .unwrap();
    assert_eq!(
        (created.status, created.body.as_slice()),
        (201, &br#"{"agent_id":"a"}"#[..])
    );
    let refused = management
        .request("GET", "/v1/agents?limit=1", None)
        .unwrap();
    assert_eq!(refused.status, 409);
    assert_eq!(
        management
            .request("DELETE", "/v1/tokens/t", None)
            .unwrap()
            .status,
        204
    );
    let requests = fake.requests();
    assert!(requests[0].head.starts_with("POST /v1/agents HTTP/1.1\r\n"));
    assert_eq!(
        requests[0].header("authorization"),
        Some("Bearer rlp_token")
    );
    assert_eq!(requests[0].body.as_bytes(), body);
    assert_eq!(requests[0].header("idempotency-key"), None);
    assert!(
        requests[1]
            .head
            .starts_with("GET /v1/agents?limit=1 HTTP/1.1\r\n")
    );
}

#[test]
fn what_changes_something_is_never_sent_twice() {
    let Reply::Say(whole) = answer(200, "{}") else {
        unreachable!()
    };
    let fake = Fake::start(vec![
        Reply::Cut(whole.clone()),
        Reply::Cut(Vec::new()),
        Reply::Cut(whole),
    ]);
    let management = management(&fake);
    management.request("GET", "/v1/agents", None).unwrap();
    let broken = management
        .request("POST", "/v1/agents", Some(b"{}"))
        .unwrap_err();
    assert_eq!(broken.kind, BrokenKind::Cut);
    assert_eq!(fake.requests().len(), 2);
}

#[test]
fn line_breakers_are_refused_before_anything_is_sent() {
    let fake = Fake::start(vec![answer(200, "{}")]);
    let management = management(&fake);
    for (method, path) in [("GET", "/v1/a b"), ("GET\r\nX: y", "/v1"), ("GET", "v1")] {
        let broken = management.request(method, path, None).unwrap_err();
        assert_eq!(broken.kind, BrokenKind::Request);
    }
    assert!(fake.requests().is_empty());
}

#[test]
fn bad_options_are_refused() {
    for (url, token, error) in [
        ("nonsense", "t", OptionsError::BaseUrl),
        ("http://u:p@h", "t", OptionsError::BaseUrlExtras),
        ("http://h", "a b", OptionsError::Credential),
        ("http://h", "", OptionsError::Credential),
    ] {
        let refused = Management::new(&Options::new(url, token)).err();
        assert_eq!(refused, Some(error));
    }
}
