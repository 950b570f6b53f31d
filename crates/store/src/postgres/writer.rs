//! Decisions on their way into the database: whatever waits is one transaction.
//!
//! No timer: a lone decision is committed at once, and while one group commits the next one
//! gathers by itself. Nobody is answered before the commit.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use relynt_gateway::ports::{Entropy, StoreError};
use tokio::sync::{mpsc, oneshot, watch};

use super::decision::{Decision, Outcome, record};
use super::failure::Failure;
use super::open::Connector;
use super::pool::Pool;
use crate::stats::{MAX_GROUP, Stats};

/// How often a group that met another transaction, or lost its connection, runs again.
const ATTEMPTS: u32 = 4;
/// Sealed bytes of the requests of one group.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// A decision and who waits for it.
pub(super) struct Command {
    pub(super) decision: Decision,
    pub(super) answer: oneshot::Sender<Result<Outcome, StoreError>>,
}

impl Command {
    fn bytes(&self) -> usize {
        self.decision.sealed.body.len()
    }

    fn answer(self, outcome: Result<Outcome, StoreError>) {
        let Self { decision, answer } = self;
        // Whatever it shares with its caller is the caller's alone from here on.
        drop(decision);
        // A caller that has gone is not told; what it asked for is done all the same.
        let _ = answer.send(outcome);
    }
}

pub(super) struct Writer {
    pool: Pool,
    entropy: Arc<dyn Entropy>,
    stats: Arc<Stats>,
    /// Whether the connection that is used next has to be a new one.
    lost: Cell<bool>,
}

/// Commands that are to be one transaction.
struct Group {
    commands: Vec<Command>,
    /// How often they have been tried together.
    tried: u32,
}

impl Writer {
    pub(super) fn new(
        connector: Connector,
        patience: Duration,
        entropy: Arc<dyn Entropy>,
        stats: Arc<Stats>,
    ) -> Self {
        Self {
            pool: Pool::new(connector, 1, patience),
            entropy,
            stats,
            lost: Cell::new(false),
        }
    }

    /// Works until it is stopped and nobody waits.
    pub(super) async fn run(
        self,
        mut waiting: mpsc::Receiver<Command>,
        mut stopped: watch::Receiver<bool>,
    ) {
        let mut deferred = Vec::new();
        loop {
            let mut commands = std::mem::take(&mut deferred);
            if commands.is_empty() {
                let first = tokio::select! {
                    first = waiting.recv() => first,
                    _ = stopped.wait_for(|stopped| *stopped) => {
                        waiting.close();
                        waiting.recv().await
                    }
                };
                let Some(first) = first else { return };
                self.stats.taken(1);
                commands.push(first);
            }
            let mut bytes: usize = commands.iter().map(Command::bytes).sum();
            while commands.len() < MAX_GROUP
                && bytes < MAX_BYTES
                && let Ok(next) = waiting.try_recv()
            {
                self.stats.taken(1);
                bytes += next.bytes();
                commands.push(next);
            }
            deferred = self.work(commands).await;
        }
    }

    /// Commits a group and answers it; those that have to wait for what it has done.
    async fn work(&self, commands: Vec<Command>) -> Vec<Command> {
        let mut deferred = Vec::new();
        let mut groups = vec![Group { commands, tried: 0 }];
        while let Some(mut group) = groups.pop() {
            match self.attempt(&mut group).await {
                Ok(outcomes) => {
                    let done = outcomes.iter().flatten().count();
                    self.stats.committed(done);
                    for (command, outcome) in group.commands.into_iter().zip(outcomes) {
                        match outcome {
                            Some(outcome) => command.answer(Ok(outcome)),
                            None => deferred.push(command),
                        }
                    }
                }
                Err(Missed::Again) if group.tried < ATTEMPTS => groups.push(group),
                Err(Missed::Again) => refuse(group, || {
                    StoreError::Database("the database is too busy".to_owned())
                }),
                Err(Missed::Failed(failure)) if group.commands.len() == 1 => {
                    let mut failure = Some(failure);
                    for command in group.commands {
                        let failure = failure.take().map(StoreError::from);
                        command.answer(Err(failure.unwrap_or(StoreError::Closed)));
                    }
                }
                // One by one: a poisoned one falls alone.
                Err(Missed::Failed(_)) => {
                    let single = |command| Group {
                        commands: vec![command],
                        tried: 0,
                    };
                    groups.extend(group.commands.into_iter().rev().map(single));
                }
                // The others would fare no better, and each would take its time to find out.
                Err(Missed::Gone(failure)) => {
                    let said = StoreError::from(failure).to_string();
                    let gone = || StoreError::Database(said.clone());
                    refuse(group, gone);
                    for group in groups.drain(..) {
                        refuse(group, gone);
                    }
                }
            }
        }
        deferred
    }

    async fn attempt(&self, group: &mut Group) -> Result<Vec<Option<Outcome>>, Missed> {
        group.tried += 1;
        let taken = if self.lost.replace(false) {
            self.pool.take_new().await
        } else {
            self.pool.take().await
        };
        let session = taken.map_err(Missed::Gone)?;
        match record(&session, &mut group.commands, &*self.entropy).await {
            Ok(outcomes) => {
                session.give_back();
                Ok(outcomes)
            }
            // What is not known is asked again, under the same ids: a call that has the receipt
            // that this process has chosen for it was committed after all, and the commit of the
            // transaction that finds it makes sure of it.
            Err(Failure::Unknown(why)) => {
                tracing::warn!("{why}: looking whether the group was stored");
                self.lost.set(true);
                if group.tried < ATTEMPTS {
                    Err(Missed::Again)
                } else {
                    Err(Missed::Gone(Failure::Unknown(why)))
                }
            }
            Err(failure @ Failure::Sql(_)) if failure.breaks() && group.tried == 1 => {
                self.lost.set(true);
                Err(Missed::Again)
            }
            Err(failure) if failure.breaks() => {
                self.lost.set(true);
                Err(Missed::Gone(failure))
            }
            Err(failure) => {
                if session.undo().await {
                    session.give_back();
                }
                Err(if failure.is_slow() {
                    Missed::Gone(failure)
                } else if failure.is_conflict() {
                    Missed::Again
                } else {
                    Missed::Failed(failure)
                })
            }
        }
    }
}

/// Why a group was not committed.
enum Missed {
    /// It may well be at the next attempt.
    Again,
    /// One of its commands, which one is not known.
    Failed(Failure),
    /// There is no database to speak of.
    Gone(Failure),
}

fn refuse(group: Group, why: impl Fn() -> StoreError) {
    for command in group.commands {
        command.answer(Err(why()));
    }
}
