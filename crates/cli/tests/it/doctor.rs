use crate::run::relynt_with;
use crate::stub::{Stub, problem};

const KEYS: &str = include_str!("../../../ledger/testdata/keys.json");

fn health() -> String {
    format!(
        r#"{{"status":"ok","version":"{}"}}"#,
        env!("CARGO_PKG_VERSION")
    )
}

#[test]
fn every_check_of_a_running_gateway_is_reported() {
    let stub = Stub::new(&[
        ("GET /healthz", 200, &health()),
        (
            "GET /readyz",
            200,
            r#"{"ready":true,"detail":null,"checks":{}}"#,
        ),
        ("GET /.well-known/relynt-keys.json", 200, KEYS),
        (
            "GET /v1/organization",
            200,
            r#"{"organization_id":"o1","name":"Acme"}"#,
        ),
        (
            "GET /v1/connectors",
            200,
            r#"{"connectors":[],"next_cursor":null}"#,
        ),
    ]);
    let ended = stub.run(&["doctor", "--json"]);
    let json = ended.json();
    let checks: Vec<(&str, &str)> = json["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| {
            (
                check["check"].as_str().unwrap(),
                check["status"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        checks,
        [
            ("encryption", "ok"),
            ("gateway", "ok"),
            // The stub's clock stands still in 1994.
            ("clock", "fail"),
            ("readiness", "ok"),
            ("keys", "ok"),
            ("token", "ok"),
            ("connectors", "ok"),
        ]
    );
    assert_eq!((ended.code, &json["status"]), (1, &"fail".into()));
}

#[test]
fn a_gateway_that_is_not_ready_fails_with_its_advice() {
    let ready = r#"{"ready":false,"detail":"run `relynt organizations create`","checks":{"store":"ok","signer":"ok","policies":"failed"}}"#;
    let stub = Stub::new(&[
        ("GET /healthz", 200, &health()),
        ("GET /readyz", 503, ready),
        ("GET /.well-known/relynt-keys.json", 200, KEYS),
        ("GET /v1/organization", 401, &problem("unauthorized", "no")),
    ]);
    let ended = stub.run(&["doctor"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let line = "fail  readiness      `/readyz` answered 503, not ready: policies; \
                run `relynt organizations create`\n";
    assert!(ended.stdout.contains(line), "{ended:?}");
    assert!(
        ended.stdout.contains("fail  token          it is unknown"),
        "{ended:?}"
    );
}

#[test]
fn without_a_token_what_needs_none_is_checked() {
    let stub = Stub::new(&[("GET /healthz", 200, &health())]);
    let ended = relynt_with(&["doctor", "--url", stub.base_url()], &[], "");
    assert!(ended.stdout.contains("warn  token"), "{ended:?}");
    assert_eq!(
        stub.lines(),
        [
            "GET /healthz",
            "GET /readyz",
            "GET /.well-known/relynt-keys.json"
        ]
    );
}

#[test]
fn a_gateway_that_is_not_there_fails() {
    let ended = relynt_with(&["doctor", "--url", "http://127.0.0.1:1"], &[], "");
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stdout.contains("fail  gateway"), "{ended:?}");
}

#[test]
fn an_installation_is_checked_from_its_keys_to_its_permissions() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let text = data.to_str().unwrap();
    let doctor = |expected: &[(&str, &str)]| {
        let ended = relynt_with(&["doctor", "--data", text, "--json"], &[], "");
        let json = ended.json();
        for (check, status) in expected {
            let checks = json["checks"].as_array().unwrap();
            let found = checks.iter().find(|found| found["check"] == *check);
            assert_eq!(
                found.map(|found| &found["status"]),
                Some(&(*status).into()),
                "{json}"
            );
        }
        let failed = expected.iter().any(|(_, status)| *status == "fail");
        assert_eq!(ended.code, i32::from(failed), "{json}");
    };
    doctor(&[("keys", "fail"), ("store", "fail")]);
    assert!(!data.exists(), "looking must make nothing");

    let dev = crate::dev::Dev::start(folder.path(), &[]);
    doctor(&[("store", "warn"), ("keys", "ok")]);
    dev.stop();
    let all = [
        "configuration",
        "permissions",
        "keys",
        "clock",
        "connectors",
        "store",
        "readiness",
    ];
    doctor(&all.map(|check| (check, "ok")));

    let key = data.join("master.key");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    doctor(&[("permissions", "fail"), ("keys", "fail")]);
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    let bytes: Vec<u8> = (0..32).collect();
    std::fs::write(&key, bytes).unwrap();
    doctor(&[("keys", "ok"), ("store", "fail")]);
}
