use crate::run::assert_error;
use crate::stub::{Stub, problem};

const V2: &str = r#"{"version":"v2","rules":[{"id":"r1","action":"*","resource_pattern":"*","decision":"deny"}],"note":null,"digest":"sha256:00","active":true,"created_at":"2026-01-01T00:00:00.000Z","created_by":"user:u1","activated_at":"2026-01-01T00:00:00.000Z"}"#;
const ALL: &str = r#"{"policies":[{"version":"v3","active":true,"activated_at":"2026-01-03T00:00:00.000Z"},{"version":"v2","active":false,"activated_at":null},{"version":"v1","active":false,"activated_at":"2026-01-01T00:00:00.000Z"}],"next_cursor":null}"#;

fn write(name: &str, content: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, content).unwrap();
    let file = file.to_str().unwrap().to_owned();
    (folder, file)
}

#[test]
fn push_sends_rules_and_shows_the_version() {
    let stub = Stub::new(&[("POST /v1/policies", 201, V2)]);
    let (_folder, file) = write("p.json", r#"[ { "action": "*" } ]"#);
    let ended = stub.run(&["policy", "push", &file, "--note", "tighter"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.starts_with("version    v2\n"), "{ended:?}");
    assert!(
        ended
            .stdout
            .contains("\nr1    *       *         -       deny"),
        "{ended:?}"
    );
    let sent = r#"POST /v1/policies {"note":"tighter","rules":[{"action":"*"}]}"#;
    assert_eq!(stub.lines(), [sent]);
}

#[test]
fn push_and_activate_are_two_acts_in_that_order() {
    let stub = Stub::new(&[
        ("POST /v1/policies", 201, V2),
        ("POST /v1/policies/v2/activate", 200, V2),
    ]);
    let (_folder, file) = write("p.json", "[]");
    let ended = stub.run(&[
        "policy",
        "push",
        &file,
        "--activate",
        "--acknowledge",
        "--json",
    ]);
    assert_eq!((ended.code, ended.stdout), (0, format!("{V2}\n")));
    assert_eq!(
        stub.lines(),
        [
            r#"POST /v1/policies {"rules":[]}"#,
            r#"POST /v1/policies/v2/activate {"note":null,"acknowledge":true}"#,
        ]
    );
}

#[test]
fn yaml_is_refused_and_says_what_to_do() {
    let stub = Stub::new(&[]);
    for name in ["p.yaml", "p.YML"] {
        let (_folder, file) = write(name, "rules: []");
        let text = format!("`{file}` is YAML, which is not read yet: give it as JSON");
        assert_error(&stub.run(&["policy", "push", &file]), 2, &text);
    }
}

#[test]
fn a_key_given_twice_is_refused_with_its_place() {
    let stub = Stub::new(&[]);
    let (_folder, file) = write(
        "p.json",
        r#"{"rules":[{"decision":"deny","decision":"allow"}]}"#,
    );
    let ended = stub.run(&["policy", "push", &file]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(
        ended.stderr.contains("is not JSON that the gateway takes"),
        "{ended:?}"
    );
    assert_eq!(stub.lines(), Vec::<String>::new());
}

#[test]
fn a_refused_policy_names_each_fault() {
    let body = r#"{"code":"bad_request","detail":"the policy is not right","request_id":"r","errors":[{"pointer":"/rules/0/decision","detail":"is missing"},{"pointer":"/rules/1/deny_field","detail":"is not known"}]}"#;
    let stub = Stub::new(&[("POST /v1/policies", 400, body)]);
    let (_folder, file) = write("p.json", "[]");
    let text = "the policy is not right; /rules/0/decision: is missing; /rules/1/deny_field: \
                is not known (bad_request, request r)";
    assert_error(&stub.run(&["policy", "push", &file]), 1, text);
}

#[test]
fn rollback_activates_the_last_older_version_that_was_active() {
    let stub = Stub::new(&[
        ("GET /v1/policies", 200, ALL),
        ("POST /v1/policies/v1/activate", 200, V2),
    ]);
    assert_eq!(
        stub.run(&["policy", "rollback", "--note", "too strict"])
            .code,
        0
    );
    assert_eq!(
        stub.lines()[1],
        r#"POST /v1/policies/v1/activate {"note":"too strict","acknowledge":null}"#
    );
    let newer = stub.run(&["policy", "rollback", "v3"]);
    let text = "`v3` is active, and `v3` is not older: use `relynt policy activate`";
    assert_error(&newer, 2, text);
}

#[test]
fn show_without_a_version_shows_the_active_one() {
    let stub = Stub::new(&[
        ("GET /v1/policies", 200, ALL),
        ("GET /v1/policies/v3", 200, V2),
    ]);
    assert_eq!(stub.run(&["policy", "show"]).code, 0);
    assert_eq!(stub.lines()[1], "GET /v1/policies/v3");
}

#[test]
fn simulate_sends_numbers_as_they_stand() {
    let answer = r#"{"decision":"deny","risk_level":"medium","requires_approval":false,"reason":"no rule applies","policy_version":"v2","matched_rule":null,"rule_index":null,"skipped":[]}"#;
    let stub = Stub::new(&[("POST /v1/policy-simulator", 200, answer)]);
    let ended = stub.run(&[
        "policy",
        "simulate",
        "--action",
        "update_deal",
        "--resource",
        "crm:deal:1",
        "--payload",
        r#"{"amount": 0.1}"#,
        "--policy-version",
        "v2",
    ]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.stdout.starts_with("decision  deny\n"), "{ended:?}");
    assert_eq!(
        stub.lines(),
        [
            r#"POST /v1/policy-simulator {"action":"update_deal","payload":{"amount":0.1},"resource":"crm:deal:1","version":"v2"}"#
        ]
    );
    let inexact = stub.run(&[
        "policy",
        "simulate",
        "--action",
        "a",
        "--resource",
        "r",
        "--payload",
        r#"{"amount": 9007199254740993}"#,
    ]);
    assert_eq!(inexact.code, 2, "{inexact:?}");
}

#[test]
fn an_unknown_version_is_the_gateways_404() {
    let stub = Stub::new(&[(
        "GET /v1/policies/v9",
        404,
        &problem("not_found", "no version `v9`"),
    )]);
    let text = "no version `v9` (not_found, request r-1)";
    assert_error(&stub.run(&["policy", "show", "v9"]), 1, text);
}
