//! The one thread that writes: whatever waits is committed as one group.
//!
//! A lone command is committed at once, and while one group syncs the next one gathers by itself;
//! the queue knows who else is on the way. Nobody is answered before COMMIT has returned.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use relynt_gateway::ports::StoreError;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode, MAIN_DB};
use tokio::sync::{oneshot, watch};

use super::checkpoint::Checkpointer;
use super::failure::{Failure, is_sync_failure, refused};
use super::indexer::{Indexer, When};
use super::queue::{Bringers, NotTaken, Queue, Waited};
use super::tx::Tx;
use crate::sql;
use crate::stats::{MAX_GROUP, Stats};

/// How long a group may gather work before it commits.
const MAX_WORK: Duration = Duration::from_millis(2);
/// After so long without work, what is in the write-ahead log is moved into the database.
const IDLE: Duration = Duration::from_millis(200);
/// Pages in the write-ahead log from which on the checkpointer is called.
const CHECKPOINT_PAGES: i32 = 250;
/// Pages from which on the writer itself finishes the checkpoint, so that the log starts over.
const RESTART_PAGES: i32 = 2_000;

/// A piece of work for the writer. It may run again: a group that fails is undone and its
/// commands run one by one.
trait Command: Send {
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), Failure>;
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
}

struct Job<T, F> {
    work: F,
    result: Option<T>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Command for Job<T, F>
where
    T: Send,
    F: FnMut(&Tx<'_>) -> Result<T, Failure> + Send,
{
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), Failure> {
        // What decides is not the store's code; its panic must not take the writer with it.
        let work = &mut self.work;
        let result = catch_unwind(AssertUnwindSafe(|| work(tx)))
            .unwrap_or_else(|_| Err(refused("a command panicked")))?;
        self.result = Some(result);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let Self {
            work,
            result,
            answer,
        } = *self;
        // Whatever the work shares with its caller is the caller's alone from here on.
        drop(work);
        let value = outcome.and_then(|()| result.ok_or(StoreError::Closed));
        // A caller that has gone is not told; what it asked for is done all the same.
        let _ = answer.send(value);
    }
}

type Waiting = Box<dyn Command>;

/// The way to the writer.
pub(crate) struct WriterHandle {
    queue: Arc<Queue<Waiting>>,
    stats: Arc<Stats>,
}

impl WriterHandle {
    /// Runs `work` in a group and returns what it made once that is durable.
    ///
    /// The command is in the queue when this first returns control: a caller that goes away does
    /// not take it back.
    pub(crate) async fn submit<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Tx<'_>) -> Result<T, Failure> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Job {
            work,
            result: None,
            answer,
        };
        self.stats.queued();
        if let Err(not_taken) = self.queue.push(Box::new(job)) {
            self.stats.taken(1);
            return Err(match not_taken {
                NotTaken::Full => StoreError::Overloaded,
                NotTaken::Closed => StoreError::Closed,
            });
        }
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Lets the writer finish what is queued, and then end.
    pub(crate) fn stop(&self) {
        self.queue.stop();
    }
}

/// The writer's thread.
pub(crate) struct Writer {
    connection: Connection,
    groups: Groups,
}

/// What the writer knows of its queue and its log.
struct Groups {
    queue: Arc<Queue<Waiting>>,
    /// Taken from the queue, not yet run.
    taken: VecDeque<Waiting>,
    /// How far the tables are that are filled behind the decisions; none: nobody fills any.
    indexer: Option<Indexer>,
    /// How long the last commit took.
    commit_took: Duration,
    stats: Arc<Stats>,
    checkpointer: Checkpointer,
    failed: watch::Sender<bool>,
    commit: fn(&Tx<'_>) -> Result<(), Failure>,
    wal_pages: Arc<AtomicI32>,
    /// Pages in the log when the checkpointer was last called.
    called_at: i32,
    /// Pages in the log when the writer last checkpointed by itself.
    tried_at: i32,
}

/// Why a group was not committed.
enum Undone {
    /// The command at this place, or the transaction itself.
    Failed(Failure),
    /// Nobody knows what is on the disk.
    Sync,
}

fn commit(tx: &Tx<'_>) -> Result<(), Failure> {
    tx.execute_kept(sql::COMMIT, []).map(|_| ())
}

impl Writer {
    /// A writer on this connection and the way to it, with room for `limit` waiting commands, which
    /// these threads bring.
    pub(crate) fn new(
        mut connection: Connection,
        limit: usize,
        bringers: Arc<Bringers>,
        checkpointer: Checkpointer,
        failed: watch::Sender<bool>,
    ) -> rusqlite::Result<(Self, WriterHandle, Arc<Stats>)> {
        let queue = Queue::new(limit, bringers);
        let stats = Arc::new(Stats::new());
        let wal_pages = Arc::new(AtomicI32::new(0));
        let pages = Arc::clone(&wal_pages);
        // Also switches SQLite's own checkpoint at every thousandth page off.
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, count| {
            pages.store(count, Ordering::Relaxed);
            Ok(())
        }))?;
        let writer = Self {
            connection,
            groups: Groups {
                queue: Arc::clone(&queue),
                taken: VecDeque::with_capacity(MAX_GROUP),
                indexer: None,
                commit_took: Duration::ZERO,
                stats: Arc::clone(&stats),
                checkpointer,
                failed,
                commit,
                wal_pages,
                called_at: 0,
                tried_at: 0,
            },
        };
        let handle = WriterHandle {
            queue,
            stats: Arc::clone(&stats),
        };
        Ok((writer, handle, stats))
    }

    /// Lets the writer fill the tables that find receipts by agent and by instance.
    pub(crate) fn with_indexer(mut self) -> rusqlite::Result<Self> {
        self.groups.indexer = Some(Indexer::open(&self.connection)?);
        Ok(self)
    }

    /// Works until it is stopped or a sync fails.
    pub(crate) fn run(self) {
        go_first();
        self.groups.run(&Tx::new(&self.connection));
    }
}

/// However the writer ends, nobody waits for it in vain: what is dropped here tells its caller.
impl Drop for Groups {
    fn drop(&mut self) {
        drop(self.queue.close());
    }
}

/// Everybody waits for this thread: where the system lets it, it comes before those that wait. Only
/// a privileged process, or one whose limit on niceness says so, may ask for that; for any other
/// nothing changes.
fn go_first() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, -10) {
        tracing::debug!("the store's writer runs with the priority of all: {error}");
    }
}

impl Groups {
    fn run(mut self, tx: &Tx<'_>) {
        let mut group = Vec::with_capacity(MAX_GROUP);
        while let Some(first) = self.wait(tx) {
            group.push(first);
            // The checkpointer's syncs count as well.
            let sound = !*self.failed.borrow() && self.work(tx, &mut group);
            if !sound {
                self.give_up(group);
                return;
            }
            self.bound_log(tx);
        }
        if let Err(error) = tx.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::TRUNCATE) {
            tracing::warn!("the write-ahead log was left for the next start: {error}");
        }
    }

    /// Tells everybody who waits; who comes later finds the queue closed.
    fn give_up(mut self, group: Vec<Waiting>) {
        let left = self.queue.close();
        self.stats.taken(left.len());
        for command in group.into_iter().chain(self.taken.drain(..)).chain(left) {
            command.answer(Err(StoreError::Closed));
        }
        self.failed.send_replace(true);
    }

    /// The next command to begin a group with; none once it is time to end.
    fn wait(&mut self, tx: &Tx<'_>) -> Option<Waiting> {
        loop {
            if let Some(first) = self.taken.pop_front() {
                return Some(first);
            }
            let idle = (self.wal_pages.load(Ordering::Relaxed) > 0).then_some(IDLE);
            match self.queue.wait(idle, self.commit_took) {
                Waited::Ready => self.take(MAX_GROUP),
                Waited::Idle if self.index_rest(tx) => {}
                Waited::Idle => {
                    self.wal_pages.store(0, Ordering::Relaxed);
                    self.checkpointer.call();
                }
                Waited::Stopped => return None,
            }
        }
    }

    fn take(&mut self, most: usize) {
        let count = self.queue.take(&mut self.taken, most);
        self.stats.taken(count);
    }

    /// Commits one group and answers it. False: the store must not go on.
    fn work(&mut self, tx: &Tx<'_>, group: &mut Vec<Waiting>) -> bool {
        match self.try_group(tx, group) {
            Ok(()) => {
                self.stats.committed(group.len());
                for command in group.drain(..) {
                    command.answer(Ok(()));
                }
                true
            }
            Err(Undone::Sync) => {
                for command in group.drain(..) {
                    command.answer(Err(StoreError::Closed));
                }
                false
            }
            Err(Undone::Failed(failure)) => match group.pop() {
                Some(command) if group.is_empty() => {
                    command.answer(Err(failure.into()));
                    true
                }
                last => {
                    group.extend(last);
                    self.one_by_one(tx, group)
                }
            },
        }
    }

    /// Runs each command of a failed group in a transaction of its own: a poisoned one falls alone.
    fn one_by_one(&mut self, tx: &Tx<'_>, group: &mut Vec<Waiting>) -> bool {
        let mut sound = true;
        for mut command in group.drain(..) {
            let outcome = if sound {
                self.try_one(tx, &mut command)
            } else {
                Err(Undone::Sync)
            };
            command.answer(match outcome {
                Ok(()) => {
                    self.stats.committed(1);
                    Ok(())
                }
                Err(Undone::Failed(failure)) => Err(failure.into()),
                Err(Undone::Sync) => {
                    sound = false;
                    Err(StoreError::Closed)
                }
            });
        }
        sound
    }

    /// One transaction for one command.
    fn try_one(&mut self, tx: &Tx<'_>, command: &mut Waiting) -> Result<(), Undone> {
        let done = Self::begin(tx).and_then(|()| {
            command.run(tx).map_err(Undone::Failed)?;
            self.commit(tx)
        });
        Self::undo(tx, done)
    }

    /// One transaction for the first of a group and those that wait, until none does, or the group
    /// is full, or it has worked long enough.
    fn try_group(&mut self, tx: &Tx<'_>, group: &mut Vec<Waiting>) -> Result<(), Undone> {
        let started = Instant::now();
        let done = Self::begin(tx).and_then(|()| {
            for command in group.iter_mut() {
                command.run(tx).map_err(Undone::Failed)?;
            }
            while group.len() < MAX_GROUP && started.elapsed() < MAX_WORK {
                if self.taken.is_empty() {
                    self.take(MAX_GROUP - group.len());
                }
                let Some(mut command) = self.taken.pop_front() else {
                    break;
                };
                let ran = command.run(tx);
                group.push(command);
                ran.map_err(Undone::Failed)?;
            }
            let indexer = self.indexer.map(|indexer| indexer.step(tx, When::Busy));
            let indexer = indexer.transpose().map_err(Undone::Failed)?;
            let committing = Instant::now();
            self.commit(tx)?;
            self.commit_took = committing.elapsed();
            self.indexer = indexer;
            Ok(())
        });
        Self::undo(tx, done)
    }

    /// On an idle store: indexes what is left, a batch at a time. Whether there was anything.
    fn index_rest(&mut self, tx: &Tx<'_>) -> bool {
        let Some(indexer) = self.indexer else {
            return false;
        };
        match indexer.is_behind(tx) {
            Ok(true) => {}
            Ok(false) => return false,
            Err(failure) => {
                tracing::warn!(
                    "receipts could not be indexed: {}",
                    StoreError::from(failure)
                );
                return false;
            }
        }
        let done = Self::begin(tx).and_then(|()| {
            let stepped = indexer.step(tx, When::Idle).map_err(Undone::Failed)?;
            self.commit(tx)?;
            self.indexer = Some(stepped);
            Ok(())
        });
        match Self::undo(tx, done) {
            Ok(()) => true,
            // Lists find it all the same; tried again when the store is idle again.
            Err(Undone::Failed(failure)) => {
                tracing::warn!(
                    "receipts could not be indexed: {}",
                    StoreError::from(failure)
                );
                false
            }
            Err(Undone::Sync) => {
                self.failed.send_replace(true);
                false
            }
        }
    }

    fn begin(tx: &Tx<'_>) -> Result<(), Undone> {
        tx.execute_kept(sql::BEGIN, [])
            .map(|_| ())
            .map_err(Undone::Failed)
    }

    /// A crash before this returns may or may not have stored the group: nobody was answered, and
    /// whoever asks again with the same key is told.
    fn commit(&self, tx: &Tx<'_>) -> Result<(), Undone> {
        (self.commit)(tx).map_err(|failure| match failure {
            Failure::Sql(error) if is_sync_failure(&error) => {
                tracing::error!("a sync failed, nothing more is written: {error}");
                Undone::Sync
            }
            failure => Undone::Failed(failure),
        })
    }

    /// Rolls back what failed, as far as SQLite has not done so itself.
    fn undo(tx: &Tx<'_>, done: Result<(), Undone>) -> Result<(), Undone> {
        if matches!(done, Err(Undone::Failed(_)))
            && !tx.is_autocommit()
            && let Err(error) = tx.execute_batch("ROLLBACK")
        {
            tracing::error!("a group could not be rolled back: {error}");
            return Err(Undone::Sync);
        }
        done
    }

    /// Keeps the write-ahead log from growing without end.
    fn bound_log(&mut self, tx: &Tx<'_>) {
        let pages = self.wal_pages.load(Ordering::Relaxed);
        if pages < self.called_at {
            // The log has started over.
            self.called_at = 0;
            self.tried_at = 0;
        }
        // The checkpointer runs behind the writer and never quite catches up under load; the few
        // pages that are left are done here, after which the log starts over. A reader in the way
        // makes this fall short: tried again only after more has been written.
        if pages >= RESTART_PAGES {
            if pages < self.tried_at.saturating_add(CHECKPOINT_PAGES) {
                return;
            }
            match tx.wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE) {
                Ok(_) => self.tried_at = pages,
                // The checkpointer is at it: after the next group.
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {}
                Err(error) if is_sync_failure(&error) => {
                    tracing::error!("a sync failed during a checkpoint: {error}");
                    self.failed.send_replace(true);
                }
                Err(error) => {
                    self.tried_at = pages;
                    tracing::warn!("a checkpoint failed: {error}");
                }
            }
        } else if pages >= self.called_at.saturating_add(CHECKPOINT_PAGES) {
            self.called_at = pages;
            self.checkpointer.call();
        }
    }
}

#[cfg(test)]
mod tests;
