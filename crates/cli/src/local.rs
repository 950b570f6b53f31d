//! The installation on this machine: its configuration, folder and log.

pub(crate) mod folder;
pub(crate) mod log;
pub(crate) mod serving;
pub(crate) mod signals;

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use relynt_server::{
    Config, Installation, InstallationError, InstallationOptions, MasterKey, StoreUrl,
};
use relynt_store::{Bringers, OpenError};
use zeroize::Zeroizing;

use self::folder::{DATABASE, KEY};
use crate::failure::{Exit, Failure};
use crate::outside::Outside;

/// Which installation.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// Configuration file (TOML); default: the variable `RELYNT_CONFIG`
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "data")]
    pub(crate) config: Option<PathBuf>,
    /// A data folder of `relynt dev`
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
}

impl Place {
    /// Whether one is named.
    pub(crate) fn is_named(&self, outside: &Outside) -> bool {
        self.config.is_some() || self.data.is_some() || outside.variable("RELYNT_CONFIG").is_some()
    }

    /// Reads the configuration; where it says nothing, what a command without listeners needs.
    pub(crate) fn read(&self, outside: &Outside) -> Result<Config, Failure> {
        let Some(data) = &self.data else {
            let file = config_file(self.config.as_deref(), outside)?;
            return read(file.as_deref(), outside, &[], &[("public_url", "")]);
        };
        let (store, key) = (store_url(data), data.join(KEY).display().to_string());
        let defaults = [
            ("public_url", ""),
            ("store.url", store.as_str()),
            ("master_key_file", key.as_str()),
        ];
        read(None, outside, &[], &defaults)
    }
}

/// The text of the configuration file, if one is named.
pub(crate) fn config_file(
    named: Option<&Path>,
    outside: &Outside,
) -> Result<Option<String>, Failure> {
    let path = named.or_else(|| outside.variable("RELYNT_CONFIG").map(Path::new));
    path.map(|path| {
        std::fs::read_to_string(path)
            .map_err(|error| Failure::file("read the configuration", path.display(), &error))
    })
    .transpose()
}

/// Reads file and environment, except the variables `without`.
pub(crate) fn read(
    file: Option<&str>,
    outside: &Outside,
    without: &[&str],
    defaults: &[(&str, &str)],
) -> Result<Config, Failure> {
    let variables = outside.relynt_variables();
    let variables = variables.filter(|(name, _)| !without.contains(&name.as_str()));
    Config::read(file, variables, defaults).map_err(|error| Failure::usage(error.to_string()))
}

/// The store of a data folder, as a configuration names it.
pub(crate) fn store_url(folder: &Path) -> String {
    format!("sqlite:{}", folder.join(DATABASE).display())
}

/// The folder of the configured store, if it is an embedded one.
pub(crate) fn store_folder(config: &Config) -> Option<PathBuf> {
    let StoreUrl::Sqlite(path) = &config.store else {
        return None;
    };
    Some(match path.parent() {
        Some(folder) if path.file_name().is_some_and(|name| name == DATABASE) => {
            // `relynt.db` alone is the one in this folder.
            let here = folder.as_os_str().is_empty();
            if here {
                PathBuf::from(".")
            } else {
                folder.to_owned()
            }
        }
        _ => path.clone(),
    })
}

/// The master key of the configuration.
pub(crate) fn master_key(config: &Config) -> Result<MasterKey, Failure> {
    let key = config.master_key.load();
    key.map_err(|error| Failure::usage(error.to_string()))
}

/// Opens store and gateway as a start would.
pub(crate) async fn open(
    config: &Config,
    plain_http: bool,
    own_listeners: Vec<SocketAddr>,
    bringers: Arc<Bringers>,
) -> Result<Installation, Failure> {
    let opened = install(config, plain_http, own_listeners, bringers).await?;
    opened.map_err(|error| cannot_open(&error))
}

/// As [`open`], for whoever looks into what is wrong.
pub(crate) async fn install(
    config: &Config,
    plain_http: bool,
    own_listeners: Vec<SocketAddr>,
    bringers: Arc<Bringers>,
) -> Result<Result<Installation, InstallationError>, Failure> {
    let key = master_key(config)?;
    let options = InstallationOptions {
        store: store_folder(config).map_or_else(|| config.store.clone(), StoreUrl::Sqlite),
        master_key: Zeroizing::new(*key.expose()),
        connector_allow: config.connector_allow.clone(),
        plain_http,
        own_listeners,
        bringers,
    };
    Ok(Installation::open(options).await)
}

/// Every cause on the one line.
pub(crate) fn cannot_open(error: &InstallationError) -> Failure {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    if let InstallationError::Store(OpenError::Locked { .. }) = error {
        text.push_str(": stop it first");
    }
    Failure::new(Exit::No, text)
}

/// Runs asynchronous work to its end, on threads that tell the store's writer when they rest.
pub(crate) fn block_on<T, W: Future<Output = T>>(
    work: impl FnOnce(Arc<Bringers>) -> W,
) -> Result<T, Failure> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let bringers = Bringers::new(threads);
    let (rests, works) = (Arc::clone(&bringers), Arc::clone(&bringers));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .on_thread_park(move || rests.rests())
        .on_thread_unpark(move || works.works())
        // What other threads wake, such as calls that the store has answered, waits in a queue of
        // its own: looked at often, so that work that was begun is not kept waiting by new work.
        .global_queue_interval(3)
        .enable_all()
        .build()
        .map_err(|error| Failure::file("start threads of", "relynt", &error))?;
    Ok(runtime.block_on(work(bringers)))
}
