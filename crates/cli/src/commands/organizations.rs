//! `relynt organizations`: for whoever operates the server, on its own machine.

use clap::{Args, Subcommand};
use relynt_gateway::AdminError;
use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::local::{self, Place};
use crate::output::Output;
use crate::outside::Outside;
use crate::text::inert;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create an organization with its Owner and a policy that denies everything; the Owner's
    /// access token is shown once. Only while no gateway runs on the store
    Create {
        /// Its name
        name: String,
        /// The Owner's e-mail address
        #[arg(long, value_name = "EMAIL")]
        owner: String,
    },
    /// All organizations of the store. Only while no gateway runs on it
    List,
}

pub(crate) fn run(
    arguments: &Arguments,
    outside: &Outside,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let config = arguments.place.read(outside)?;
    local::block_on(|bringers| async move {
        let installation = local::open(&config, false, Vec::new(), bringers).await?;
        let gateway = &installation.gateway;
        match &arguments.command {
            Command::Create { name, owner } => {
                let created = gateway
                    .create_organization(name, owner)
                    .await
                    .map_err(|error| refused(&error))?;
                if output.is_json() {
                    return output.value(&json!({
                        "organization_id": created.organization.to_string(),
                        "user_id": created.owner.to_string(),
                        "access_token": created.access_token.as_str(),
                    }));
                }
                output.fields(&[
                    ("organization", created.organization.to_string()),
                    ("owner", created.owner.to_string()),
                    (
                        "access token (shown once)",
                        created.access_token.to_string(),
                    ),
                ])
            }
            Command::List => {
                let rows = gateway.organizations();
                if output.is_json() {
                    let rows: Vec<serde_json::Value> = rows
                        .iter()
                        .map(|row| {
                            json!({
                                "organization_id": row.id.to_string(),
                                "name": row.name,
                                "created_at": row.created_at.to_string(),
                            })
                        })
                        .collect();
                    return output.value(&json!({ "organizations": rows, "next_cursor": null }));
                }
                let rows: Vec<Vec<String>> = rows
                    .iter()
                    .map(|row| {
                        vec![
                            row.id.to_string(),
                            inert(&row.name),
                            row.created_at.to_string(),
                        ]
                    })
                    .collect();
                output.table(&["ORGANIZATION", "NAME", "CREATED"], &rows)
            }
        }
    })??;
    Ok(Exit::Done)
}

/// What an administrative act was refused for, every fault on the one line.
pub(crate) fn refused(error: &AdminError) -> Failure {
    let text = match error {
        AdminError::Invalid(faults) => {
            let faults: Vec<String> = faults.iter().map(|fault| fault.detail.clone()).collect();
            faults.join("; ")
        }
        other => other.to_string(),
    };
    let exit = match error {
        AdminError::Unavailable(_) => Exit::Unavailable,
        AdminError::Invalid(_) => Exit::Usage,
        _ => Exit::No,
    };
    Failure::new(exit, text)
}
