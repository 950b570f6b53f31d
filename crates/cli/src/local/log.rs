//! Where a running gateway's log goes: standard error, one line an event.
//!
//! Events are formatted where they happen and written by a thread of their own ([`writer`]), so
//! that no request waits for a terminal, a pipe or a disk. Lines are kept in order and none is
//! dropped: when the queue is full, whoever has a line waits, as with a write of its own.

mod json;
mod writer;

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use self::json::Json;
use self::writer::Queue;
use crate::failure::Failure;

pub(crate) use self::writer::Guard;

/// Starts logging: text on a terminal, JSON elsewhere. `filter`: `info`, `relynt=debug`.
///
/// What was logged is on standard error once the returned guard is gone.
pub(crate) fn start(filter: &str) -> Result<Guard, Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|_| {
        Failure::usage("`log` (variable `RELYNT_LOG`) must be a filter such as `info`")
    })?;
    let terminal = io::stderr().is_terminal();
    let (queue, guard) = Queue::start(io::stderr())
        .map_err(|error| Failure::file("start the thread of", "the log", &error))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(queue);
    let started = if terminal {
        log.with_ansi(false).try_init()
    } else {
        log.fmt_fields(json::Fields).event_format(Json).try_init()
    };
    started.map_err(|_| Failure::usage("the log was started twice"))?;
    Ok(guard)
}
