use crate::run::{relynt, relynt_with};

const COMMANDS: [&str; 7] = [
    "agents",
    "approvals",
    "connectors",
    "doctor",
    "policy",
    "receipts",
    "tokens",
];

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let help = relynt(&["--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (0, ""));
    for command in COMMANDS.iter().chain(&["verify"]) {
        assert!(
            help.stdout.contains(&format!("\n  {command} ")),
            "{command}"
        );
    }
    assert!(
        help.stdout
            .contains("3 consistent but the signer is not known")
    );
}

#[test]
fn every_command_explains_itself() {
    for command in COMMANDS {
        let help = relynt(&[command, "--help"]);
        assert_eq!((help.code, help.stderr.as_str()), (0, ""), "{command}");
        assert!(help.stdout.contains("--token-file <FILE>"), "{command}");
        assert!(help.stdout.contains("--json"), "{command}");
    }
}

#[test]
fn help_does_not_show_the_environment() {
    let variables = [
        ("RELYNT_ACCESS_TOKEN", "rlp_canary_of_the_token"),
        ("RELYNT_API_BASE_URL", "http://canary.example"),
    ];
    for arguments in [["agents", "--help"], ["agents", "list"]] {
        let ended = relynt_with(&arguments, &variables[..1], "");
        assert!(!format!("{ended:?}").contains("canary"), "{ended:?}");
    }
    let help = relynt_with(&["agents", "--help"], &variables, "");
    assert!(!help.stdout.contains("canary"), "{help:?}");
}

#[test]
fn version_is_the_packages() {
    let version = relynt(&["--version"]);
    assert_eq!(
        version.stdout,
        format!("relynt {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(version.code, 0);
}

#[test]
fn nothing_said_is_help_and_wrong_usage() {
    let ended = relynt(&[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
    assert!(ended.stderr.contains("Usage: relynt"), "{ended:?}");
}

#[test]
fn nothing_has_colours_outside_a_terminal() {
    for arguments in [&["--help"][..], &[], &["agents", "--helb"]] {
        let ended = relynt(arguments);
        assert!(!format!("{ended:?}").contains("\\u{1b}"), "{ended:?}");
    }
}
