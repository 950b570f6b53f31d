//! One connection, with what was prepared on it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use relynt_domain::OrganizationId;
use tokio::task::AbortHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, Client, Config, Row, Socket, Statement};

use super::failure::Failure;
use super::sql;
use super::values::Param;

/// What a schema is changed with: as whoever logs in, for as long as it takes.
pub(super) const AS_OWNER: &str = "SET lock_timeout = 5000; SET search_path = public, pg_catalog";

/// What every other connection begins with. Whoever logs in acts as the application from here on. A
/// statement is ended by the server only long after its caller has given up and dropped the
/// connection: until then nothing is ever cancelled, so that no commit can be half a commit.
pub(super) const AS_APPLICATION: &str = "SET ROLE relynt_application;
    SET statement_timeout = 30000;
    SET lock_timeout = 2000;
    SET idle_in_transaction_session_timeout = 10000;
    SET client_min_messages = warning;
    SET search_path = public, pg_catalog";

/// A connection. Closed when dropped, whatever it is doing.
pub(super) struct Session {
    client: Client,
    statements: RefCell<HashMap<&'static str, Statement>>,
    /// Whether the server has given notice since this was last cleared.
    warned: Rc<Cell<bool>>,
    deadline: Duration,
    driver: AbortHandle,
}

impl Drop for Session {
    fn drop(&mut self) {
        // Otherwise it would go on waiting for what was asked.
        self.driver.abort();
    }
}

impl Session {
    /// Connects; must be called inside a `LocalSet`.
    pub(super) async fn connect<T>(
        config: &Config,
        tls: T,
        beginning: &str,
        deadline: Duration,
    ) -> Result<Self, Failure>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: 'static,
    {
        // Rare and large: kept out of the futures that wait for it.
        let connecting = Box::pin(config.connect(tls));
        let (client, mut connection) = within(deadline, async { Ok(connecting.await?) }).await?;
        let warned = Rc::new(Cell::new(false));
        let notice = Rc::clone(&warned);
        let driver = tokio::task::spawn_local(async move {
            while let Some(Ok(message)) =
                std::future::poll_fn(|context| connection.poll_message(context)).await
            {
                if let AsyncMessage::Notice(said) = message
                    && *said.code() == SqlState::WARNING
                {
                    notice.set(true);
                }
            }
        });
        let session = Self {
            client,
            statements: RefCell::new(HashMap::new()),
            warned,
            deadline,
            driver: driver.abort_handle(),
        };
        session.batch(beginning).await?;
        Ok(session)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Statements without parameters.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), Failure> {
        within(self.deadline, async {
            Ok(self.client.batch_execute(sql).await?)
        })
        .await
    }

    /// Prepared once for each connection.
    pub(super) async fn prepare(&self, sql: &'static str) -> Result<Statement, Failure> {
        if let Some(statement) = self.statements.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let preparing = self.client.prepare(sql);
        let statement = within(self.deadline, async { Ok(preparing.await?) }).await?;
        self.statements.borrow_mut().insert(sql, statement.clone());
        Ok(statement)
    }

    /// Every row of a statement.
    pub(super) async fn all(
        &self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, Failure> {
        let statement = self.prepare(sql).await?;
        within(self.deadline, async {
            Ok(self.client.query(&statement, params).await?)
        })
        .await
    }

    /// The first row of a statement, if there is one.
    pub(super) async fn first(
        &self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<Option<Row>, Failure> {
        Ok(self.all(sql, params).await?.into_iter().next())
    }

    /// Runs a statement; the number of rows that it changed.
    pub(super) async fn execute(
        &self,
        sql: &'static str,
        params: &[Param<'_>],
    ) -> Result<u64, Failure> {
        let statement = self.prepare(sql).await?;
        within(self.deadline, async {
            Ok(self.client.execute(&statement, params).await?)
        })
        .await
    }

    /// Begins a transaction that may see and touch what belongs to these organizations, and runs
    /// its first statements, all in one turn; the rows of each.
    pub(super) async fn begin(
        &self,
        kind: Kind,
        organizations: &[OrganizationId],
        first: Vec<Ask<'_>>,
    ) -> Result<Vec<Vec<Row>>, Failure> {
        let scope = scope_of(organizations);
        let mut asks = Vec::with_capacity(1 + first.len());
        asks.push(Ask::new(sql::SCOPE, vec![&scope]));
        asks.extend(first);
        let mut rows = self.turn(Some(kind.begin()), asks, None).await?;
        rows.remove(0);
        Ok(rows)
    }

    /// Statements in one turn; the rows of each.
    pub(super) async fn ask(&self, asks: Vec<Ask<'_>>) -> Result<Vec<Vec<Row>>, Failure> {
        self.turn(None, asks, None).await
    }

    /// Reads in a transaction of its own, all in one turn; the rows of each statement.
    pub(super) async fn read(
        &self,
        organizations: &[OrganizationId],
        reads: Vec<Ask<'_>>,
    ) -> Result<Vec<Vec<Row>>, Failure> {
        let scope = scope_of(organizations);
        let mut asks = Vec::with_capacity(1 + reads.len());
        asks.push(Ask::new(sql::SCOPE, vec![&scope]));
        asks.extend(reads);
        let mut rows = self
            .turn(Some(Kind::Snapshot.begin()), asks, Some("COMMIT"))
            .await?;
        rows.remove(0);
        Ok(rows)
    }

    /// Reads what must be found before the organization is known.
    pub(super) async fn look_up(&self, ask: Ask<'_>) -> Result<Vec<Row>, Failure> {
        const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
            SET LOCAL ROLE relynt_lookup";
        let mut rows = self.turn(Some(BEGIN), vec![ask], Some("COMMIT")).await?;
        Ok(rows.pop().unwrap_or_default())
    }

    /// Commits together with the last statements of the transaction, in one turn; the rows of each.
    ///
    /// A crash before this returns may or may not have stored the transaction: nobody was told.
    pub(super) async fn commit(&self, last: Vec<Ask<'_>>) -> Result<Vec<Vec<Row>>, Failure> {
        let statements = self.prepared(&last).await?;
        self.warned.set(false);
        let done = self.send(None, &statements, &last, Some("COMMIT")).await;
        match done {
            // The statement that was sent before, or the commit itself: its answer is missing, and
            // the server may have read both.
            Err(Failure::Late) => Err(Failure::Unknown("the commit took too long")),
            Err(failure) if failure.breaks() => {
                Err(Failure::Unknown("the connection was lost at the commit"))
            }
            // A statement that the server has refused has undone the transaction, whatever was
            // sent behind it.
            Err(failure) => Err(failure),
            // The commit is on this server's disk but the wait for another one was given up.
            Ok(_) if self.warned.get() => Err(Failure::Unknown("the server gave notice")),
            Ok(rows) => Ok(rows),
        }
    }

    async fn turn(
        &self,
        before: Option<&str>,
        asks: Vec<Ask<'_>>,
        after: Option<&str>,
    ) -> Result<Vec<Vec<Row>>, Failure> {
        let statements = self.prepared(&asks).await?;
        self.send(before, &statements, &asks, after).await
    }

    async fn prepared(&self, asks: &[Ask<'_>]) -> Result<Vec<Statement>, Failure> {
        let mut statements = Vec::with_capacity(asks.len());
        for ask in asks {
            statements.push(self.prepare(ask.sql).await?);
        }
        Ok(statements)
    }

    /// Sends everything without waiting in between. The first error in order: what follows it has
    /// only failed because of it.
    async fn send(
        &self,
        before: Option<&str>,
        statements: &[Statement],
        asks: &[Ask<'_>],
        after: Option<&str>,
    ) -> Result<Vec<Vec<Row>>, Failure> {
        let plain = |sql| async move {
            self.client.batch_execute(sql).await?;
            Ok(Vec::new())
        };
        let mut parts: Vec<Part<'_>> = Vec::with_capacity(asks.len() + 2);
        if let Some(sql) = before {
            parts.push(Box::pin(plain(sql)));
        }
        for (statement, ask) in statements.iter().zip(asks) {
            parts.push(Box::pin(async move {
                Ok(self.client.query(statement, &ask.params).await?)
            }));
        }
        if let Some(sql) = after {
            parts.push(Box::pin(plain(sql)));
        }
        let answers = within(self.deadline, async { Ok(in_order(parts).await) }).await?;
        let mut rows = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
        if before.is_some() {
            rows.remove(0);
        }
        if after.is_some() {
            rows.pop();
        }
        Ok(rows)
    }

    /// Undoes the transaction that is open. False: the connection must not be used again.
    pub(super) async fn undo(&self) -> bool {
        self.batch("ROLLBACK").await.is_ok()
    }
}

/// What a transaction is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Write,
    /// Several statements that see the same.
    Snapshot,
}

impl Kind {
    const fn begin(self) -> &'static str {
        match self {
            Self::Write => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
            Self::Snapshot => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }
}

/// The organizations as `relynt.organizations` has them.
pub(super) fn scope_of(organizations: &[OrganizationId]) -> String {
    let texts: Vec<String> = organizations.iter().map(ToString::to_string).collect();
    texts.join(",")
}

/// Gives up after so long; whoever is told must drop the connection.
async fn within<T>(
    deadline: Duration,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::time::timeout(deadline, work)
        .await
        .unwrap_or(Err(Failure::Late))
}

/// A statement with its parameters, to be sent with others.
#[derive(Clone)]
pub(super) struct Ask<'a> {
    sql: &'static str,
    params: Vec<Param<'a>>,
}

impl<'a> Ask<'a> {
    pub(super) const fn new(sql: &'static str, params: Vec<Param<'a>>) -> Self {
        Self { sql, params }
    }
}

type Answer = Result<Vec<Row>, Failure>;
type Part<'a> = Pin<Box<dyn Future<Output = Answer> + 'a>>;

/// Runs all of them at once. Each sends what it has to when it is first looked at, and that is
/// done in order: the server sees them in order.
async fn in_order(mut parts: Vec<Part<'_>>) -> Vec<Answer> {
    let mut answers: Vec<Option<Answer>> = Vec::new();
    answers.resize_with(parts.len(), || None);
    std::future::poll_fn(|context| {
        let mut waits = false;
        for (part, answer) in parts.iter_mut().zip(&mut answers) {
            if answer.is_none() {
                match part.as_mut().poll(context) {
                    Poll::Ready(ready) => *answer = Some(ready),
                    Poll::Pending => waits = true,
                }
            }
        }
        if waits {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
    answers.into_iter().flatten().collect()
}
