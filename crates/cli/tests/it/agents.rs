use crate::run::assert_error;
use crate::stub::{Stub, problem};

const AGENT: &str = r#"{"agent_id":"a1","name":"crm-bot","description":null,"tags":["sales","eu"],"owner":"u1","status":"active","created_at":"2026-01-01T00:00:00.000Z","last_seen_at":null,"new_field":1}"#;

#[test]
fn a_list_is_a_table_for_people_and_json_for_programs() {
    let first = format!(r#"{{"agents":[{AGENT}],"next_cursor":"c=1"}}"#);
    let second = r#"{"agents":[],"next_cursor":null}"#;
    let stub = Stub::new(&[
        ("GET /v1/agents", 200, &first),
        ("GET /v1/agents?cursor=c%3D1", 200, second),
    ]);
    let table = stub.run(&["agents", "list"]);
    assert_eq!(
        table.stdout,
        "AGENT  NAME     STATUS  TAGS       CREATED                   LAST SEEN\n\
         a1     crm-bot  active  sales, eu  2026-01-01T00:00:00.000Z  -\n"
    );
    let json = stub.run(&["agents", "list", "--json"]);
    assert_eq!(
        json.stdout,
        format!("{{\"agents\":[{AGENT}],\"next_cursor\":null}}\n")
    );
    assert_eq!((json.code, table.code), (0, 0));
}

#[test]
fn creating_sends_what_was_named_and_shows_the_agent() {
    let stub = Stub::new(&[("POST /v1/agents", 201, AGENT)]);
    let ended = stub.run(&[
        "agents", "create", "crm-bot", "--tag", "sales", "--tag", "eu",
    ]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(
        ended
            .stdout
            .starts_with("agent        a1\nname         crm-bot\n"),
        "{ended:?}"
    );
    let sent = r#"POST /v1/agents {"name":"crm-bot","description":null,"tags":["sales","eu"],"owner":null}"#;
    assert_eq!(stub.lines(), [sent]);
}

#[test]
fn rotation_prints_the_four_lines_and_nothing_else() {
    let answer = r#"{"agent_secret":"rly_s","credential_id":"c1","environment":{"RELYNT_API_BASE_URL":"http://127.0.0.1:7465","RELYNT_AGENT_SECRET":"rly_s","RELYNT_AGENT_ID":"a1","RELYNT_ORG_ID":"o1"}}"#;
    let stub = Stub::new(&[("POST /v1/agents/a1/rotate", 200, answer)]);
    let ended = stub.run(&[
        "agents",
        "rotate",
        "a1",
        "--overlap",
        "24h",
        "--cancel-pending",
    ]);
    assert_eq!(
        ended.stdout,
        "export RELYNT_API_BASE_URL=http://127.0.0.1:7465\nexport RELYNT_AGENT_SECRET=rly_s\n\
         export RELYNT_AGENT_ID=a1\nexport RELYNT_ORG_ID=o1\n"
    );
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    let json = stub.run(&["--json", "agents", "rotate", "a1"]);
    assert_eq!(json.stdout, format!("{answer}\n"));
    assert_eq!(
        stub.lines(),
        [
            r#"POST /v1/agents/a1/rotate {"overlap_seconds":86400,"expires_at":null,"cancel_pending":true}"#,
            r#"POST /v1/agents/a1/rotate {"overlap_seconds":null,"expires_at":null,"cancel_pending":null}"#,
        ]
    );
}

#[test]
fn an_overlap_that_is_none_is_refused_before_anything_is_asked() {
    let stub = Stub::new(&[]);
    let ended = stub.run(&["agents", "rotate", "a1", "--overlap", "soon"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.stderr.contains("such as `24h`"), "{ended:?}");
    assert_eq!(stub.lines(), Vec::<String>::new());
}

#[test]
fn disabling_enabling_and_revoking_reach_their_paths() {
    let stub = Stub::new(&[
        ("POST /v1/agents/a1/disable", 200, AGENT),
        ("POST /v1/agents/a1/enable", 200, AGENT),
        ("DELETE /v1/agents/a1/credentials/c1", 204, ""),
        (
            "GET /v1/agents/a1/credentials",
            200,
            r#"{"credentials":[],"next_cursor":null}"#,
        ),
    ]);
    for arguments in [
        &["agents", "disable", "a1"][..],
        &["agents", "enable", "a1"],
        &["agents", "revoke-credential", "a1", "c1"],
        &["agents", "credentials", "a1"],
    ] {
        let ended = stub.run(arguments);
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
    }
    let json = stub.run(&["agents", "revoke-credential", "a1", "c1", "--json"]);
    assert_eq!(json.stdout, "{}\n");
}

#[test]
fn an_id_cannot_climb_out_of_its_path() {
    let stub = Stub::new(&[(
        "GET /v1/agents/%2E%2E%2Ftokens",
        404,
        &problem("not_found", "no"),
    )]);
    assert_error(
        &stub.run(&["agents", "show", "../tokens"]),
        1,
        "no (not_found, request r-1)",
    );
}
