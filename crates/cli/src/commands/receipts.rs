//! `relynt receipts`

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use relynt_api::{ReceiptDecision, RiskLevel, UnknownWord};
use serde_json::Value;

use crate::api::{Api, Gateway, Query, path};
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output, cell};
use crate::outside::Outside;
use crate::text::inert;

const RECEIPTS: &str = "/v1/receipts";
/// The longest page that a gateway gives.
const PAGE: usize = 200;

const RECEIPT: &[Column] = &[
    ("CREATED", "/created_at"),
    ("RECEIPT", "/receipt_id"),
    ("EVENT", "/event"),
    ("DECISION", "/decision"),
    ("RISK", "/risk_level"),
    ("ACTION", "/action"),
    ("RESOURCE", "/resource"),
];

const DETAIL: &[Column] = &[
    ("receipt", "/receipt_id"),
    ("event", "/event"),
    ("created", "/created_at"),
    ("decision", "/decision"),
    ("verdict", "/verdict"),
    ("reason", "/reason"),
    ("risk", "/risk_level"),
    ("action", "/action"),
    ("resource", "/resource"),
    ("agent", "/agent_id"),
    ("instance", "/instance_id"),
    ("policy", "/policy_version"),
    ("rule", "/rule_id"),
    ("performed by", "/performed_by"),
    ("execution", "/execution/status"),
    ("approval", "/approval_id"),
    ("previous", "/previous_receipt_id"),
    ("request hash", "/request_hash"),
    ("response hash", "/response_hash"),
    ("key", "/key_id"),
    ("signature", "/signature"),
];

const VERIFICATION: &[Column] = &[
    ("valid", "/valid"),
    ("reason", "/reason"),
    ("signature", "/checks/signature"),
    ("key", "/checks/key"),
    ("columns", "/checks/columns"),
    ("log", "/checks/log"),
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
    /// Receipts, newest first
    List {
        #[command(flatten)]
        filter: Filter,
        /// How many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// Where to go on: `next_cursor` of the page before
        #[arg(long)]
        cursor: Option<String>,
    },
    /// One receipt
    Show {
        /// The receipt's id
        receipt_id: String,
    },
    /// Let the gateway verify a receipt against its store; exit code 1 if it is not valid
    Verify {
        /// The receipt's id
        receipt_id: String,
    },
    /// Write the public keys and every receipt as JSON Lines, for `relynt verify`
    Export {
        #[command(flatten)]
        filter: Filter,
        /// Where to; default: standard output
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct Filter {
    /// `allow`, `deny`, `pending_approval` or `error`
    #[arg(long, value_parser = decision)]
    decision: Option<ReceiptDecision>,
    /// `low`, `medium` or `high`
    #[arg(long, value_parser = risk)]
    risk: Option<RiskLevel>,
    /// Of this agent
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// Of this run of an agent
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
    /// Of this approval
    #[arg(long, value_name = "ID")]
    approval: Option<String>,
    /// Of this operation
    #[arg(long)]
    action: Option<String>,
    /// Not before (RFC 3339)
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Before (RFC 3339)
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// With this in action, resource or receipt id
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
}

impl Filter {
    fn query(&self) -> Query {
        Query::new(RECEIPTS)
            .with("decision", self.decision)
            .with("risk_level", self.risk)
            .with("agent_id", self.agent.as_ref())
            .with("instance_id", self.instance.as_ref())
            .with("approval_id", self.approval.as_ref())
            .with("action", self.action.as_ref())
            .with("from", self.from.as_ref())
            .with("to", self.to.as_ref())
            .with("search", self.search.as_ref())
    }
}

pub(crate) fn run(
    arguments: Arguments,
    outside: &Outside,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let api = arguments.gateway.api(outside)?;
    match arguments.command {
        Command::List {
            filter,
            limit,
            cursor,
        } => list(&api, &filter.query(), limit, cursor, output),
        Command::Show { receipt_id } => {
            output.object(&api.get(&path(RECEIPTS, &[&receipt_id]))?, DETAIL)?;
            Ok(Exit::Done)
        }
        Command::Verify { receipt_id } => {
            let text = api.get(&path(RECEIPTS, &[&receipt_id, "verify"]))?;
            output.object(&text, VERIFICATION)?;
            let answer: Value = serde_json::from_str(&text).map_err(|_| api.strange())?;
            match answer.get("valid").and_then(Value::as_bool) {
                Some(true) => Ok(Exit::Done),
                Some(false) => Ok(Exit::No),
                None => Err(api.strange()),
            }
        }
        Command::Export { filter, output: to } => {
            let query = filter.query().with("limit", Some(PAGE));
            export(&api, &query, to, output)
        }
    }
}

fn list(
    api: &Api,
    query: &Query,
    limit: u32,
    cursor: Option<String>,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut items = Vec::new();
    let mut next = cursor;
    // Every page asks for what is missing, so that the cursor fits the last item shown. A search
    // that ran out of time gives a short page, even an empty one, and a cursor.
    loop {
        let missing = most.saturating_sub(items.len()).min(PAGE);
        let query = query.clone().with("limit", Some(missing));
        let page = api.page(&query.with("cursor", next.as_ref()), "receipts")?;
        items.extend(page.items);
        next = page.next;
        if next.is_none() || items.len() >= most {
            break;
        }
    }
    output.list("receipts", &items, next.as_deref(), RECEIPT)?;
    if let Some(cursor) = next.filter(|_| !output.is_json()) {
        output.line(&format!("more with `--cursor {}`", inert(&cursor)))?;
    }
    Ok(Exit::Done)
}

/// Pages from the newest to the oldest: what is written meanwhile is newer than the first page and
/// cannot shift a later one.
fn export(
    api: &Api,
    query: &Query,
    to: Option<PathBuf>,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let keys = api.get("/.well-known/relynt-keys.json")?;
    match to {
        None => {
            write_export(api, query, &keys, output.writer())?;
        }
        Some(to) => {
            let failed = |error: std::io::Error| Failure::file("write", to.display(), &error);
            let mut file = BufWriter::new(File::create(&to).map_err(failed)?);
            let count = write_export(api, query, &keys, &mut file)?;
            let file = file
                .into_inner()
                .map_err(|error| failed(error.into_error()))?;
            file.sync_all().map_err(failed)?;
            let file = to.display().to_string();
            if output.is_json() {
                output.value(&serde_json::json!({ "file": file, "receipts": count }))?;
            } else {
                output.line(&format!("{count} receipts written to {}", inert(&file)))?;
            }
        }
    }
    Ok(Exit::Done)
}

fn write_export(api: &Api, query: &Query, keys: &str, out: &mut dyn Write) -> Result<u64, Failure> {
    let keys: Value = serde_json::from_str(keys).map_err(|_| api.strange())?;
    let keys = keys.get("keys").ok_or_else(|| api.strange())?;
    writeln!(out, "{{\"keys\":{keys}}}")?;
    let mut progress = Progress::new();
    let mut next: Option<String> = None;
    loop {
        let page = api.page(&query.clone().with("cursor", next.as_ref()), "receipts")?;
        for receipt in &page.items {
            out.write_all(one_line(receipt.get()).as_bytes())?;
            out.write_all(b"\n")?;
            progress.add(&receipt_time(receipt.get()));
        }
        next = page.next;
        if next.is_none() {
            out.flush()?;
            return Ok(progress.finish());
        }
    }
}

/// The bytes as they were served. A line break between members would be no part of what was
/// signed, and within a string it cannot stand.
fn one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}

fn receipt_time(json: &str) -> String {
    let value: Value = serde_json::from_str(json).unwrap_or_default();
    cell(&value, "/created_at")
}

/// Says on a terminal how far a long work is; nothing in a pipe.
struct Progress {
    count: u64,
    shown: bool,
}

impl Progress {
    fn new() -> Self {
        Self {
            count: 0,
            shown: std::io::stderr().is_terminal() && !std::io::stdout().is_terminal(),
        }
    }

    fn add(&mut self, at: &str) {
        self.count += 1;
        if self.shown && self.count.is_multiple_of(100) {
            // Progress that cannot be shown is no reason to stop.
            let _ = write!(std::io::stderr(), "\r{} receipts, back to {at}", self.count);
        }
    }

    fn finish(self) -> u64 {
        if self.shown && self.count >= 100 {
            let _ = writeln!(std::io::stderr());
        }
        self.count
    }
}

fn decision(text: &str) -> Result<ReceiptDecision, String> {
    text.parse().map_err(|error: UnknownWord| error.to_string())
}

fn risk(text: &str) -> Result<RiskLevel, String> {
    text.parse().map_err(|error: UnknownWord| error.to_string())
}
