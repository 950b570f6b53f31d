//! `relynt tokens`

use clap::{Args, Subcommand};
use relynt_api::{NewToken, Role, Scope};

use crate::api::{Gateway, Query, member, path};
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output};
use crate::outside::Outside;
use crate::text::inert;

const TOKEN: &[Column] = &[
    ("TOKEN", "/token_id"),
    ("NAME", "/name"),
    ("ROLE", "/role"),
    ("SCOPES", "/scopes"),
    ("CREATED", "/created_at"),
    ("LAST USED", "/last_used_at"),
    ("EXPIRES", "/expires_at"),
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
    /// Your tokens, without their secrets
    List,
    /// Make a token; its text is shown once, alone on standard output
    Create(Create),
    /// End a token at once
    Revoke {
        /// The token's id
        token_id: String,
    },
}

#[derive(Debug, Args)]
struct Create {
    /// Its name
    name: String,
    /// Its role, not above yours: owner, admin, approver, viewer
    #[arg(long, value_parser = role)]
    role: Role,
    /// What it is for: read, manage, approvals:decide, log:read; may be repeated; default: read,
    /// and manage as the role allows
    #[arg(long = "scope", value_name = "SCOPE", value_parser = scope)]
    scopes: Vec<Scope>,
    /// When it ends by itself (RFC 3339)
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
}

pub(crate) fn run(
    arguments: Arguments,
    outside: &Outside,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let api = arguments.gateway.api(outside)?;
    match arguments.command {
        Command::List => api.show_list(Query::new("/v1/tokens"), "tokens", TOKEN, output),
        Command::Create(new) => {
            let body = NewToken {
                name: new.name,
                role: new.role,
                scopes: (!new.scopes.is_empty()).then_some(new.scopes),
                expires_at: new.expires_at,
            };
            let text = api.post("/v1/tokens", &body)?;
            if output.is_json() {
                output.json(&text)?;
            } else {
                let token = member(&text, "/token").ok_or_else(|| api.strange())?;
                output.line(&inert(&token))?;
            }
            Ok(Exit::Done)
        }
        Command::Revoke { token_id } => {
            let done = api.delete(&path("/v1/tokens", &[&token_id]))?;
            let what = format!("token {} is revoked", inert(&token_id));
            super::done(&done, &what, output)
        }
    }
}

fn role(text: &str) -> Result<Role, String> {
    text.parse()
        .map_err(|error: relynt_api::UnknownWord| error.to_string())
}

fn scope(text: &str) -> Result<Scope, String> {
    text.parse()
        .map_err(|error: relynt_api::UnknownWord| error.to_string())
}
