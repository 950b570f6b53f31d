use crate::run::{assert_error, relynt, relynt_with};
use crate::stub::{Stub, TOKEN, problem};

#[test]
fn a_missing_address_says_how_to_give_one() {
    let ended = relynt_with(&["agents", "list"], &[("RELYNT_ACCESS_TOKEN", TOKEN)], "");
    let text = "no gateway is named: set RELYNT_API_BASE_URL or give `--url`, such as \
                `http://127.0.0.1:7465`";
    assert_error(&ended, 2, text);
}

#[test]
fn a_missing_token_says_how_to_give_one() {
    let ended = relynt(&["agents", "list", "--url", "http://127.0.0.1:1"]);
    let text = "no access token is given: set RELYNT_ACCESS_TOKEN or give `--token-file`";
    assert_error(&ended, 2, text);
}

#[test]
fn a_secret_is_not_taken_from_the_command_line() {
    for argument in ["--token=canary", "--access-token=canary"] {
        let ended = relynt(&["agents", "list", argument]);
        assert_eq!(ended.code, 2, "{ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
        assert!(ended.stderr.contains("unexpected argument"), "{ended:?}");
        assert!(!ended.stderr.contains("canary"), "{ended:?}");
    }
}

#[test]
fn an_address_that_is_none_is_wrong_usage_and_is_not_repeated() {
    for url in [
        "gateway",
        "ftp://x",
        "http://user:canary@x",
        "http://x/?token=canary",
    ] {
        let variables = [("RELYNT_API_BASE_URL", url), ("RELYNT_ACCESS_TOKEN", TOKEN)];
        let ended = relynt_with(&["agents", "list"], &variables, "");
        assert_eq!(ended.code, 2, "{url}: {ended:?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{url}: {ended:?}");
        assert!(!ended.stderr.contains("canary"), "{url}: {ended:?}");
    }
}

#[test]
fn a_gateway_that_is_not_there_is_code_4() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let url = format!("http://{address}");
    let ended = relynt_with(
        &["agents", "list", "--url", &url],
        &[("RELYNT_ACCESS_TOKEN", TOKEN)],
        "",
    );
    assert_eq!((ended.code, ended.stdout.as_str()), (4, ""), "{ended:?}");
    let start = format!("error: the gateway at `{url}` cannot be reached: ");
    assert!(ended.stderr.starts_with(&start), "{ended:?}");
    assert!(
        ended.stderr.ends_with("; check that it runs there\n"),
        "{ended:?}"
    );
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
}

#[test]
fn refusals_are_one_line_with_code_and_request_id() {
    for (status, code, exit, advice) in [
        (400, "bad_request", 1, ""),
        (
            401,
            "unauthorized",
            1,
            "; check RELYNT_ACCESS_TOKEN or `--token-file`",
        ),
        (
            403,
            "forbidden",
            1,
            "; use a token whose role and scopes allow it",
        ),
        (404, "not_found", 1, ""),
        (409, "conflict", 1, ""),
        (500, "internal_error", 4, ""),
        (503, "unavailable", 4, "; try again in a moment"),
    ] {
        let stub = Stub::new(&[("GET /v1/agents/a1", status, &problem(code, "not this"))]);
        let ended = stub.run(&["agents", "show", "a1"]);
        assert_error(
            &ended,
            exit,
            &format!("not this{advice} ({code}, request r-1)"),
        );
    }
}

#[test]
fn what_is_no_gateway_is_said_to_be_none() {
    let stub = Stub::new(&[("GET /v1/agents", 200, "<html>hello</html>")]);
    let text = format!(
        "what answers at `{}` is no Relynt gateway, or one of another version; check the address",
        stub.base_url()
    );
    assert_error(&stub.run(&["agents", "list"]), 4, &text);
    let stub = Stub::new(&[("GET /v1/agents", 502, "Bad\u{1b}[31m Gateway")]);
    let text = "the gateway answered 502 without saying why (http_502)";
    assert_error(&stub.run(&["agents", "list"]), 4, text);
}

#[test]
fn text_of_strangers_cannot_command_the_terminal() {
    let hostile = "\u{1b}]0;owned\u{7}\r\nerror: fake\u{202e}";
    let stub = Stub::new(&[("GET /v1/agents/a1", 404, &problem("not_found", hostile))]);
    let ended = stub.run(&["agents", "show", "a1"]);
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:?}");
    assert!(
        !ended.stderr.contains(['\u{1b}', '\u{7}', '\u{202e}']),
        "{ended:?}"
    );
}

#[test]
fn the_token_comes_from_a_file_or_a_variable_and_goes_to_the_gateway_alone() {
    let stub = Stub::new(&[("GET /v1/tokens", 200, r#"{"tokens":[],"next_cursor":null}"#)]);
    assert_eq!(stub.run(&["tokens", "list"]).code, 0);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "rlp_from_a_file\n").unwrap();
    let ended = stub.run(&["tokens", "list", "--token-file", file.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let credentials: Vec<String> = stub.asked().into_iter().map(|a| a.authorization).collect();
    assert_eq!(
        credentials,
        [
            format!("Bearer {TOKEN}"),
            "Bearer rlp_from_a_file".to_owned()
        ]
    );

    for (content, text) in [("", "does not hold"), ("two words", "does not hold")] {
        std::fs::write(&file, content).unwrap();
        let ended = stub.run(&["tokens", "list", "--token-file", file.to_str().unwrap()]);
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(
            ended.stderr.contains(text) && !ended.stderr.contains("two words"),
            "{ended:?}"
        );
    }
    let ended = stub.run(&["tokens", "list", "--token-file", "/nowhere/token"]);
    assert_error(
        &ended,
        2,
        "cannot read `/nowhere/token`: there is no such file",
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    use std::io::Read;
    use std::process::{Command, Stdio};
    let agents: Vec<serde_json::Value> = (0..5000)
        .map(|number| serde_json::json!({ "agent_id": number, "name": "x".repeat(100) }))
        .collect();
    let list = serde_json::json!({ "agents": agents, "next_cursor": null }).to_string();
    let stub = Stub::new(&[("GET /v1/agents", 200, &list)]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_relynt"))
        .args(["agents", "list", "--url", stub.base_url()])
        .env_clear()
        .env("RELYNT_ACCESS_TOKEN", TOKEN)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 5]).unwrap();
    drop(stdout);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}
