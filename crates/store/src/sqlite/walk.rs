//! Lists of receipts: along one index, newest first, until there are enough or it has taken too
//! long.

use std::time::{Duration, Instant};

use relynt_domain::{AgentId, ApprovalId, InstanceId, OrganizationId, ReceiptId, Timestamp};
use relynt_gateway::ports::{Page, ReceiptFilter, ReceiptPage};
use rusqlite::{Connection, Row, ToSql};

use super::failure::{Failure, corrupt};
use super::ledger::start_of;
use super::readers::Reader;
use crate::rows::{self, first};
use crate::sql;

/// What one list may cost.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// In all.
    time: Duration,
    /// Rows looked at.
    rows: u64,
    /// In one read transaction.
    transaction: Duration,
}

const BOUNDS: Bounds = Bounds {
    time: Duration::from_secs(2),
    rows: 500_000,
    transaction: Duration::from_millis(300),
};

/// A list of receipts to be made.
pub(super) struct Walk {
    organization: OrganizationId,
    filter: ReceiptFilter,
    /// The text that is searched for, in lower case.
    needle: Option<String>,
    start: (i64, [u8; 16]),
    limit: usize,
    bounds: Bounds,
}

/// Why a statement was left.
enum Left {
    /// There are enough.
    Full,
    /// There is nothing more.
    End,
    /// Its transaction has lasted long enough.
    Pause,
    /// The list has cost enough.
    Spent,
}

impl Walk {
    pub(super) fn new(organization: OrganizationId, filter: ReceiptFilter, page: Page) -> Self {
        let needle = filter.search.as_ref().map(|text| text.to_lowercase());
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        Self {
            organization,
            filter,
            needle,
            start: start_of(&page),
            limit,
            bounds: BOUNDS,
        }
    }

    /// Whether rows have to be looked at that are not wanted.
    pub(super) fn is_long(&self) -> bool {
        let filter = &self.filter;
        let narrow = [filter.agent.is_some(), filter.instance_id.is_some()];
        self.needle.is_some()
            || filter.action.is_some()
            || filter.decision.is_some()
            || filter.risk_level.is_some()
            || narrow.iter().all(|narrow| *narrow)
    }

    pub(super) fn run(&self, reader: &Reader) -> Result<ReceiptPage, Failure> {
        let started = Instant::now();
        let mut progress = Progress {
            page: ReceiptPage::default(),
            at: self.start,
            walked: 0,
            kept: None,
        };
        loop {
            reader.rearm();
            let before = progress.walked;
            let left = match self.stretch(reader.connection(), started, &mut progress) {
                // The machine was stopped between two rows: what was found stands.
                Err(Failure::Sql(error)) if is_interrupt(&error) && progress.walked > before => {
                    Left::Pause
                }
                other => other?,
            };
            let spent = started.elapsed() >= self.bounds.time;
            match left {
                Left::Full => {
                    let next = progress.kept;
                    return Ok(ReceiptPage {
                        next,
                        ..progress.page
                    });
                }
                Left::End => return Ok(progress.page),
                Left::Pause if !spent => {}
                Left::Pause | Left::Spent => {
                    let next = Some((Timestamp::from_unix_micros(progress.at.0), progress.at.1));
                    return Ok(ReceiptPage {
                        next,
                        ..progress.page
                    });
                }
            }
        }
    }

    /// One statement, from where the last one was left.
    fn stretch(
        &self,
        connection: &Connection,
        started: Instant,
        progress: &mut Progress,
    ) -> Result<Left, Failure> {
        let began = Instant::now();
        let (from, to) = (
            self.filter.from.map_or(i64::MIN, Timestamp::unix_micros),
            self.filter.to.map_or(i64::MAX, Timestamp::unix_micros),
        );
        let (at, id) = progress.at;
        let organization = self.organization.as_bytes();
        let approval = self.filter.approval.as_ref().map(ApprovalId::as_bytes);
        let agent = self.filter.agent.as_ref().map(AgentId::as_bytes);
        let instance = self.filter.instance_id.as_ref().map(InstanceId::as_str);
        let mut params: Vec<&dyn ToSql> = vec![organization, &from, &to, &at, &id];
        let sql = match (&approval, &agent, &instance) {
            (Some(approval), ..) => {
                params.push(approval);
                sql::WALK_BY_APPROVAL
            }
            (None, _, Some(instance)) => {
                params.push(instance);
                sql::WALK_BY_INSTANCE
            }
            (None, Some(agent), None) => {
                params.push(agent);
                sql::WALK_BY_AGENT
            }
            (None, None, None) => sql::WALK_BY_TIME,
        };
        let mut statement = rows::prepare(connection, sql)?;
        let mut rows = statement.query(params.as_slice())?;
        while let Some(row) = rows.next()? {
            let position = (row.get(0)?, row.get(1)?);
            let wanted = self.wants(row)?;
            if wanted {
                if progress.page.receipts.len() == self.limit {
                    return Ok(Left::Full);
                }
                let seq: i64 = row.get(2)?;
                let bytes = first(connection, sql::RECEIPT_BYTES_AT, [seq], |row| {
                    Ok(row.get(0)?)
                })?;
                let bytes = bytes.ok_or_else(|| corrupt("a receipt is in an index only"))?;
                progress.page.receipts.push(bytes);
                progress.kept = Some((Timestamp::from_unix_micros(position.0), position.1));
            }
            progress.at = position;
            progress.walked += 1;
            if progress.walked >= self.bounds.rows || started.elapsed() >= self.bounds.time {
                return Ok(Left::Spent);
            }
            if began.elapsed() >= self.bounds.transaction {
                return Ok(Left::Pause);
            }
        }
        Ok(Left::End)
    }

    fn wants(&self, row: &Row<'_>) -> Result<bool, Failure> {
        let filter = &self.filter;
        if let Some(agent) = &filter.agent
            && row.get_ref(3)?.as_blob().ok() != Some(agent.as_bytes().as_slice())
        {
            return Ok(false);
        }
        let text = |at: usize| -> Result<&str, Failure> {
            Ok(row.get_ref(at)?.as_str().map_err(rusqlite::Error::from)?)
        };
        if let Some(instance) = &filter.instance_id
            && text(4)? != instance.as_str()
        {
            return Ok(false);
        }
        if let Some(action) = &filter.action
            && text(6)? != action
        {
            return Ok(false);
        }
        if let Some(decision) = filter.decision
            && text(8)? != decision.as_str()
        {
            return Ok(false);
        }
        if let Some(risk) = filter.risk_level
            && text(9)? != risk.as_str()
        {
            return Ok(false);
        }
        let Some(needle) = &self.needle else {
            return Ok(true);
        };
        let id = rows::id(row, 1, ReceiptId::from_bytes)?;
        Ok(text(6)?.to_lowercase().contains(needle)
            || text(7)?.to_lowercase().contains(needle)
            || id.to_string().contains(needle))
    }
}

struct Progress {
    page: ReceiptPage,
    /// The last row that was looked at.
    at: (i64, [u8; 16]),
    walked: u64,
    /// The last row that was wanted.
    kept: Option<(Timestamp, [u8; 16])>,
}

fn is_interrupt(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted)
}

#[cfg(test)]
mod tests;
