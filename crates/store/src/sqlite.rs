//! The store on one SQLite database.

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use relynt_domain::OrganizationId;
use relynt_gateway::ports::{Entropy, Store, StoreError, StoreGauges};
use rusqlite::params;
use tokio::sync::watch;

use crate::keys::Keyring;
use crate::rows::{execute, first};
use crate::seal::Key;
use crate::sql;
use crate::stats::Stats;

mod administration;
mod approvals;
mod calls;
mod changes;
mod checkpoint;
mod decision;
mod failure;
mod indexer;
mod ledger;
mod migrate;
mod open;
mod outcome;
mod queue;
mod readers;
mod stored_call;
mod tx;
mod walk;
mod write;
mod writer;

pub use open::{OpenError, OpenOptions};
pub use queue::Bringers;

pub(crate) use failure::{Failure, corrupt};

use readers::Readers;
use writer::WriterHandle;

/// The embedded store. Closed when dropped.
pub struct SqliteStore {
    writer: WriterHandle,
    /// Reads that find something by a key.
    points: Readers,
    /// Reads that walk along an index until they have found enough.
    walks: Readers,
    keys: Keyring,
    entropy: Arc<dyn Entropy>,
    stats: Arc<Stats>,
    failed: watch::Receiver<bool>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    lock: Mutex<Option<File>>,
}

impl SqliteStore {
    /// Finishes what is queued, moves everything into the database and ends the threads; every
    /// later call is [`StoreError::Closed`]. Blocks meanwhile.
    pub fn close(&self) {
        self.points.stop();
        self.walks.stop();
        self.writer.stop();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            let _ = thread.join();
        }
        // Only now may another process open the folder.
        drop(
            self.lock
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }

    /// Ends once a sync has failed. The store answers nothing from then on, because nobody knows
    /// what the disk holds: the process must end and start again.
    pub async fn failed(&self) {
        let mut failed = self.failed.clone();
        if failed.wait_for(|failed| *failed).await.is_err() {
            // Closed in good order: it will never fail.
            std::future::pending::<()>().await;
        }
    }

    /// How many groups there were of each size since the start; the index is the size.
    pub fn group_sizes(&self) -> Vec<u64> {
        self.stats.sizes()
    }

    /// The organization's key, unwrapped.
    pub(crate) async fn organization_key(
        &self,
        organization: OrganizationId,
    ) -> Result<Arc<Key>, StoreError> {
        if let Some(key) = self.keys.known(organization) {
            return Ok(key);
        }
        let wrapped = self
            .points
            .read(move |reader| {
                first(
                    reader.connection(),
                    sql::WRAPPED_KEY,
                    params![organization.as_bytes()],
                    |row| Ok(row.get::<_, Vec<u8>>(0)?),
                )
            })
            .await?
            .ok_or_else(|| StoreError::Database("there is no such organization".to_owned()))?;
        Ok(self.keys.learn(organization, &wrapped)?)
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn check_writable(&self) -> Result<(), StoreError> {
        self.writer
            .submit(|tx| match execute(tx, sql::PROBE, [])? {
                1 => Ok(()),
                _ => Err(corrupt("the probe's row is missing")),
            })
            .await
    }

    fn gauges(&self) -> StoreGauges {
        self.stats.gauges()
    }
}
