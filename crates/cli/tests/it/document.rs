//! `docs/cli.md` and `--help` must not drift apart.

use crate::run::relynt;

const DOCUMENT: &str = include_str!("../../../../docs/cli.md");

/// The names under a heading of a help text.
fn names(help: &str, heading: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .filter(|name| name.starts_with(|first: char| first.is_ascii_lowercase()))
        .map(str::to_owned)
        .collect()
}

fn options(help: &str) -> Vec<String> {
    help.split_whitespace()
        .filter(|word| word.starts_with("--"))
        .map(|word| {
            word.trim_end_matches(|end: char| !end.is_ascii_alphanumeric())
                .to_owned()
        })
        .filter(|option| option != "--help" && option != "--version")
        .collect()
}

fn check(path: &[&str]) {
    let help = relynt(&[path, &["--help"]].concat()).stdout;
    let command = ["relynt", &path.join(" ")].join(" ");
    assert!(
        DOCUMENT.contains(command.trim_end()),
        "docs/cli.md does not name `{command}`"
    );
    for option in options(&help) {
        assert!(
            DOCUMENT.contains(&option),
            "docs/cli.md does not name {option} of `{command}`"
        );
    }
    for name in names(&help, "Commands:") {
        if name != "help" {
            check(&[path, &[name.as_str()]].concat());
        }
    }
}

#[test]
fn every_command_and_option_is_documented() {
    check(&[]);
}
