//! `relynt policy`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use relynt_api::Activation;
use relynt_json::{Object, Value};

use crate::api::{Api, Gateway, Query, member, path};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::{Column, Output};
use crate::outside::Outside;

const POLICIES: &str = "/v1/policies";

const VERSION: &[Column] = &[
    ("VERSION", "/version"),
    ("ACTIVE", "/active"),
    ("CREATED", "/created_at"),
    ("ACTIVATED", "/activated_at"),
    ("BY", "/created_by"),
    ("NOTE", "/note"),
];

const DETAIL: &[Column] = &[
    ("version", "/version"),
    ("active", "/active"),
    ("digest", "/digest"),
    ("note", "/note"),
    ("created", "/created_at"),
    ("by", "/created_by"),
    ("activated", "/activated_at"),
];

const RULE: &[Column] = &[
    ("RULE", "/id"),
    ("ACTION", "/action"),
    ("RESOURCE", "/resource_pattern"),
    ("AGENTS", "/agents"),
    ("DECISION", "/decision"),
    ("RISK", "/risk_level"),
    ("CONDITIONS", "/conditions"),
];

const SIMULATED: &[Column] = &[
    ("decision", "/decision"),
    ("risk", "/risk_level"),
    ("approval", "/requires_approval"),
    ("reason", "/reason"),
    ("version", "/policy_version"),
    ("rule", "/matched_rule/id"),
];

/// The fields of a saved version beside `rules` and `note`: `policy show --json` may be pushed.
const SAVED: [&str; 6] = [
    "version",
    "digest",
    "active",
    "created_at",
    "created_by",
    "activated_at",
];

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    gateway: Gateway,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// All versions, newest first
    List,
    /// One version with its rules; the active one if none is named
    Show {
        /// The version, such as v3
        version: Option<String>,
    },
    /// Save a JSON file as a new version: a list of rules, or an object with `rules`
    Push(Push),
    /// Make a version the one that decides
    Activate(Activate),
    /// Activate an older version: the last one that was active before, if none is named
    Rollback {
        /// The version, such as v2
        version: Option<String>,
        /// A note for the record
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
        /// Say that a weaker policy is meant
        #[arg(long)]
        acknowledge: bool,
    },
    /// What would be decided, without any effect
    Simulate(Simulate),
}

#[derive(Debug, Args)]
struct Push {
    /// The rules (`-`: standard input)
    file: PathBuf,
    /// A note that is kept with the version
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Activate it, too
    #[arg(long)]
    activate: bool,
    /// Say that a weaker policy is meant
    #[arg(long, requires = "activate")]
    acknowledge: bool,
}

#[derive(Debug, Args)]
struct Activate {
    /// The version, such as v3
    version: String,
    /// A note for the record
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Say that a weaker policy is meant
    #[arg(long)]
    acknowledge: bool,
}

#[derive(Debug, Args)]
struct Simulate {
    /// The operation
    #[arg(long)]
    action: String,
    /// The target
    #[arg(long)]
    resource: String,
    /// The payload: a JSON object, or @FILE
    #[arg(long, value_name = "JSON")]
    payload: Option<String>,
    /// The agent that would call; without it, rules with `agents` are skipped
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// The run of the agent
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
    /// A saved version to try instead of the active one
    #[arg(
        long = "policy-version",
        value_name = "VERSION",
        conflicts_with = "rules"
    )]
    policy_version: Option<String>,
    /// A file with rules to try
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
}

pub(crate) fn run(
    arguments: Arguments,
    outside: &Outside,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let gateway = &arguments.gateway;
    match arguments.command {
        Command::List => {
            let api = gateway.api(outside)?;
            api.show_list(Query::new(POLICIES), "policies", VERSION, output)
        }
        Command::Show { version } => {
            let api = gateway.api(outside)?;
            let version = match version {
                Some(version) => version,
                None => Versions::read(&api)?.active()?,
            };
            show(&api.get(&path(POLICIES, &[&version]))?, output)
        }
        Command::Push(push) => {
            // Read before anything is asked of the gateway: a wrong file is the first thing to say.
            let body = new_version(files::read_json(&push.file)?, push.note.as_deref())?;
            let api = gateway.api(outside)?;
            let saved = api.send("POST", POLICIES, &body)?;
            if !push.activate {
                return show(&saved, output);
            }
            let version = member(&saved, "/version").ok_or_else(|| api.strange())?;
            activate(&api, &version, push.note, push.acknowledge, output)
        }
        Command::Activate(given) => {
            let api = gateway.api(outside)?;
            activate(&api, &given.version, given.note, given.acknowledge, output)
        }
        Command::Rollback {
            version,
            note,
            acknowledge,
        } => {
            let api = gateway.api(outside)?;
            let version = Versions::read(&api)?.before_active(version)?;
            activate(&api, &version, note, acknowledge, output)
        }
        Command::Simulate(simulate) => run_simulate(simulate, gateway, outside, output),
    }
}

fn activate(
    api: &Api,
    version: &str,
    note: Option<String>,
    acknowledge: bool,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let body = Activation {
        note,
        acknowledge: acknowledge.then_some(true),
    };
    show(
        &api.post(&path(POLICIES, &[version, "activate"]), &body)?,
        output,
    )
}

fn show(text: &str, output: &mut Output) -> Result<Exit, Failure> {
    output.object(text, DETAIL)?;
    if !output.is_json() {
        let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let rules = value.get("rules").and_then(serde_json::Value::as_array);
        let rows: Vec<Vec<String>> = rules
            .into_iter()
            .flatten()
            .map(|rule| {
                RULE.iter()
                    .map(|(_, at)| crate::output::cell(rule, at))
                    .collect()
            })
            .collect();
        output.line("")?;
        let titles: Vec<&str> = RULE.iter().map(|(title, _)| *title).collect();
        output.table(&titles, &rows)?;
    }
    Ok(Exit::Done)
}

fn run_simulate(
    given: Simulate,
    gateway: &Gateway,
    outside: &Outside,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let mut body = Object::new();
    body.insert("action", given.action);
    body.insert("resource", given.resource);
    if let Some(payload) = &given.payload {
        body.insert("payload", files::payload(payload)?);
    }
    if let Some(rules) = &given.rules {
        let rules = files::read_json(rules)?;
        let inner = rules.get("rules").cloned();
        body.insert("rules", inner.unwrap_or(rules));
    }
    for (name, value) in [
        ("agent_id", given.agent),
        ("instance_id", given.instance),
        ("version", given.policy_version),
    ] {
        if let Some(value) = value {
            body.insert(name, value);
        }
    }
    let api = gateway.api(outside)?;
    let text = api.send("POST", "/v1/policy-simulator", &body.to_canonical())?;
    output.object(&text, SIMULATED)?;
    Ok(Exit::Done)
}

/// The body that saves a file's rules.
fn new_version(file: Value, note: Option<&str>) -> Result<String, Failure> {
    let mut body = match file {
        Value::Array(rules) => {
            let mut body = Object::new();
            body.insert("rules", rules);
            body
        }
        Value::Object(mut body) if body.contains_key("rules") => {
            for name in SAVED {
                body.remove(name);
            }
            body
        }
        _ => {
            return Err(Failure::usage(
                "a policy file is a list of rules, or an object with `rules`",
            ));
        }
    };
    if let Some(note) = note {
        body.insert("note", note);
    }
    Ok(body.to_canonical())
}

/// What is known of the saved versions.
struct Versions(Vec<Version>);

struct Version {
    number: u64,
    name: String,
    active: bool,
    was_active: bool,
}

impl Versions {
    fn read(api: &Api) -> Result<Self, Failure> {
        let all = api.pages(Query::new(POLICIES), "policies", usize::MAX)?;
        let versions = all.items.iter().map(|item| {
            let value: serde_json::Value = serde_json::from_str(item.get()).ok()?;
            let name = value.get("version")?.as_str()?.to_owned();
            Some(Version {
                number: number(&name)?,
                name,
                active: value.get("active")?.as_bool()?,
                was_active: value.get("activated_at")?.is_string(),
            })
        });
        let versions: Option<Vec<Version>> = versions.collect();
        versions.map(Self).ok_or_else(|| api.strange())
    }

    fn find_active(&self) -> Result<&Version, Failure> {
        let active = self.0.iter().find(|version| version.active);
        active.ok_or_else(|| Failure::new(Exit::No, "no version is active: activate one"))
    }

    fn active(&self) -> Result<String, Failure> {
        self.find_active().map(|version| version.name.clone())
    }

    /// The version to go back to.
    fn before_active(&self, named: Option<String>) -> Result<String, Failure> {
        let active = self.find_active()?;
        if let Some(named) = named {
            return match number(&named) {
                Some(number) if number < active.number => Ok(named),
                _ => Err(Failure::usage(format!(
                    "`{}` is active, and `{named}` is not older: use `relynt policy activate`",
                    active.name
                ))),
            };
        }
        let older = self.0.iter();
        let older = older.filter(|version| version.was_active && version.number < active.number);
        let last = older.max_by_key(|version| version.number);
        last.map(|version| version.name.clone()).ok_or_else(|| {
            Failure::new(
                Exit::No,
                format!(
                    "no version before `{}` was ever active: name one",
                    active.name
                ),
            )
        })
    }
}

fn number(version: &str) -> Option<u64> {
    version.strip_prefix('v')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Version, Versions, new_version};
    use crate::files::parse_json;

    fn versions(given: &[(u64, bool, bool)]) -> Versions {
        let versions = given.iter().map(|&(number, was_active, active)| Version {
            number,
            name: format!("v{number}"),
            active,
            was_active,
        });
        Versions(versions.collect())
    }

    #[test]
    fn rollback_goes_to_the_last_older_version_that_was_active() {
        let all = versions(&[
            (4, true, true),
            (3, false, false),
            (2, true, false),
            (1, true, false),
        ]);
        assert_eq!(all.before_active(None).unwrap(), "v2");
        assert_eq!(all.before_active(Some("v3".into())).unwrap(), "v3");
        assert!(all.before_active(Some("v4".into())).is_err());
        assert!(all.before_active(Some("latest".into())).is_err());
        assert!(
            versions(&[(2, true, true), (1, false, false)])
                .before_active(None)
                .is_err()
        );
        assert!(versions(&[(1, false, false)]).before_active(None).is_err());
    }

    #[test]
    fn a_shown_version_can_be_pushed_and_unknown_fields_are_left_to_be_refused() {
        let push = |text: &str, note| new_version(parse_json(text.as_bytes(), "it").unwrap(), note);
        assert_eq!(push("[]", None).unwrap(), r#"{"rules":[]}"#);
        assert_eq!(
            push(
                r#"{"version":"v1","digest":"x","rules":[],"note":"a"}"#,
                Some("b")
            )
            .unwrap(),
            r#"{"note":"b","rules":[]}"#
        );
        assert_eq!(
            push(r#"{"rules":[],"rulez":[]}"#, None).unwrap(),
            r#"{"rules":[],"rulez":[]}"#
        );
        assert!(push(r#"{"rulez":[]}"#, None).is_err());
        assert!(push("3", None).is_err());
    }

    #[test]
    fn a_key_given_twice_is_refused_before_it_could_be_lost() {
        let twice = br#"{"rules":[],"rules":[{}]}"#;
        assert!(
            parse_json(twice, "it")
                .unwrap_err()
                .text
                .contains("it is not JSON")
        );
    }
}
