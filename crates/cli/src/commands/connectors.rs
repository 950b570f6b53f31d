//! `relynt connectors`

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::api::{Gateway, Query, path};
use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::{Column, Output};
use crate::outside::Outside;
use crate::text::inert;

const CONNECTOR: &[Column] = &[
    ("POSITION", "/position"),
    ("CONNECTOR", "/connector_id"),
    ("NAME", "/name"),
    ("ACTION", "/action"),
    ("RESOURCE", "/resource_pattern"),
    ("TARGET", "/base_url"),
];

const DETAIL: &[Column] = &[
    ("connector", "/connector_id"),
    ("version", "/version"),
    ("name", "/name"),
    ("position", "/position"),
    ("action", "/action"),
    ("resource", "/resource_pattern"),
    ("target", "/base_url"),
    ("headers", "/headers"),
    ("time-out in ms", "/timeout_ms"),
    ("routes", "/routes"),
    ("created", "/created_at"),
    ("changed", "/updated_at"),
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
    /// All connectors, in their order
    List,
    /// Make a connector from a JSON file (`-`: standard input)
    Create {
        /// The definition, as `docs/connectors.md` describes it
        file: PathBuf,
    },
    /// One connector; header values are masked
    Show {
        /// The connector's id
        connector_id: String,
    },
    /// Change what a JSON file names (`-`: standard input)
    Update {
        /// The connector's id
        connector_id: String,
        /// The fields to change; the mask `********` keeps a header's value
        file: PathBuf,
    },
    /// Take a connector away
    Delete {
        /// The connector's id
        connector_id: String,
    },
}

pub(crate) fn run(
    arguments: Arguments,
    outside: &Outside,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let connectors = "/v1/connectors";
    let api = arguments.gateway.api(outside)?;
    let shown = match arguments.command {
        Command::List => {
            return api.show_list(Query::new(connectors), "connectors", CONNECTOR, output);
        }
        Command::Delete { connector_id } => {
            let done = api.delete(&path(connectors, &[&connector_id]))?;
            let what = format!("connector {} is deleted", inert(&connector_id));
            return super::done(&done, &what, output);
        }
        Command::Create { file } => {
            api.send("POST", connectors, &files::read_json(&file)?.to_canonical())?
        }
        Command::Update { connector_id, file } => {
            let body = files::read_json(&file)?.to_canonical();
            api.send("PATCH", &path(connectors, &[&connector_id]), &body)?
        }
        Command::Show { connector_id } => api.get(&path(connectors, &[&connector_id]))?,
    };
    output.object(&shown, DETAIL)?;
    Ok(Exit::Done)
}
