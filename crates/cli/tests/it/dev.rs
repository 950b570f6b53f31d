//! `relynt dev`, the real one.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use relynt_client::{ActionCall, Options, blocking::Client};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::run::{Ended, relynt, relynt_with};

/// A gateway that runs; killed if a test fails.
pub(crate) struct Dev {
    pub(crate) said: Value,
    child: Child,
    log: PathBuf,
    // The pipe stays open: a gateway must not care, but its reader might.
    _stdout: BufReader<ChildStdout>,
}

impl Dev {
    pub(crate) fn start(folder: &Path, variables: &[(&str, &str)]) -> Self {
        let data = folder.join("data");
        let arguments = [
            "dev",
            "--data",
            data.to_str().unwrap(),
            "--port",
            "0",
            "--json",
        ];
        Self::start_with(folder, &arguments, variables)
    }

    pub(crate) fn start_with(
        folder: &Path,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let log = folder.join("log");
        let mut child = Command::new(env!("CARGO_BIN_EXE_relynt"))
            .args(arguments)
            .env_clear()
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let said = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("{line}: {}", std::fs::read_to_string(&log).unwrap()));
        Self {
            said,
            child,
            log,
            _stdout: stdout,
        }
    }

    pub(crate) fn text(&self, member: &str) -> &str {
        self.said[member].as_str().unwrap()
    }

    /// Runs a command as the Owner.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        let variables = [
            ("RELYNT_API_BASE_URL", self.text("base_url")),
            ("RELYNT_ACCESS_TOKEN", self.text("access_token")),
        ];
        relynt_with(arguments, &variables, "")
    }

    pub(crate) fn signal(&mut self, signal: Signal) -> i32 {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Stops it as an operator does.
    pub(crate) fn stop(mut self) {
        let code = self.signal(Signal::TERM);
        assert_eq!(code, 0, "{}", std::fs::read_to_string(&self.log).unwrap());
    }

    /// Asks as the agent with this secret.
    fn ask(&self, secret: &str, action: &str, payload: Value) -> Value {
        let options = Options::new(self.text("base_url"), secret).max_retries(0);
        let client = Client::new(options).unwrap();
        let call = ActionCall::new(action, "crm:deal:123").payload(payload);
        match client.request_action(&call) {
            Ok(result) => json!({
                "decision": result.decision,
                "approval_id": result.approval_id,
                "tool_response": result.tool_response,
            }),
            Err(error) => json!({ "error": error.to_string() }),
        }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_first_start_says_everything_and_the_next_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let first = Dev::start(folder.path(), &[]);
    let members: Vec<&String> = first.said.as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        [
            "access_token",
            "agent_id",
            "agent_secret",
            "base_url",
            "dashboard_url",
            "metrics_url",
            "organization_id",
        ]
    );
    let secret = first.text("agent_secret").to_owned();
    let payload = || json!({ "amount": 52000, "previous_amount": 50000 });
    let response = first.ask(&secret, "update_deal", payload());
    assert_eq!(
        response["tool_response"]["deal"]["amount"], 52000,
        "{response}"
    );
    let connectors = first.run(&["connectors", "list"]).stdout;
    let first_said = first.said.clone();
    first.stop();

    let next = Dev::start(folder.path(), &[]);
    for same in ["agent_id", "organization_id"] {
        assert_eq!(next.said[same], first_said[same], "{same}");
    }
    assert_eq!(next.said["agent_secret"], Value::Null);
    assert_ne!(next.said["access_token"], first_said["access_token"]);
    assert_eq!(next.run(&["connectors", "list"]).stdout, connectors);
    let response = next.ask(&secret, "update_deal", payload());
    assert_eq!(
        response["tool_response"]["deal"]["amount"], 52000,
        "{response}"
    );
    next.stop();
}

#[test]
fn its_policy_allows_asks_and_denies_and_every_receipt_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path(), &[]);
    let secret = dev.text("agent_secret");
    let decision = |action: &str, payload: Value| {
        dev.ask(secret, action, payload)["decision"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        decision("update_deal", json!({ "stage": "qualified" })),
        "allow"
    );
    assert_eq!(
        decision("update_deal", json!({ "amount": 100_000 })),
        "allow"
    );
    assert_eq!(
        decision("update_deal", json!({ "amount": 100_000.5 })),
        "pending_approval"
    );
    assert_eq!(decision("delete_deal", json!({})), "deny");
    let asked = dev.ask(secret, "update_deal", json!({ "stage": "closed_won" }));
    let id = asked["approval_id"].as_str().unwrap();

    let approved = dev.run(&["approvals", "approve", id, "--note", "well done", "--json"]);
    assert_eq!(approved.code, 0, "{approved:?}");
    let approved = approved.json();
    assert_eq!(approved["status"], "approved");
    assert_eq!(approved["execution"]["status"], "succeeded");
    assert_eq!(approved["tool_response"]["deal"]["stage"], "closed_won");
    let late = dev.run(&["approvals", "deny", id]);
    assert_eq!((late.code, late.stdout.as_str()), (1, ""), "{late:?}");
    assert_eq!(late.stderr.lines().count(), 1, "{late:?}");

    let receipts = dev.run(&["receipts", "list", "--json"]).json();
    let receipts = receipts["receipts"].as_array().unwrap();
    assert_eq!(receipts.len(), 6);
    for receipt in receipts {
        let id = receipt["receipt_id"].as_str().unwrap();
        assert_eq!(dev.run(&["receipts", "verify", id]).code, 0);
    }
    let export = folder.path().join("export.jsonl");
    let export = export.to_str().unwrap();
    assert_eq!(dev.run(&["receipts", "export", "-o", export]).code, 0);
    assert_eq!(relynt(&["verify", export]).code, 3);
    let key = receipts[0]["key_id"].as_str().unwrap();
    assert_eq!(relynt(&["verify", export, "--key", key]).code, 0);
    dev.stop();
}

#[test]
fn its_folder_holds_no_credential_and_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path(), &[("RELYNT_LOG", "trace")]);
    let secrets = ["agent_secret", "access_token"].map(|name| dev.text(name).to_owned());
    dev.ask(&secrets[0], "update_deal", json!({ "stage": "qualified" }));
    assert_eq!(dev.run(&["agents", "list"]).code, 0);
    dev.stop();
    let data = folder.path().join("data");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&data).unwrap() {
        let entry = entry.unwrap();
        names.push(entry.file_name().into_string().unwrap());
        assert_eq!(
            entry.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{entry:?}"
        );
    }
    names.sort();
    assert_eq!(names, ["lock", "master.key", "relynt.db"]);
    assert_eq!(data.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    for file in [data.join("relynt.db"), folder.path().join("log")] {
        let bytes = std::fs::read(&file).unwrap();
        for secret in &secrets {
            // Lookup id apart, which is no secret: the 43 characters behind it.
            let secret = &secret.as_bytes()[27..70];
            assert!(
                !bytes.windows(secret.len()).any(|part| part == secret),
                "{file:?}"
            );
        }
    }
}

#[test]
fn people_are_told_what_to_paste() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut child = Command::new(env!("CARGO_BIN_EXE_relynt"))
        .args(["dev", "--data", data.to_str().unwrap(), "--port", "0"])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut told = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        told.push(line.unwrap());
        if told.last().unwrap() == "Ctrl-C stops it." {
            break;
        }
    }
    let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    for name in [
        "RELYNT_API_BASE_URL",
        "RELYNT_AGENT_SECRET",
        "RELYNT_AGENT_ID",
        "RELYNT_ORG_ID",
        "RELYNT_ACCESS_TOKEN",
    ] {
        let export = format!("  export {name}=");
        assert!(
            told.iter().any(|line| line.starts_with(&export)),
            "{name}: {told:?}"
        );
    }
    assert!(
        told.contains(&"  relynt approvals approve ID".to_owned()),
        "{told:?}"
    );
}

#[test]
fn a_folder_has_one_gateway_and_a_port_one_listener() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path(), &[]);
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let second = relynt(&["dev", "--data", data, "--port", "0", "--json"]);
    assert_eq!((second.code, second.stdout.as_str()), (1, ""), "{second:?}");
    let text = format!("error: another gateway is running on `{data}`: stop it first\n");
    assert_eq!(second.stderr, text);

    let port = dev.text("base_url").rsplit(':').next().unwrap();
    let other = folder.path().join("other");
    let taken = relynt(&["dev", "--data", other.to_str().unwrap(), "--port", port]);
    assert_eq!((taken.code, taken.stdout.as_str()), (2, ""), "{taken:?}");
    let text = format!(
        "error: cannot listen on `127.0.0.1:{port}`: the port is in use; name another port\n"
    );
    assert_eq!(taken.stderr, text);
    dev.stop();
}

#[test]
fn its_target_may_be_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path(), &[]);
    let secret = dev.text("agent_secret").to_owned();
    dev.stop();
    let dev = Dev::start(folder.path(), &[("RELYNT_CONNECTOR_ALLOW", "")]);
    let refused = dev.ask(&secret, "update_deal", json!({ "stage": "qualified" }));
    assert!(
        refused["error"]
            .as_str()
            .unwrap()
            .starts_with("502 connector_error"),
        "{refused}"
    );
    let list = dev.run(&["connectors", "list", "--json"]).json();
    let id = list["connectors"][0]["connector_id"].as_str().unwrap();
    assert_eq!(dev.run(&["connectors", "delete", id]).code, 0);
    dev.stop();
    // Nothing is made again behind the person's back.
    let dev = Dev::start(folder.path(), &[]);
    assert_eq!(
        dev.run(&["connectors", "list", "--json"]).json()["connectors"],
        json!([])
    );
    dev.stop();
}

#[test]
fn where_connectors_may_not_reach_loopback_it_starts_without_the_demo() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path(), &[("RELYNT_CONNECTOR_ALLOW", "")]);
    assert_eq!(
        dev.run(&["connectors", "list", "--json"]).json()["connectors"],
        json!([])
    );
    let allowed = dev.ask(
        dev.text("agent_secret"),
        "update_deal",
        json!({ "stage": "new" }),
    );
    assert_eq!(allowed["decision"], "allow");
    assert_eq!(allowed["tool_response"], Value::Null);
    dev.stop();
}

#[test]
fn variables_of_clients_are_ignored_and_others_must_be_known() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(
        folder.path(),
        &[
            ("RELYNT_API_BASE_URL", "http://x"),
            ("RELYNT_AGENT_SECRET", "canary"),
        ],
    );
    dev.stop();
    let data = folder.path().join("data");
    let arguments = ["dev", "--data", data.to_str().unwrap(), "--port", "0"];
    for (name, text) in [
        (
            "RELYNT_LISTN",
            "`RELYNT_LISTN` is not a variable of the server; did you mean `RELYNT_LISTEN`?",
        ),
        (
            "RELYNT_STORE_URL",
            "`relynt dev` keeps store and key in `--data`: unset RELYNT_STORE_URL, or use `relynt serve`",
        ),
    ] {
        let ended = relynt_with(&arguments, &[(name, "x")], "");
        crate::run::assert_error(&ended, 2, text);
    }
}

#[test]
fn a_terminal_is_asked_nothing_when_the_log_filter_is_wrong() {
    let ended = relynt_with(&["dev"], &[("RELYNT_LOG", "relynt=loud")], "");
    let text = "`log` (variable `RELYNT_LOG`) must be a filter such as `info`";
    crate::run::assert_error(&ended, 2, text);
}
