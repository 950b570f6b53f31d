//! `relynt migrate`: a database's schema, as its owner.

use std::sync::Arc;

use clap::Args;
use relynt_server::{StoreUrl, SystemEntropy};
use relynt_store::PostgresStore;

use crate::failure::{Exit, Failure};
use crate::local;
use crate::output::Output;
use crate::outside::Outside;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Configuration file (TOML) whose `store.url` names the owner of the database; default: the
    /// variable `RELYNT_CONFIG`, or variables alone
    #[arg(long, value_name = "FILE")]
    config: Option<std::path::PathBuf>,
}

pub(crate) fn run(
    arguments: &Arguments,
    outside: &Outside,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let file = local::config_file(arguments.config.as_deref(), outside)?;
    // Nothing is served and nothing unsealed.
    let defaults = [("public_url", ""), ("master_key_file", "none")];
    let config = local::read(file.as_deref(), outside, &[], &defaults)?;
    let StoreUrl::Postgres(url) = &config.store else {
        return Err(Failure::usage(
            "the embedded store is brought up to date when it is opened: nothing to do",
        ));
    };
    let entropy = Arc::new(SystemEntropy::default());
    local::block_on(|_| PostgresStore::migrate(url.expose(), entropy))?
        .map_err(|error| local::cannot_open(&error.into()))?;
    if output.is_json() {
        output.json("{}")?;
    } else {
        output.line(
            "the schema is up to date; whoever the gateway logs in as needs \
             `GRANT relynt_application, relynt_lookup TO …`",
        )?;
    }
    Ok(Exit::Done)
}
