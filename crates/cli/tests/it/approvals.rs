use crate::run::assert_error;
use crate::stub::{Stub, problem};

fn approval(status: &str, execution: &str) -> String {
    format!(
        r#"{{"approval_id":"p1","status":"{status}","revision":1,"agent_name":"crm-bot","action":"update_deal","resource":"crm:deal:1","payload":{{"stage":"closed_won"}},"risk_level":"high","execution":{execution},"final_receipt_id":null}}"#
    )
}

#[test]
fn alone_and_in_a_pipe_it_lists_what_waits_and_ends() {
    let list = format!(
        r#"{{"approvals":[{}],"next_cursor":null}}"#,
        approval("pending", "null")
    );
    let stub = Stub::new(&[("GET /v1/approvals?status=pending", 200, &list)]);
    let ended = stub.run(&["approvals"]);
    assert_eq!(
        ended.stdout,
        "APPROVAL  STATUS   RISK  AGENT    ACTION       RESOURCE    CREATED  EXPIRES\n\
         p1        pending  high  crm-bot  update_deal  crm:deal:1  -        -\n"
    );
    let json = stub.run(&["approvals", "--json"]);
    assert_eq!((json.code, json.stdout), (0, format!("{list}\n")));
}

#[test]
fn approving_waits_for_what_was_approved() {
    let voted = approval("approved", r#"{"status":"pending"}"#);
    let final_state = approval("approved", r#"{"status":"succeeded"}"#);
    let stub = Stub::new(&[
        ("POST /v1/approvals/p1/decision", 200, &voted),
        ("GET /v1/approvals/p1?wait_ms=60000", 200, &final_state),
    ]);
    let ended = stub.run(&[
        "approvals",
        "approve",
        "p1",
        "--note",
        "fine",
        "--revision",
        "1",
    ]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(
        ended.stdout.contains("\nexecution      succeeded\n"),
        "{ended:?}"
    );
    assert_eq!(
        stub.lines(),
        [
            r#"POST /v1/approvals/p1/decision {"decision":"approve","revision":1,"note":"fine"}"#,
            "GET /v1/approvals/p1?wait_ms=60000",
        ]
    );
}

#[test]
fn a_vote_counts_even_if_its_outcome_cannot_be_looked_at() {
    let voted = approval("approved", r#"{"status":"pending"}"#);
    let stub = Stub::new(&[
        ("POST /v1/approvals/p1/decision", 200, &voted),
        (
            "GET /v1/approvals/p1?wait_ms=60000",
            503,
            &problem("unavailable", "no"),
        ),
    ]);
    let ended = stub.run(&["approvals", "approve", "p1", "--json"]);
    assert_eq!((ended.code, ended.stdout), (0, format!("{voted}\n")));
}

#[test]
fn denying_waits_for_nothing() {
    let denied = approval("denied", "null");
    let stub = Stub::new(&[("POST /v1/approvals/p1/decision", 200, &denied)]);
    assert_eq!(stub.run(&["approvals", "deny", "p1"]).code, 0);
    let sent = r#"POST /v1/approvals/p1/decision {"decision":"deny","revision":null,"note":null}"#;
    assert_eq!(stub.lines(), [sent]);
}

#[test]
fn whoever_is_late_is_told_and_exits_with_1() {
    let late = problem("conflict", "approval `p1` was already decided by user:u2");
    let stub = Stub::new(&[("POST /v1/approvals/p1/decision", 409, &late)]);
    let text = "approval `p1` was already decided by user:u2 (conflict, request r-1)";
    assert_error(&stub.run(&["approvals", "approve", "p1"]), 1, text);
}

#[test]
fn what_an_agent_wrote_is_inert() {
    let hostile = approval("pending", "null").replace("crm-bot", "bot\\u001b[2J\\u202e");
    let stub = Stub::new(&[("GET /v1/approvals/p1", 200, &hostile)]);
    let ended = stub.run(&["approvals", "show", "p1"]);
    assert!(
        ended.stdout.contains("bot\\u{1b}[2J\\u{202e}\n"),
        "{ended:?}"
    );
    assert!(
        ended.stdout.contains(r#"{"stage":"closed_won"}"#),
        "{ended:?}"
    );
}
