//! Where a running gateway's log goes: standard error, one line an event.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

/// Starts logging: text on a terminal, JSON elsewhere. `filter`: `info`, `relynt=debug`.
pub(crate) fn start(filter: &str) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|_| {
        Failure::usage("`log` (variable `RELYNT_LOG`) must be a filter such as `info`")
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    let terminal = io::stderr().is_terminal();
    let started = if terminal {
        log.with_ansi(false).try_init()
    } else {
        log.json().flatten_event(true).try_init()
    };
    started.map_err(|_| Failure::usage("the log was started twice"))
}
