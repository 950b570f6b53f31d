//! `relynt agents`

use clap::{Args, Subcommand};
use relynt_api::{NewAgent, Rotation};
use serde_json::Value;

use crate::api::{Api, Gateway, Query, path};
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output};
use crate::outside::Outside;
use crate::text::inert;

const AGENT: &[Column] = &[
    ("AGENT", "/agent_id"),
    ("NAME", "/name"),
    ("STATUS", "/status"),
    ("TAGS", "/tags"),
    ("CREATED", "/created_at"),
    ("LAST SEEN", "/last_seen_at"),
];

const AGENT_DETAIL: &[Column] = &[
    ("agent", "/agent_id"),
    ("name", "/name"),
    ("description", "/description"),
    ("tags", "/tags"),
    ("owner", "/owner"),
    ("status", "/status"),
    ("created", "/created_at"),
    ("last seen", "/last_seen_at"),
];

const CREDENTIAL: &[Column] = &[
    ("CREDENTIAL", "/credential_id"),
    ("LOOKUP ID", "/lookup_id"),
    ("CREATED", "/created_at"),
    ("LAST USED", "/last_used_at"),
    ("EXPIRES", "/expires_at"),
    ("REVOKED", "/revoked_at"),
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
    /// All agents
    List,
    /// Register an agent; it has no credential until the first `rotate`
    Create(Create),
    /// One agent
    Show {
        /// The agent's id
        agent_id: String,
    },
    /// Give the agent a new credential, shown once, and revoke the earlier ones
    Rotate(Rotate),
    /// Refuse the agent's calls and cancel its pending approvals
    Disable {
        /// The agent's id
        agent_id: String,
    },
    /// Take the agent's calls again
    Enable {
        /// The agent's id
        agent_id: String,
    },
    /// The agent's credentials, without their secrets
    Credentials {
        /// The agent's id
        agent_id: String,
    },
    /// Revoke one credential at once
    RevokeCredential {
        /// The agent's id
        agent_id: String,
        /// The credential's id
        credential_id: String,
    },
}

#[derive(Debug, Args)]
struct Create {
    /// Its name, unique in the organization
    name: String,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// A tag that rules may name; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
}

#[derive(Debug, Args)]
struct Rotate {
    /// The agent's id
    agent_id: String,
    /// Keep the last credential valid so long, at most 7d (such as 30m, 24h)
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    overlap: Option<u32>,
    /// When the new credential ends by itself (RFC 3339)
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
    /// Cancel the agent's pending approvals
    #[arg(long)]
    cancel_pending: bool,
}

pub(crate) fn run(
    arguments: Arguments,
    outside: &Outside,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let api = arguments.gateway.api(outside)?;
    let agents = "/v1/agents";
    let shown = match arguments.command {
        Command::List => return api.show_list(Query::new(agents), "agents", AGENT, output),
        Command::Credentials { agent_id } => {
            let query = Query::new(path(agents, &[&agent_id, "credentials"]));
            return api.show_list(query, "credentials", CREDENTIAL, output);
        }
        Command::Rotate(rotate) => return run_rotate(rotate, &api, output),
        Command::RevokeCredential {
            agent_id,
            credential_id,
        } => {
            let done = api.delete(&path(agents, &[&agent_id, "credentials", &credential_id]))?;
            let what = format!("credential {} is revoked", inert(&credential_id));
            return super::done(&done, &what, output);
        }
        Command::Create(new) => api.post(
            agents,
            &NewAgent {
                name: new.name,
                description: new.description,
                tags: (!new.tags.is_empty()).then_some(new.tags),
                owner: None,
            },
        )?,
        Command::Show { agent_id } => api.get(&path(agents, &[&agent_id]))?,
        Command::Disable { agent_id } => {
            api.send("POST", &path(agents, &[&agent_id, "disable"]), "{}")?
        }
        Command::Enable { agent_id } => {
            api.send("POST", &path(agents, &[&agent_id, "enable"]), "{}")?
        }
    };
    output.object(&shown, AGENT_DETAIL)?;
    Ok(Exit::Done)
}

/// The four lines go to standard output, ready to paste.
fn run_rotate(rotate: Rotate, api: &Api, output: &mut Output) -> Result<Exit, Failure> {
    let body = Rotation {
        overlap_seconds: rotate.overlap,
        expires_at: rotate.expires_at,
        cancel_pending: rotate.cancel_pending.then_some(true),
    };
    let text = api.post(&path("/v1/agents", &[&rotate.agent_id, "rotate"]), &body)?;
    if output.is_json() {
        output.json(&text)?;
        return Ok(Exit::Done);
    }
    let value: Value = serde_json::from_str(&text).map_err(|_| api.strange())?;
    for name in [
        "RELYNT_API_BASE_URL",
        "RELYNT_AGENT_SECRET",
        "RELYNT_AGENT_ID",
        "RELYNT_ORG_ID",
    ] {
        let part = value.get("environment").and_then(|lines| lines.get(name));
        let part = part.and_then(Value::as_str).ok_or_else(|| api.strange())?;
        output.line(&format!("export {name}={}", inert(part)))?;
    }
    Ok(Exit::Done)
}

/// `[1-9][0-9]*[smhd]`, or 0.
fn seconds(text: &str) -> Result<u32, String> {
    if text == "0" {
        return Ok(0);
    }
    let wrong = || "must be a number and one of s, m, h, d, such as `24h`".to_owned();
    let (number, unit) = text
        .char_indices()
        .next_back()
        .and_then(|(at, unit)| Some((text.get(..at)?, unit)))
        .ok_or_else(wrong)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || number.is_empty() || number.starts_with('0') {
        return Err(wrong());
    }
    let count = number.parse::<u32>().ok();
    count
        .and_then(|count| count.checked_mul(factor))
        .ok_or_else(|| "is too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn durations_have_one_unit() {
        for (text, found) in [
            ("0", 0),
            ("90s", 90),
            ("30m", 1800),
            ("24h", 86_400),
            ("7d", 604_800),
        ] {
            assert_eq!(seconds(text), Ok(found), "{text}");
        }
        for text in [
            "",
            "h",
            "1",
            "-1s",
            "01s",
            "1w",
            "1.5h",
            "99999999999d",
            "1h30m",
            "é",
        ] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
