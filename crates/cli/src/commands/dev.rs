//! `relynt dev`: everything on one machine, with nothing to set up.

mod beginning;

use std::path::{Path, PathBuf};

use clap::Args;
use relynt_server::{Config, SystemEntropy};
use serde_json::json;

use self::beginning::{Beginning, begin};
use crate::failure::{Exit, Failure};
use crate::local::folder::{self, KEY};
use crate::local::serving::Listeners;
use crate::local::signals::Signals;
use crate::local::{self, log};
use crate::output::Output;
use crate::outside::Outside;
use crate::text::inert;

const PORT: u16 = 7465;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Folder for the store and its key; made if it is not there
    #[arg(long, value_name = "DIR", default_value = "./relynt-data")]
    data: PathBuf,
    /// Port on loopback; 0 is any free one; default: 7465
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
}

pub(crate) fn run(
    arguments: &Arguments,
    outside: &Outside,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let config = configure(arguments, outside)?;
    let _log = log::start(&config.log)?;
    relynt_server::hide_panic_messages();
    folder::prepare(&arguments.data, &SystemEntropy::default())?;
    local::block_on(|bringers| async move {
        let signals = Signals::catch()?;
        let listeners = Listeners::bind(&config).await?;
        let installation = local::open(&config, true, listeners.addresses(), bringers).await?;
        // Kept until the end: it plays the target of the demo connector.
        let beginning = begin(&installation.gateway).await?;
        if output.is_json() {
            tell_programs(&listeners, &beginning, output)?;
        } else {
            tell_people(&arguments.data, &listeners, &beginning, output)?;
        }
        listeners.serve(installation, &config, signals).await
    })?
}

/// What a configuration of `serve` says, with defaults that need none.
fn configure(arguments: &Arguments, outside: &Outside) -> Result<Config, Failure> {
    // The folder is named by `--data` alone: a store or a key from elsewhere would not be in it.
    for name in [
        "RELYNT_STORE_URL",
        "RELYNT_MASTER_KEY",
        "RELYNT_MASTER_KEY_FILE",
    ] {
        if outside.variable(name).is_some() {
            return Err(Failure::usage(format!(
                "`relynt dev` keeps store and key in `--data`: unset {name}, or use `relynt serve`"
            )));
        }
    }
    let listen = format!("127.0.0.1:{}", arguments.port.unwrap_or(PORT));
    let key = arguments.data.join(KEY).display().to_string();
    let store = local::store_url(&arguments.data);
    let defaults = [
        ("listen", listen.as_str()),
        ("public_url", ""),
        ("store.url", store.as_str()),
        ("master_key_file", key.as_str()),
        ("connector.allow", "127.0.0.0/8"),
        ("metrics.listen", "127.0.0.1:0"),
    ];
    // What was said on the command line comes first.
    let without: &[&str] = match arguments.port {
        Some(_) => &["RELYNT_LISTEN"],
        None => &[],
    };
    local::read(None, outside, without, &defaults)
}

fn tell_programs(
    listeners: &Listeners,
    beginning: &Beginning,
    output: &mut Output,
) -> Result<(), Failure> {
    output.value(&json!({
        "base_url": listeners.public_url,
        "dashboard_url": format!("{}/", listeners.public_url),
        "organization_id": beginning.organization.to_string(),
        "agent_id": beginning.agent.to_string(),
        "agent_secret": beginning.agent_secret.as_ref().map(|secret| secret.as_str()),
        "access_token": beginning.access_token.as_str(),
        "metrics_url": format!("http://{}/metrics", listeners.metrics_address),
    }))
}

fn tell_people(
    data: &Path,
    listeners: &Listeners,
    beginning: &Beginning,
    output: &mut Output,
) -> Result<(), Failure> {
    let url = &listeners.public_url;
    let (agent, organization) = (beginning.agent, beginning.organization);
    let secret = match &beginning.agent_secret {
        Some(secret) => format!("export RELYNT_AGENT_SECRET={}", secret.as_str()),
        None => format!(
            "# RELYNT_AGENT_SECRET was shown once; for another: relynt agents rotate {agent}"
        ),
    };
    let token = beginning.access_token.as_str();
    output.line(&format!(
        "relynt answers at {url}\ndata in {}, metrics at http://{}/metrics\n\n\
         for an agent:\n\n  \
         export RELYNT_API_BASE_URL={url}\n  {secret}\n  \
         export RELYNT_AGENT_ID={agent}\n  export RELYNT_ORG_ID={organization}\n\n\
         for you, in another terminal:\n\n  \
         export RELYNT_API_BASE_URL={url}\n  export RELYNT_ACCESS_TOKEN={token}\n\n  \
         relynt approvals               # what waits for a person: approve or deny it\n  \
         relynt approvals approve ID\n  \
         relynt receipts list           # what was decided\n\n\
         Ctrl-C stops it.",
        inert(&data.display().to_string()),
        listeners.metrics_address,
    ))
}
