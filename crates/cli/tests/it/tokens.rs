use crate::stub::Stub;

const SHOWN: &str = r#"{"token_id":"t1","name":"ci","role":"viewer","scopes":["read"],"created_at":"2026-01-01T00:00:00.000Z","last_used_at":null,"expires_at":null,"token":"rlp_new"}"#;

#[test]
fn a_new_token_stands_alone_on_standard_output() {
    let stub = Stub::new(&[("POST /v1/tokens", 201, SHOWN)]);
    let ended = stub.run(&[
        "tokens", "create", "ci", "--role", "viewer", "--scope", "read",
    ]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "rlp_new\n"),
        "{ended:?}"
    );
    let json = stub.run(&["tokens", "create", "ci", "--role", "viewer", "--json"]);
    assert_eq!(json.stdout, format!("{SHOWN}\n"));
    assert_eq!(
        stub.lines(),
        [
            r#"POST /v1/tokens {"name":"ci","role":"viewer","scopes":["read"],"expires_at":null}"#,
            r#"POST /v1/tokens {"name":"ci","role":"viewer","scopes":null,"expires_at":null}"#,
        ]
    );
}

#[test]
fn an_unknown_role_or_scope_names_the_known_ones() {
    let stub = Stub::new(&[]);
    let ended = stub.run(&["tokens", "create", "ci", "--role", "root"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(
        ended.stderr.contains("must be one of `owner`, `admin`"),
        "{ended:?}"
    );
    let ended = stub.run(&[
        "tokens", "create", "ci", "--role", "admin", "--scope", "all",
    ]);
    assert!(ended.stderr.contains("`approvals:decide`"), "{ended:?}");
    assert_eq!(stub.lines(), Vec::<String>::new());
}

#[test]
fn revoking_says_so() {
    let stub = Stub::new(&[("DELETE /v1/tokens/t1", 204, "")]);
    let ended = stub.run(&["tokens", "revoke", "t1"]);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "token t1 is revoked\n"),
        "{ended:?}"
    );
}
