//! `relynt approvals`

mod inbox;

use std::time::Duration;

use clap::{Args, Subcommand};
use relynt_api::{ApprovalStatus, Decide, UnknownWord, VoteKind};
use serde_json::Value;

use crate::api::{Api, Gateway, Query, path};
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output};
use crate::outside::Outside;

const APPROVALS: &str = "/v1/approvals";
/// How long the command waits for the execution that an approval starts.
const PATIENCE: Duration = Duration::from_mins(1);

const APPROVAL: &[Column] = &[
    ("APPROVAL", "/approval_id"),
    ("STATUS", "/status"),
    ("RISK", "/risk_level"),
    ("AGENT", "/agent_name"),
    ("ACTION", "/action"),
    ("RESOURCE", "/resource"),
    ("CREATED", "/created_at"),
    ("EXPIRES", "/expires_at"),
];

const DETAIL: &[Column] = &[
    ("approval", "/approval_id"),
    ("status", "/status"),
    ("revision", "/revision"),
    ("agent", "/agent_name"),
    ("agent id", "/agent_id"),
    ("instance", "/instance_id"),
    ("action", "/action"),
    ("resource", "/resource"),
    ("payload", "/payload"),
    ("risk", "/risk_level"),
    ("reason", "/reason"),
    ("policy", "/policy_version"),
    ("created", "/created_at"),
    ("expires", "/expires_at"),
    ("decided by", "/decided_by"),
    ("decided at", "/decided_at"),
    ("note", "/note"),
    ("blocked by", "/blocked_by"),
    ("execution", "/execution/status"),
    ("tool response", "/tool_response"),
    ("receipt", "/receipt_id"),
    ("final receipt", "/final_receipt_id"),
];

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = false)]
pub(crate) struct Arguments {
    #[command(flatten)]
    gateway: Gateway,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Approvals, newest first
    List {
        /// pending, approved, denied, expired or cancelled
        #[arg(long, value_parser = status)]
        status: Option<ApprovalStatus>,
        /// Of this agent
        #[arg(long, value_name = "ID")]
        agent: Option<String>,
    },
    /// One approval with everything that the agent asks for
    Show {
        /// The approval's id
        approval_id: String,
    },
    /// Approve, and wait until what was approved has happened
    Approve(Vote),
    /// Deny
    Deny(Vote),
}

#[derive(Debug, Args)]
struct Vote {
    /// The approval's id
    approval_id: String,
    /// A note that is kept with the approval
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// The revision that you looked at; refused if there is another one now
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    revision: Option<u32>,
}

pub(crate) fn run(
    arguments: Arguments,
    outside: &Outside,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let api = arguments.gateway.api(outside)?;
    match arguments.command {
        None if outside.is_interactive && !output.is_json() => inbox::run(&api, output),
        None => api.show_list(pending(), "approvals", APPROVAL, output),
        Some(Command::List { status, agent }) => {
            let query = Query::new(APPROVALS).with("status", status);
            api.show_list(query.with("agent_id", agent), "approvals", APPROVAL, output)
        }
        Some(Command::Show { approval_id }) => {
            output.object(&api.get(&path(APPROVALS, &[&approval_id]))?, DETAIL)?;
            Ok(Exit::Done)
        }
        Some(Command::Approve(vote)) => cast(&api, vote, VoteKind::Approve, output),
        Some(Command::Deny(vote)) => cast(&api, vote, VoteKind::Deny, output),
    }
}

fn pending() -> Query {
    Query::new(APPROVALS).with("status", Some(ApprovalStatus::Pending))
}

fn cast(api: &Api, vote: Vote, kind: VoteKind, output: &mut Output) -> Result<Exit, Failure> {
    let decision = Decide {
        decision: kind,
        revision: vote.revision,
        note: vote.note,
    };
    output.object(&decide(api, &vote.approval_id, &decision)?, DETAIL)?;
    Ok(Exit::Done)
}

/// Votes; where the vote starts an execution, waits for its outcome.
fn decide(api: &Api, approval_id: &str, decision: &Decide) -> Result<String, Failure> {
    let text = api.post(&path(APPROVALS, &[approval_id, "decision"]), decision)?;
    let answer: Value = serde_json::from_str(&text).map_err(|_| api.strange())?;
    if answer.pointer("/execution/status").and_then(Value::as_str) != Some("pending") {
        return Ok(text);
    }
    let held = Query::new(path(APPROVALS, &[approval_id]));
    let held = held.with("wait_ms", Some(PATIENCE.as_millis()));
    // The vote counts whatever comes of looking.
    Ok(api.get_within(&held.text(), PATIENCE).unwrap_or(text))
}

fn status(text: &str) -> Result<ApprovalStatus, String> {
    text.parse().map_err(|error: UnknownWord| error.to_string())
}
