use crate::stub::Stub;

const CONNECTOR: &str = r#"{"connector_id":"c1","version":1,"name":"crm","position":1,"action":"*","resource_pattern":"crm:*","base_url":"https://crm.example","headers":{"Authorization":"********"},"timeout_ms":10000,"routes":{},"created_at":"2026-01-01T00:00:00.000Z","updated_at":"2026-01-01T00:00:00.000Z"}"#;

#[test]
fn a_file_is_sent_as_it_means_and_its_secrets_are_not_shown() {
    let stub = Stub::new(&[
        ("POST /v1/connectors", 201, CONNECTOR),
        ("PATCH /v1/connectors/c1", 200, CONNECTOR),
    ]);
    let file = r#"{ "name": "crm", "headers": { "Authorization": "canary" } }"#;
    for arguments in [
        &["connectors", "create", "-"][..],
        &["connectors", "update", "c1", "-"],
    ] {
        let ended = stub.run_with_input(arguments, file);
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.stdout.contains("********") && !ended.stdout.contains("canary"));
    }
    let sent = r#"{"headers":{"Authorization":"canary"},"name":"crm"}"#;
    assert_eq!(
        stub.lines(),
        [
            format!("POST /v1/connectors {sent}"),
            format!("PATCH /v1/connectors/c1 {sent}"),
        ]
    );
}

#[test]
fn a_file_that_is_not_strict_json_is_refused_without_its_content() {
    let stub = Stub::new(&[]);
    for file in [
        r#"{"name":"canary""#,
        r#"{"name":"canary","name":"canary"}"#,
        "name: canary",
    ] {
        let ended = stub.run_with_input(&["connectors", "create", "-"], file);
        assert_eq!(ended.code, 2, "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
        assert!(!ended.stderr.contains("canary"), "{ended:?}");
    }
    assert_eq!(stub.lines(), Vec::<String>::new());
}

#[test]
fn listing_showing_and_deleting_reach_their_paths() {
    let list = format!(r#"{{"connectors":[{CONNECTOR}],"next_cursor":null}}"#);
    let stub = Stub::new(&[
        ("GET /v1/connectors", 200, &list),
        ("GET /v1/connectors/c1", 200, CONNECTOR),
        ("DELETE /v1/connectors/c1", 204, ""),
    ]);
    let table = stub.run(&["connectors", "list"]);
    assert!(
        table
            .stdout
            .ends_with("1         c1         crm   *       crm:*     https://crm.example\n"),
        "{table:?}"
    );
    assert_eq!(stub.run(&["connectors", "show", "c1"]).code, 0);
    assert_eq!(
        stub.run(&["connectors", "delete", "c1"]).stdout,
        "connector c1 is deleted\n"
    );
}
