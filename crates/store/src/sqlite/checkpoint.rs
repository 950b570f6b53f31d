//! Moving what is committed from the write-ahead log into the database, behind the writer.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender};

use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode, MAIN_DB};
use tokio::sync::watch;

use super::failure::is_sync_failure;

/// The way to the checkpointer's thread; it ends when every one of these is gone.
#[derive(Clone)]
pub(crate) struct Checkpointer(SyncSender<()>);

impl Checkpointer {
    /// Asks for a checkpoint, unless one is asked for already.
    pub(crate) fn call(&self) {
        let _ = self.0.try_send(());
    }
}

/// The thread's part.
pub(crate) struct CheckpointThread {
    connection: Connection,
    calls: Receiver<()>,
    failed: watch::Sender<bool>,
}

impl CheckpointThread {
    pub(crate) fn new(
        path: &Path,
        failed: watch::Sender<bool>,
    ) -> rusqlite::Result<(Self, Checkpointer)> {
        let connection = super::open::connect(path)?;
        let (sender, calls) = std::sync::mpsc::sync_channel(1);
        Ok((
            Self {
                connection,
                calls,
                failed,
            },
            Checkpointer(sender),
        ))
    }

    pub(crate) fn run(self) {
        while self.calls.recv().is_ok() {
            // Passive: waits for nobody and holds nobody up.
            match self
                .connection
                .wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE)
            {
                Ok(_) => {}
                Err(error) if is_sync_failure(&error) => {
                    tracing::error!("a sync failed during a checkpoint: {error}");
                    self.failed.send_replace(true);
                    return;
                }
                // The writer is at it.
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {}
                Err(error) => tracing::warn!("a checkpoint failed: {error}"),
            }
        }
    }
}
