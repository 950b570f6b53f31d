//! Filling the tables that find receipts by agent and by instance, behind the decisions.
//!
//! A batch is sorted before it is inserted, so that every page is written once for all its rows.
//! Lists read the tables and what is not in them yet in one statement, so that nothing is missing
//! from them at any time.

use rusqlite::{Connection, params};

use super::failure::Failure;
use super::tx::Tx;
use crate::sql;

/// So many receipts are worth a batch while decisions wait.
const BATCH: i64 = 512;
/// More are never taken at once, so that nobody waits long behind them.
const MOST: i64 = 2_048;

/// How far the tables are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Indexer {
    upto: i64,
}

/// Whether a batch must be worth it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// Decisions wait: only a full batch.
    Busy,
    /// Nobody waits: whatever there is.
    Idle,
}

impl Indexer {
    /// As far as the store says.
    pub(crate) fn open(connection: &Connection) -> rusqlite::Result<Self> {
        let upto = connection.query_one(sql::INDEXED_UPTO, [], |row| row.get(0))?;
        Ok(Self { upto })
    }

    /// Indexes what is due inside the open transaction. What is returned holds once that is
    /// committed.
    pub(crate) fn step(self, tx: &Tx<'_>, when: When) -> Result<Self, Failure> {
        let last: i64 = tx
            .first_kept(sql::LAST_RECEIPT, [], |row| Ok(row.get(0)?))?
            .unwrap_or_default();
        let due = last - self.upto;
        if due <= 0 || (when == When::Busy && due < BATCH) {
            return Ok(self);
        }
        let upto = last.min(self.upto + MOST);
        tx.execute_kept(sql::INDEX_BY_AGENT, params![self.upto, upto])?;
        tx.execute_kept(sql::INDEX_BY_INSTANCE, params![self.upto, upto])?;
        tx.execute_kept(sql::SET_INDEXED_UPTO, params![upto])?;
        Ok(Self { upto })
    }

    /// Whether anything is left to do after a step on an idle store.
    pub(crate) fn is_behind(self, tx: &Tx<'_>) -> Result<bool, Failure> {
        let last: i64 = tx
            .first_kept(sql::LAST_RECEIPT, [], |row| Ok(row.get(0)?))?
            .unwrap_or_default();
        Ok(last > self.upto)
    }
}
