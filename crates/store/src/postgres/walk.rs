//! Lists of receipts: along one index, newest first, a stretch at a time, until there are enough
//! or it has taken too long.

use std::time::{Duration, Instant};

use relynt_domain::{AgentId, ApprovalId, InstanceId, OrganizationId, ReceiptId, Timestamp};
use relynt_gateway::ports::{Page, ReceiptFilter, ReceiptPage};
use tokio_postgres::Row;

use super::approvals::start_of;
use super::core::Core;
use super::failure::{Failure, corrupt};
use super::session::Ask;
use super::sql;
use super::values::{Id, Param, get, id};

/// What one list may cost.
const MAX_TIME: Duration = Duration::from_secs(2);
const MAX_ROWS: usize = 500_000;
/// Rows of one stretch of a walk past rows that are not wanted.
const STRETCH: usize = 2_000;

/// A list of receipts to be made.
pub(super) struct Walk {
    organization: OrganizationId,
    filter: ReceiptFilter,
    /// The text that is searched for, in lower case.
    needle: Option<String>,
    start: (i64, Id),
    limit: usize,
}

impl Walk {
    pub(super) fn new(organization: OrganizationId, filter: ReceiptFilter, page: Page) -> Self {
        let needle = filter.search.as_ref().map(|text| text.to_lowercase());
        Self {
            organization,
            filter,
            needle,
            start: start_of(&page),
            limit: usize::try_from(page.limit).unwrap_or(usize::MAX),
        }
    }

    /// Whether rows have to be looked at that are not wanted.
    fn is_long(&self) -> bool {
        let filter = &self.filter;
        self.needle.is_some()
            || filter.action.is_some()
            || filter.decision.is_some()
            || filter.risk_level.is_some()
            || (filter.agent.is_some() && filter.instance_id.is_some())
            || (filter.approval.is_some()
                && (filter.agent.is_some() || filter.instance_id.is_some()))
    }

    pub(super) async fn run(&self, core: &Core) -> Result<ReceiptPage, Failure> {
        let started = Instant::now();
        // One more than asked for says whether there is more.
        let stretch = if self.is_long() {
            STRETCH
        } else {
            self.limit.saturating_add(1)
        };
        let mut at = self.start;
        let mut walked = 0;
        let mut wanted: Vec<(i64, Id)> = Vec::new();
        let next = loop {
            let rows = self.stretch(core, at, stretch).await?;
            for row in &rows {
                at = (get(row, 0)?, get(row, 1)?);
                if self.wants(row)? {
                    wanted.push(at);
                }
                if wanted.len() > self.limit {
                    break;
                }
            }
            if wanted.len() > self.limit {
                wanted.truncate(self.limit);
                break wanted.last().copied();
            }
            if rows.len() < stretch {
                break None;
            }
            walked += rows.len();
            if walked >= MAX_ROWS || started.elapsed() >= MAX_TIME {
                break Some(at);
            }
        };
        Ok(ReceiptPage {
            receipts: self.bytes(core, &wanted).await?,
            next: next.map(|(at, id)| (Timestamp::from_unix_micros(at), id.0)),
        })
    }

    async fn stretch(
        &self,
        core: &Core,
        (at, id): (i64, Id),
        limit: usize,
    ) -> Result<Vec<Row>, Failure> {
        let filter = &self.filter;
        let of = Id::from(self.organization.as_bytes());
        let from = filter.from.map_or(i64::MIN, Timestamp::unix_micros);
        let to = filter.to.map_or(i64::MAX, Timestamp::unix_micros);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let approval = filter.approval.as_ref().map(ApprovalId::as_bytes);
        let approval = approval.map(Id::from);
        let agent = filter.agent.as_ref().map(AgentId::as_bytes).map(Id::from);
        let instance = filter.instance_id.as_ref().map(InstanceId::as_str);
        let mut params: Vec<Param<'_>> = vec![&of, &from, &to, &at, &id, &limit];
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
        core.all(self.organization, Ask::new(sql, params)).await
    }

    fn wants(&self, row: &Row) -> Result<bool, Failure> {
        let filter = &self.filter;
        if let Some(agent) = &filter.agent
            && id(row, 2, AgentId::from_bytes)? != *agent
        {
            return Ok(false);
        }
        let text = |at: usize| get::<&str>(row, at);
        if let Some(instance) = &filter.instance_id
            && text(3)? != instance.as_str()
        {
            return Ok(false);
        }
        if let Some(action) = &filter.action
            && text(4)? != action
        {
            return Ok(false);
        }
        if let Some(decision) = filter.decision
            && text(6)? != decision.as_str()
        {
            return Ok(false);
        }
        if let Some(risk) = filter.risk_level
            && text(7)? != risk.as_str()
        {
            return Ok(false);
        }
        let Some(needle) = &self.needle else {
            return Ok(true);
        };
        let receipt = id(row, 1, ReceiptId::from_bytes)?;
        Ok(text(4)?.to_lowercase().contains(needle)
            || text(5)?.to_lowercase().contains(needle)
            || receipt.to_string().contains(needle))
    }

    async fn bytes(&self, core: &Core, wanted: &[(i64, Id)]) -> Result<Vec<Vec<u8>>, Failure> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let of = Id::from(self.organization.as_bytes());
        let ids: Vec<Id> = wanted.iter().map(|(_, id)| *id).collect();
        let ask = Ask::new(sql::RECEIPTS_BYTES, vec![&of, &ids]);
        let rows = core.all(self.organization, ask).await?;
        if rows.len() != wanted.len() {
            return Err(corrupt("a receipt is in an index only"));
        }
        rows.iter().map(|row| get(row, 0)).collect()
    }
}
