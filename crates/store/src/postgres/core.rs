//! What the store's thread works with: connections, and transactions on them.

use std::sync::Arc;
use std::time::Duration;

use relynt_domain::OrganizationId;
use relynt_gateway::ports::StoreError;
use tokio_postgres::Row;

use super::failure::Failure;
use super::migrate;
use super::open::{Connector, PostgresError};
use super::pool::{Pool, Taken};
use super::session::{Ask, Kind, Session};
use super::write;
use crate::stats::Stats;

/// How often a transaction that met others runs again.
const ATTEMPTS: u32 = 8;

pub(super) struct Core {
    pool: Pool,
    stats: Arc<Stats>,
}

impl Core {
    pub(super) fn new(
        connector: Connector,
        connections: usize,
        patience: Duration,
        stats: Arc<Stats>,
    ) -> Self {
        Self {
            pool: Pool::new(connector, connections, patience),
            stats,
        }
    }

    pub(super) async fn check_schema(&self) -> Result<(), PostgresError> {
        let session = self.pool.take().await.map_err(StoreError::from)?;
        migrate::check(&session).await?;
        session.give_back();
        Ok(())
    }

    /// One transaction that writes what belongs to these organizations. `work` may run again, on
    /// another connection: nothing of an earlier run was committed then.
    pub(super) async fn write<T>(
        &self,
        organizations: &[OrganizationId],
        work: impl AsyncFn(&Session) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut lost = false;
        let mut met = 0;
        loop {
            let session = self.take(lost).await?;
            let done = async {
                session
                    .begin(Kind::Write, organizations, Vec::new())
                    .await?;
                let result = work(&session).await?;
                session.commit(Vec::new()).await?;
                Ok(result)
            };
            match done.await {
                Ok(result) => {
                    session.give_back();
                    self.stats.committed(1);
                    return Ok(result);
                }
                // The server has gone or thrown the connection out, before the commit.
                Err(failure @ Failure::Sql(_)) if failure.breaks() && !lost => lost = true,
                Err(failure) if failure.breaks() => return Err(failure),
                Err(failure) => {
                    if session.undo().await {
                        session.give_back();
                    }
                    met += 1;
                    if !failure.is_conflict() || met == ATTEMPTS {
                        return Err(failure);
                    }
                }
            }
        }
    }

    /// As [`write`](Self::write) for one organization; where it is not known whether that was
    /// committed, `found` looks for what it would have left.
    ///
    /// That it is there proves the commit, and the commit of the transaction that has found it
    /// makes sure of it: it holds a lock, so it waits for whatever a commit has to wait for. That
    /// it is not there proves nothing while the lost connection may still be at it.
    pub(super) async fn write_once<T>(
        &self,
        organization: OrganizationId,
        work: impl AsyncFn(&Session) -> Result<T, Failure>,
        found: impl AsyncFn(&Session) -> Result<Option<T>, Failure>,
    ) -> Result<T, Failure> {
        let organizations = [organization];
        let unknown = match self.write(&organizations, work).await {
            Err(unknown @ Failure::Unknown(_)) => unknown,
            other => return other,
        };
        tracing::warn!("a commit was lost: looking whether it was stored");
        let looked = self
            .write(&organizations, async |tx| {
                write::change_number(tx, organization).await?;
                found(tx).await
            })
            .await;
        match looked? {
            Some(result) => Ok(result),
            None => Err(unknown),
        }
    }

    /// Reads what belongs to these organizations; all statements see the same. The rows of each.
    pub(super) async fn read(
        &self,
        organizations: &[OrganizationId],
        asks: &[Ask<'_>],
    ) -> Result<Vec<Vec<Row>>, Failure> {
        self.reading(async |session| session.read(organizations, asks.to_vec()).await)
            .await
    }

    /// Every row of one statement about one organization.
    pub(super) async fn all(
        &self,
        organization: OrganizationId,
        ask: Ask<'_>,
    ) -> Result<Vec<Row>, Failure> {
        let mut rows = self.read(&[organization], &[ask]).await?;
        Ok(rows.pop().unwrap_or_default())
    }

    /// The first row of one statement about one organization, if there is one.
    pub(super) async fn first(
        &self,
        organization: OrganizationId,
        ask: Ask<'_>,
    ) -> Result<Option<Row>, Failure> {
        Ok(self.all(organization, ask).await?.into_iter().next())
    }

    /// Reads what must be found before the organization is known.
    pub(super) async fn look_up(&self, ask: Ask<'_>) -> Result<Vec<Row>, Failure> {
        self.reading(async |session| session.look_up(ask.clone()).await)
            .await
    }

    async fn reading<T>(
        &self,
        work: impl AsyncFn(&Session) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut lost = false;
        loop {
            let session = self.take(lost).await?;
            match work(&session).await {
                Ok(result) => {
                    session.give_back();
                    return Ok(result);
                }
                Err(failure @ Failure::Sql(_)) if failure.breaks() && !lost => lost = true,
                Err(failure) if failure.breaks() => return Err(failure),
                Err(failure) => {
                    // The commit that was sent behind the failed statement has ended its
                    // transaction.
                    session.give_back();
                    return Err(failure);
                }
            }
        }
    }

    async fn take(&self, lost: bool) -> Result<Taken, Failure> {
        if lost {
            self.pool.take_new().await
        } else {
            self.pool.take().await
        }
    }
}
