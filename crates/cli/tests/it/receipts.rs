use crate::run::relynt;
use crate::stub::{Stub, problem};

const GOLDEN: &str = include_str!("../../../ledger/testdata/export.jsonl");

/// The golden export as a gateway would serve it: its keys, and its receipts on two pages.
fn gateway() -> (Stub, Vec<&'static str>) {
    let mut lines = GOLDEN.lines();
    let keys = lines.next().unwrap();
    let receipts: Vec<&str> = lines
        .filter(|line| line.contains("relynt.receipt/1"))
        .collect();
    let (first, rest) = receipts.split_first().unwrap();
    let pages = [
        format!(r#"{{"receipts":[{first}],"next_cursor":"next"}}"#),
        format!(r#"{{"receipts":[{}],"next_cursor":null}}"#, rest.join(",")),
    ];
    let stub = Stub::new(&[
        ("GET /.well-known/relynt-keys.json", 200, keys),
        ("GET /v1/receipts?limit=200", 200, &pages[0]),
        ("GET /v1/receipts?limit=200&cursor=next", 200, &pages[1]),
        ("GET /v1/receipts?limit=1", 200, &pages[0]),
    ]);
    (stub, receipts)
}

#[test]
fn an_export_verifies_by_itself_and_keeps_every_byte() {
    let (stub, receipts) = gateway();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("export.jsonl");
    let path = file.to_str().unwrap();
    let ended = stub.run(&["receipts", "export", "--output", path]);
    let said = format!("{} receipts written to {path}\n", receipts.len());
    assert_eq!(
        (ended.code, ended.stdout, ended.stderr),
        (0, said, String::new())
    );

    let content = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = content.lines().collect();
    assert!(lines[0].starts_with(r#"{"keys":[{"#), "{}", lines[0]);
    assert_eq!(lines[1..], receipts[..]);
    assert_eq!(relynt(&["verify", path]).code, 3);

    let piped = stub.run(&["receipts", "export"]);
    assert_eq!((piped.code, piped.stdout), (0, content));
}

#[test]
fn an_export_that_breaks_off_fails() {
    let keys = GOLDEN.lines().next().unwrap();
    let page = r#"{"receipts":[],"next_cursor":"next"}"#;
    let stub = Stub::new(&[
        ("GET /.well-known/relynt-keys.json", 200, keys),
        ("GET /v1/receipts?limit=200", 200, page),
        (
            "GET /v1/receipts?limit=200&cursor=next",
            503,
            &problem("unavailable", "no"),
        ),
    ]);
    let ended = stub.run(&["receipts", "export"]);
    assert_eq!(ended.code, 4, "{ended:?}");
    assert!(!ended.stderr.is_empty());
}

#[test]
fn a_list_says_how_to_go_on() {
    let (stub, _) = gateway();
    let ended = stub.run(&["receipts", "list", "--limit", "1"]);
    assert_eq!(ended.stdout.lines().count(), 3, "{ended:?}");
    assert!(
        ended.stdout.ends_with("more with `--cursor next`\n"),
        "{ended:?}"
    );
    let json = stub
        .run(&["receipts", "list", "--limit", "1", "--json"])
        .json();
    assert_eq!(json["next_cursor"], "next");
}

#[test]
fn filters_become_the_query() {
    let path = "GET /v1/receipts?decision=deny&risk_level=high&agent_id=a1&instance_id=i1\
                &approval_id=p1&action=update%5Fdeal&from=2026%2D01&to=2027&search=crm%3Adeal&limit=5";
    let path = path.replace("%2D", "-").replace("%5F", "_");
    let stub = Stub::new(&[(&path, 200, r#"{"receipts":[],"next_cursor":null}"#)]);
    let ended = stub.run(&[
        "receipts",
        "list",
        "--decision",
        "deny",
        "--risk",
        "high",
        "--agent",
        "a1",
        "--instance",
        "i1",
        "--approval",
        "p1",
        "--action",
        "update_deal",
        "--from",
        "2026-01",
        "--to",
        "2027",
        "--search",
        "crm:deal",
        "--limit",
        "5",
    ]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let wrong = stub.run(&["receipts", "list", "--decision", "maybe"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
}

#[test]
fn a_receipt_that_the_gateway_finds_tampered_with_is_code_1() {
    for (valid, reason, code) in [("true", "null", 0), ("false", "\"the signature\"", 1)] {
        let answer = format!(
            r#"{{"valid":{valid},"reason":{reason},"checks":{{"signature":"failed","key":"ok","columns":"ok","log":"not_checked"}}}}"#
        );
        let stub = Stub::new(&[("GET /v1/receipts/r1/verify", 200, &answer)]);
        let ended = stub.run(&["receipts", "verify", "r1"]);
        assert_eq!(ended.code, code, "{ended:?}");
        assert!(
            ended.stdout.starts_with(&format!("valid      {valid}\n")),
            "{ended:?}"
        );
    }
    let stub = Stub::new(&[("GET /v1/receipts/r1/verify", 200, "{}")]);
    assert_eq!(stub.run(&["receipts", "verify", "r1"]).code, 4);
}
