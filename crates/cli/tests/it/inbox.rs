//! `relynt approvals` on a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::stub::{Stub, TOKEN, problem};

const PENDING: &str = r#"{"approvals":[{"approval_id":"p2","revision":1,"agent_name":"late"},{"approval_id":"p1","revision":3,"agent_name":"crm-bot\u001b[2J","payload":{"stage":"closed_won"}}],"next_cursor":null}"#;

/// A child whose standard input and output are a terminal.
struct Terminal {
    child: Child,
    keyboard: File,
    screen: Receiver<u8>,
    seen: String,
}

impl Terminal {
    fn start(stub: &Stub) -> Self {
        let keyboard = File::from(openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap());
        grantpt(&keyboard).unwrap();
        unlockpt(&keyboard).unwrap();
        let name = ptsname(&keyboard, Vec::new()).unwrap();
        let line = File::options()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_relynt"))
            .args(["approvals", "--url", stub.base_url()])
            .env_clear()
            .env("RELYNT_ACCESS_TOKEN", TOKEN)
            .stdin(line.try_clone().unwrap())
            .stdout(line)
            .spawn()
            .unwrap();
        let (sender, screen) = channel();
        let mut master = keyboard.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut byte = [0];
            while master.read_exact(&mut byte).is_ok() && sender.send(byte[0]).is_ok() {}
        });
        Self {
            child,
            keyboard,
            screen,
            seen: String::new(),
        }
    }

    fn wait_for(&mut self, text: &str) {
        while !self.seen.contains(text) {
            let byte = self.screen.recv_timeout(Duration::from_secs(20));
            let byte = byte.unwrap_or_else(|why| panic!("{why}: no `{text}` in {:?}", self.seen));
            self.seen.push(char::from(byte));
        }
    }

    fn type_line(&mut self, line: &str) {
        self.keyboard.write_all(line.as_bytes()).unwrap();
        self.keyboard.write_all(b"\n").unwrap();
    }

    fn end(mut self) -> i32 {
        self.type_line("q");
        self.child.wait().unwrap().code().unwrap()
    }
}

#[test]
fn what_waits_is_shown_oldest_first_and_decided_with_the_revision_that_was_shown() {
    let stub = Stub::new(&[
        ("GET /v1/approvals?status=pending", 200, PENDING),
        (
            "POST /v1/approvals/p1/decision",
            200,
            r#"{"status":"approved","execution":{"status":"succeeded"}}"#,
        ),
        (
            "POST /v1/approvals/p2/decision",
            409,
            &problem("conflict", "already decided by user:u2"),
        ),
    ]);
    let mut terminal = Terminal::start(&stub);
    terminal.wait_for("late");
    assert!(
        terminal.seen.contains("crm-bot\\u{1b}[2J"),
        "{:?}",
        terminal.seen
    );
    assert!(!terminal.seen.contains('\u{1b}'), "{:?}", terminal.seen);
    terminal.type_line("a 1 looks fine");
    terminal.wait_for("[1] approved, execution succeeded");
    terminal.type_line("d 2");
    terminal.wait_for("[2] already decided by user:u2");
    terminal.type_line("a 9");
    terminal.wait_for("[9] does not wait");
    terminal.type_line("yes");
    terminal.wait_for("type `a 1` to approve, `d 1` to deny");
    assert_eq!(terminal.end(), 0);
    let votes: Vec<String> = stub
        .lines()
        .into_iter()
        .filter(|l| l.starts_with("POST"))
        .collect();
    assert_eq!(
        votes,
        [
            r#"POST /v1/approvals/p1/decision {"decision":"approve","revision":3,"note":"looks fine"}"#,
            r#"POST /v1/approvals/p2/decision {"decision":"deny","revision":1,"note":null}"#,
        ]
    );
}

#[test]
fn what_somebody_else_decided_no_longer_waits() {
    let empty = r#"{"approvals":[],"next_cursor":null}"#;
    let stub = Stub::new(&[
        ("GET /v1/approvals?status=pending", 200, PENDING),
        ("GET /v1/approvals?status=pending", 200, empty),
    ]);
    let mut terminal = Terminal::start(&stub);
    terminal.wait_for("[2] no longer waits");
    terminal.type_line("a 1");
    terminal.wait_for("[1] does not wait");
    assert_eq!(terminal.end(), 0);
    assert!(stub.lines().iter().all(|line| line.starts_with("GET")));
}
