//! `relynt serve`: production.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::local::serving::Listeners;
use crate::local::signals::Signals;
use crate::local::{self, log};
use crate::output::Output;
use crate::outside::Outside;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Configuration file (TOML); default: the variable `RELYNT_CONFIG`, or variables alone
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(crate) fn run(
    arguments: &Arguments,
    outside: &Outside,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let file = local::config_file(arguments.config.as_deref(), outside)?;
    let config = local::read(file.as_deref(), outside, &[], &[])?;
    let _log = log::start(&config.log)?;
    relynt_server::hide_panic_messages();
    local::block_on(|bringers| async move {
        let signals = Signals::catch()?;
        let listeners = Listeners::bind(&config).await?;
        let installation = local::open(&config, false, listeners.addresses(), bringers).await?;
        let metrics_url = format!("http://{}/metrics", listeners.metrics_address);
        if output.is_json() {
            output.value(&json!({
                "base_url": listeners.public_url,
                "listen": listeners.api_address.to_string(),
                "metrics_url": metrics_url,
            }))?;
        } else {
            output.line(&format!(
                "relynt answers at {} as {}, metrics at {metrics_url}",
                listeners.api_address, listeners.public_url
            ))?;
        }
        listeners.serve(installation, &config, signals).await
    })?
}
