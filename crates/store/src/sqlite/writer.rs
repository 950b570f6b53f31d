//! The one thread that writes: whatever waits is committed as one group.
//!
//! No timer: a lone command is committed at once, and while one group syncs the next one gathers
//! by itself. Nobody is answered before COMMIT has returned.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError};
use std::time::{Duration, Instant};

use relynt_gateway::ports::StoreError;
use rusqlite::wal::CheckpointMode;
use rusqlite::{Connection, ErrorCode, MAIN_DB};
use tokio::sync::{oneshot, watch};

use super::checkpoint::Checkpointer;
use super::failure::{Failure, is_sync_failure, refused};
use crate::stats::{MAX_GROUP, Stats};

/// How long a group may gather work before it commits.
const MAX_WORK: Duration = Duration::from_millis(2);
/// After so long without work, what is in the write-ahead log is moved into the database.
const IDLE: Duration = Duration::from_millis(200);
/// Pages in the write-ahead log from which on the checkpointer is called.
const CHECKPOINT_PAGES: i32 = 1_000;
/// Pages from which on the writer itself finishes the checkpoint, so that the log starts over.
const RESTART_PAGES: i32 = 4_000;

/// A piece of work for the writer. It may run again: a group that fails is undone and its
/// commands run one by one.
trait Command: Send {
    fn run(&mut self, connection: &Connection) -> Result<(), Failure>;
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
    F: FnMut(&Connection) -> Result<T, Failure> + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), Failure> {
        // What decides is not the store's code; its panic must not take the writer with it.
        let work = &mut self.work;
        let result = catch_unwind(AssertUnwindSafe(|| work(connection)))
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

enum Message {
    Run(Box<dyn Command>),
    Stop,
}

/// The way to the writer.
pub(crate) struct WriterHandle {
    sender: SyncSender<Message>,
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
        F: FnMut(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = Job {
            work,
            result: None,
            answer,
        };
        self.stats.queued();
        if let Err(error) = self.sender.try_send(Message::Run(Box::new(job))) {
            self.stats.taken();
            return Err(match error {
                TrySendError::Full(_) => StoreError::Overloaded,
                TrySendError::Disconnected(_) => StoreError::Closed,
            });
        }
        answered.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Lets the writer finish what is queued, and then end.
    pub(crate) fn stop(&self) {
        // Already gone is stopped too.
        let _ = self.sender.send(Message::Stop);
    }
}

/// The writer's thread.
pub(crate) struct Writer {
    connection: Connection,
    receiver: Receiver<Message>,
    stats: Arc<Stats>,
    checkpointer: Checkpointer,
    failed: watch::Sender<bool>,
    commit: fn(&Connection) -> rusqlite::Result<()>,
    wal_pages: Arc<AtomicI32>,
    /// Pages in the log when the checkpointer was last called.
    called_at: i32,
    /// Pages in the log when the writer last checkpointed by itself.
    tried_at: i32,
    stopping: bool,
}

/// Why a group was not committed.
enum Undone {
    /// The command at this place, or the transaction itself.
    Failed(Failure),
    /// Nobody knows what is on the disk.
    Sync,
}

fn commit(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .prepare_cached("COMMIT")?
        .raw_execute()
        .map(|_| ())
}

impl Writer {
    /// A writer on this connection and the way to it, with room for `limit` waiting commands.
    pub(crate) fn new(
        mut connection: Connection,
        limit: usize,
        checkpointer: Checkpointer,
        failed: watch::Sender<bool>,
    ) -> rusqlite::Result<(Self, WriterHandle, Arc<Stats>)> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(limit);
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
            receiver,
            stats: Arc::clone(&stats),
            checkpointer,
            failed,
            commit,
            wal_pages,
            called_at: 0,
            tried_at: 0,
            stopping: false,
        };
        let handle = WriterHandle {
            sender,
            stats: Arc::clone(&stats),
        };
        Ok((writer, handle, stats))
    }

    /// Works until it is stopped or a sync fails.
    pub(crate) fn run(mut self) {
        let mut group = Vec::with_capacity(MAX_GROUP);
        while let Some(first) = self.next() {
            group.push(first);
            // The checkpointer's syncs count as well.
            let sound = !*self.failed.borrow() && self.work(&mut group);
            if !sound {
                self.give_up(group);
                return;
            }
            self.bound_log();
        }
        if let Err(error) = self
            .connection
            .wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::TRUNCATE)
        {
            tracing::warn!("the write-ahead log was left for the next start: {error}");
        }
    }

    /// Tells everybody who waits; who comes later finds the channel closed.
    fn give_up(self, group: Vec<Box<dyn Command>>) {
        for command in group {
            command.answer(Err(StoreError::Closed));
        }
        while let Ok(message) = self.receiver.try_recv() {
            if let Message::Run(command) = message {
                self.stats.taken();
                command.answer(Err(StoreError::Closed));
            }
        }
        self.failed.send_replace(true);
    }

    /// The next command to begin a group with; none once it is time to end.
    fn next(&mut self) -> Option<Box<dyn Command>> {
        loop {
            let message = if self.stopping {
                self.receiver.try_recv().ok()?
            } else if self.wal_pages.load(Ordering::Relaxed) > 0 {
                match self.receiver.recv_timeout(IDLE) {
                    Ok(message) => message,
                    Err(RecvTimeoutError::Timeout) => {
                        self.wal_pages.store(0, Ordering::Relaxed);
                        self.checkpointer.call();
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => return None,
                }
            } else {
                self.receiver.recv().ok()?
            };
            match message {
                Message::Run(command) => {
                    self.stats.taken();
                    return Some(command);
                }
                Message::Stop => self.stopping = true,
            }
        }
    }

    /// Commits one group and answers it. False: the store must not go on.
    fn work(&mut self, group: &mut Vec<Box<dyn Command>>) -> bool {
        match self.try_group(group) {
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
                    self.one_by_one(group)
                }
            },
        }
    }

    /// Runs each command of a failed group in a transaction of its own: a poisoned one falls alone.
    fn one_by_one(&mut self, group: &mut Vec<Box<dyn Command>>) -> bool {
        let mut sound = true;
        for mut command in group.drain(..) {
            let outcome = if sound {
                self.try_one(&mut command)
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
    fn try_one(&mut self, command: &mut Box<dyn Command>) -> Result<(), Undone> {
        let done = self.begin().and_then(|()| {
            command.run(&self.connection).map_err(Undone::Failed)?;
            self.commit()
        });
        self.undo(done)
    }

    /// One transaction: the commands of `group` and those that wait.
    fn try_group(&mut self, group: &mut Vec<Box<dyn Command>>) -> Result<(), Undone> {
        let done = self.begin().and_then(|()| {
            for command in group.iter_mut() {
                command.run(&self.connection).map_err(Undone::Failed)?;
            }
            self.gather(group)?;
            self.commit()
        });
        self.undo(done)
    }

    /// Runs those that wait, until none does, or the group is full, or it has worked long enough.
    fn gather(&mut self, group: &mut Vec<Box<dyn Command>>) -> Result<(), Undone> {
        let started = Instant::now();
        while group.len() < MAX_GROUP && started.elapsed() < MAX_WORK {
            match self.receiver.try_recv() {
                Ok(Message::Run(mut command)) => {
                    self.stats.taken();
                    let ran = command.run(&self.connection);
                    group.push(command);
                    ran.map_err(Undone::Failed)?;
                }
                Ok(Message::Stop) => self.stopping = true,
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            }
        }
        Ok(())
    }

    fn begin(&self) -> Result<(), Undone> {
        let begin = || {
            self.connection
                .prepare_cached("BEGIN IMMEDIATE")?
                .raw_execute()
        };
        begin()
            .map(|_| ())
            .map_err(|error| Undone::Failed(error.into()))
    }

    /// A crash before this returns may or may not have stored the group: nobody was answered, and
    /// whoever asks again with the same key is told.
    fn commit(&self) -> Result<(), Undone> {
        (self.commit)(&self.connection).map_err(|error| {
            if is_sync_failure(&error) {
                tracing::error!("a sync failed, nothing more is written: {error}");
                Undone::Sync
            } else {
                Undone::Failed(error.into())
            }
        })
    }

    /// Rolls back what failed, as far as SQLite has not done so itself.
    fn undo(&self, done: Result<(), Undone>) -> Result<(), Undone> {
        if matches!(done, Err(Undone::Failed(_)))
            && !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!("a group could not be rolled back: {error}");
            return Err(Undone::Sync);
        }
        done
    }

    /// Keeps the write-ahead log from growing without end.
    fn bound_log(&mut self) {
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
            match self
                .connection
                .wal_checkpoint_v2(Some(MAIN_DB), CheckpointMode::PASSIVE)
            {
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
