//! What a command of the writer works with: its connection, inside a transaction.

use std::cell::RefCell;
use std::ops::Deref;

use rusqlite::{Connection, Params, Row, Statement};

use super::failure::Failure;

/// The writer's connection, with the statements of the hot path kept prepared.
///
/// The connection's own cache hashes a statement's text twice and gives its bound values' memory
/// back whenever it is used; a statement that is kept here does neither. Everything else goes
/// through the connection.
pub(crate) struct Tx<'c> {
    connection: &'c Connection,
    kept: RefCell<Vec<Kept<'c>>>,
}

/// A prepared statement and the text it is found by. Absent while it runs.
struct Kept<'c> {
    sql: &'static str,
    statement: Option<Statement<'c>>,
}

impl Deref for Tx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl<'c> Tx<'c> {
    pub(crate) const fn new(connection: &'c Connection) -> Self {
        Self {
            connection,
            kept: RefCell::new(Vec::new()),
        }
    }

    /// Runs a statement that is kept from now on; the number of rows that it changed.
    pub(crate) fn execute_kept(
        &self,
        sql: &'static str,
        params: impl Params,
    ) -> Result<usize, Failure> {
        self.with(sql, |statement| Ok(statement.execute(params)?))
    }

    /// The first row of a statement that is kept from now on, if there is one.
    pub(crate) fn first_kept<T>(
        &self,
        sql: &'static str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, Failure>,
    ) -> Result<Option<T>, Failure> {
        self.with(sql, |statement| {
            let mut rows = statement.query(params)?;
            rows.next()?.map(read).transpose()
        })
    }

    fn with<T>(
        &self,
        sql: &'static str,
        run: impl FnOnce(&mut Statement<'c>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let found = self
            .kept
            .borrow_mut()
            .iter_mut()
            // The same text at another address would only be prepared a second time.
            .find(|kept| std::ptr::eq(kept.sql, sql))
            .and_then(|kept| kept.statement.take());
        let mut statement = match found {
            Some(statement) => statement,
            None => self.connection.prepare(sql)?,
        };
        let result = run(&mut statement);
        let mut kept = self.kept.borrow_mut();
        match kept.iter_mut().find(|kept| std::ptr::eq(kept.sql, sql)) {
            Some(kept) => kept.statement = Some(statement),
            None => kept.push(Kept {
                sql,
                statement: Some(statement),
            }),
        }
        result
    }
}
