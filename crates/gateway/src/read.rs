//! Reading: what is there, for whoever may see it.

use std::time::Duration;

use relynt_domain::{
    Agent, AgentId, ApprovalId, ApprovalRecord, ApprovalStatus, ConnectorId, ConnectorRecord,
    Credential, ExecutionId, ExecutionStatus, OrganizationId, PolicyVersion, ReceiptId, Timestamp,
    Token,
};
use relynt_json::Value;
use relynt_ledger::{Check, Record, Verification};

use crate::directory::AgentEntry;
use crate::ports::{
    Execution, OrganizationRow, Page, PolicyRow, ReceiptFilter, ReceiptPage, StoreError,
    StoredReceipt,
};
use crate::request::parse_request;
use crate::{Gateway, Person, Principal};

/// Nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such item for this caller.
    #[error("there is no such item")]
    NotFound,
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An approval as it now is.
#[derive(Debug, Clone)]
pub struct ApprovalView {
    /// The approval.
    pub record: ApprovalRecord,
    /// Its agent's name.
    pub agent_name: String,
    /// Its execution, if there is one.
    pub execution: Option<Execution>,
    /// The target's answer as canonical JSON, if it is still kept.
    pub tool_response: Option<String>,
    /// The payload, for people; none for agents, or if it was erased.
    pub payload: Option<Value>,
}

impl ApprovalView {
    /// Whether nothing will change any more: not pending, and no execution pending.
    pub fn is_final(&self) -> bool {
        self.record.status.is_end()
            && self
                .execution
                .as_ref()
                .is_none_or(|e| e.status != ExecutionStatus::Pending)
    }
}

/// An agent with when it was last seen.
#[derive(Debug, Clone)]
pub struct AgentView {
    /// The agent.
    pub agent: Agent,
    /// When it last called, at most 60 s behind.
    pub last_seen_at: Option<Timestamp>,
}

impl AgentView {
    pub(crate) fn of(entry: &AgentEntry) -> Self {
        Self {
            agent: entry.agent.clone(),
            last_seen_at: entry.last_seen_at(),
        }
    }
}

/// A credential with when it was last used.
#[derive(Debug, Clone)]
pub struct CredentialView {
    /// The credential.
    pub credential: Credential,
    /// When it was last used, at most 60 s behind.
    pub last_used_at: Option<Timestamp>,
}

/// A token with when it was last used.
#[derive(Debug, Clone)]
pub struct TokenView {
    /// The token.
    pub token: Token,
    /// When it was last used, at most 60 s behind.
    pub last_used_at: Option<Timestamp>,
}

/// A policy version, and whether it decides.
#[derive(Debug, Clone)]
pub struct PolicyView {
    /// The version.
    pub row: PolicyRow,
    /// Whether it is the active one.
    pub active: bool,
}

/// A connector as configured; its header values are secrets and masked by whoever shows it.
pub type ConnectorView = ConnectorRecord;

/// A verified receipt.
#[derive(Debug, Clone)]
pub struct VerifiedReceipt {
    /// Signature and key.
    pub verification: Verification,
    /// Whether every column says what the signed bytes say.
    pub columns: Check,
    /// The first thing that is wrong.
    pub reason: Option<String>,
}

impl VerifiedReceipt {
    /// Whether every check that was made holds.
    pub fn is_valid(&self) -> bool {
        self.verification.is_valid() && self.columns == Check::Ok
    }
}

impl Gateway {
    /// An approval; an agent sees its own, without payload and votes. With `wait`, held until it is
    /// final or the time is up.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn approval(
        &self,
        principal: &Principal,
        id: ApprovalId,
        wait: Duration,
    ) -> Result<ApprovalView, ReadError> {
        let organization = principal.organization();
        let view = if wait.is_zero() {
            self.read_approval(organization, id)
                .await?
                .ok_or(ReadError::NotFound)?
        } else {
            // Somebody else's is not waited for: it does not exist for this caller.
            let only = match principal {
                Principal::Agent(caller) => Some(caller.agent()),
                Principal::Person(_) => None,
            };
            let view = self.wait_until_final(organization, id, only, wait).await?;
            view.ok_or(ReadError::NotFound)?.as_ref().clone()
        };
        match principal {
            Principal::Agent(caller) if view.record.agent == caller.agent() => Ok(view),
            Principal::Agent(_) => Err(ReadError::NotFound),
            Principal::Person(_) => self.with_payload(organization, view).await,
        }
    }

    /// Approvals, newest first, for people.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn approvals(
        &self,
        person: &Person,
        status: Option<ApprovalStatus>,
        agent: Option<AgentId>,
        page: Page,
    ) -> Result<(Vec<ApprovalView>, Option<(Timestamp, [u8; 16])>), ReadError> {
        let organization = person.organization();
        let page = self
            .store
            .list_approvals(organization, status, agent, page)
            .await?;
        let mut views = Vec::with_capacity(page.approvals.len());
        for record in page.approvals {
            let view = self.view_of(organization, record).await?;
            views.push(self.with_payload(organization, view).await?);
        }
        Ok((views, page.next))
    }

    pub(crate) async fn read_approval(
        &self,
        organization: OrganizationId,
        id: ApprovalId,
    ) -> Result<Option<ApprovalView>, StoreError> {
        match self.store.find_approval(organization, id).await? {
            Some(record) => self.view_of(organization, record).await.map(Some),
            None => Ok(None),
        }
    }

    async fn view_of(
        &self,
        organization: OrganizationId,
        record: ApprovalRecord,
    ) -> Result<ApprovalView, StoreError> {
        let agent_name = self
            .directory
            .snapshot(organization)
            .and_then(|s| Some(s.agent(record.agent)?.agent.name.as_str().to_owned()))
            .unwrap_or_default();
        let (execution, tool_response) = match record.execution {
            Some(id) => (
                self.store.find_execution(organization, id).await?,
                self.store.find_tool_response(organization, id).await?,
            ),
            None => (None, None),
        };
        // The outcome may have been recorded between these readings: then the approval that was
        // read first does not name its final receipt yet.
        let closed = execution
            .as_ref()
            .is_some_and(|e| e.status != ExecutionStatus::Pending);
        let record = if closed && record.final_receipt_id.is_none() {
            let again = self.store.find_approval(organization, record.id).await?;
            again.unwrap_or(record)
        } else {
            record
        };
        Ok(ApprovalView {
            record,
            agent_name,
            execution,
            tool_response,
            payload: None,
        })
    }

    async fn with_payload(
        &self,
        organization: OrganizationId,
        view: ApprovalView,
    ) -> Result<ApprovalView, ReadError> {
        let request = self
            .store
            .find_request(organization, view.record.receipt_id)
            .await?;
        let payload = request
            .and_then(|r| parse_request(&r.body))
            .and_then(|(.., payload, _)| payload);
        Ok(ApprovalView { payload, ..view })
    }

    /// Receipts, newest first; an agent sees its own.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn receipts(
        &self,
        principal: &Principal,
        filter: ReceiptFilter,
        page: Page,
    ) -> Result<ReceiptPage, ReadError> {
        let filter = match principal {
            Principal::Person(_) => filter,
            Principal::Agent(caller) => match filter.agent {
                Some(id) if id != caller.agent() => return Ok(ReceiptPage::default()),
                _ => ReceiptFilter {
                    agent: Some(caller.agent()),
                    ..filter
                },
            },
        };
        Ok(self
            .store
            .list_receipts(principal.organization(), filter, page)
            .await?)
    }

    /// A receipt: the signed bytes and the columns beside them.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn receipt(
        &self,
        principal: &Principal,
        id: ReceiptId,
    ) -> Result<StoredReceipt, ReadError> {
        let stored = self
            .store
            .find_receipt(principal.organization(), id)
            .await?;
        stored
            .filter(|stored| match principal {
                Principal::Person(_) => true,
                Principal::Agent(caller) => stored.agent == caller.agent(),
            })
            .ok_or(ReadError::NotFound)
    }

    /// Verifies a stored receipt: everything is recomputed from the bytes, and every column is
    /// compared with them.
    ///
    /// # Errors
    /// See [`ReadError`]; a receipt that was tampered with is an answer.
    pub async fn verify_receipt(
        &self,
        principal: &Principal,
        id: ReceiptId,
    ) -> Result<VerifiedReceipt, ReadError> {
        let stored = self.receipt(principal, id).await?;
        let verification = relynt_ledger::verify(&stored.bytes, &self.published_keys());
        let wrong = match &verification.record {
            Some(Record::Receipt(signed)) => {
                wrong_column(principal.organization(), &stored, signed.record())
            }
            _ => Some("bytes"),
        };
        let reason = verification.reason.clone().or_else(|| {
            wrong.map(|column| format!("the column `{column}` differs from the signed receipt"))
        });
        let columns = if wrong.is_none() {
            Check::Ok
        } else {
            Check::Failed
        };
        Ok(VerifiedReceipt {
            verification,
            columns,
            reason,
        })
    }

    /// An execution as it is now; an agent sees its own.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn execution(
        &self,
        principal: &Principal,
        id: ExecutionId,
    ) -> Result<Execution, ReadError> {
        let found = self
            .store
            .find_execution(principal.organization(), id)
            .await?;
        found
            .filter(|execution| match principal {
                Principal::Person(_) => true,
                Principal::Agent(caller) => execution.agent == caller.agent(),
            })
            .ok_or(ReadError::NotFound)
    }

    /// The organization.
    pub fn organization<'a>(&self, person: &'a Person) -> &'a OrganizationRow {
        &person.snapshot.organization
    }

    /// Agents in the order in which they were made, after the given one.
    pub fn agents(&self, person: &Person, after: Option<AgentId>, limit: usize) -> Vec<AgentView> {
        let mut all: Vec<_> = person
            .snapshot
            .agents()
            .filter(|e| after.is_none_or(|id| e.agent.id > id))
            .collect();
        all.sort_by_key(|entry| entry.agent.id);
        all.into_iter()
            .take(limit)
            .map(|entry| AgentView::of(entry))
            .collect()
    }

    /// One agent.
    ///
    /// # Errors
    /// There is none.
    pub fn agent(&self, person: &Person, id: AgentId) -> Result<AgentView, ReadError> {
        person
            .snapshot
            .agent(id)
            .map(|entry| AgentView::of(entry))
            .ok_or(ReadError::NotFound)
    }

    /// The credentials of an agent, newest first.
    ///
    /// # Errors
    /// There is no such agent.
    pub fn credentials(
        &self,
        person: &Person,
        agent: AgentId,
    ) -> Result<Vec<CredentialView>, ReadError> {
        person.snapshot.agent(agent).ok_or(ReadError::NotFound)?;
        let mut all: Vec<_> = person
            .snapshot
            .credentials_of(agent)
            .map(|entry| CredentialView {
                credential: entry.credential.clone(),
                last_used_at: entry.last_used_at(),
            })
            .collect();
        all.sort_by_key(|view| std::cmp::Reverse(view.credential.id));
        Ok(all)
    }

    /// Access tokens in the order in which they were made, after the given one. A person sees
    /// their own; Owner and Admin see all.
    pub fn tokens(
        &self,
        person: &Person,
        after: Option<relynt_domain::TokenId>,
        limit: usize,
    ) -> Vec<TokenView> {
        let all_of_them = person.role >= relynt_domain::Role::Admin;
        let mut all: Vec<_> = person
            .snapshot
            .tokens()
            .filter(|e| after.is_none_or(|id| e.token.id > id))
            .filter(|e| all_of_them || e.token.user == person.user)
            .collect();
        all.sort_by_key(|entry| entry.token.id);
        all.into_iter()
            .take(limit)
            .map(|entry| TokenView {
                token: entry.token.clone(),
                last_used_at: entry.last_used_at(),
            })
            .collect()
    }

    /// Connectors in their order.
    pub fn connectors(&self, person: &Person) -> Vec<ConnectorView> {
        person
            .snapshot
            .connectors
            .iter()
            .map(|entry| entry.record.clone())
            .collect()
    }

    /// One connector.
    ///
    /// # Errors
    /// There is none.
    pub fn connector(&self, person: &Person, id: ConnectorId) -> Result<ConnectorView, ReadError> {
        let found = person
            .snapshot
            .connector(id)
            .map(|entry| entry.record.clone());
        found.ok_or(ReadError::NotFound)
    }

    /// Policy versions, newest first, before the given one.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn policies(
        &self,
        person: &Person,
        before: Option<PolicyVersion>,
        limit: u32,
    ) -> Result<Vec<PolicyView>, ReadError> {
        let active = person.snapshot.active.version;
        let rows = self
            .store
            .list_policies(person.organization(), before, limit)
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| PolicyView {
                active: row.version == active,
                row,
            })
            .collect())
    }

    /// One policy version.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn policy(
        &self,
        person: &Person,
        version: PolicyVersion,
    ) -> Result<PolicyView, ReadError> {
        let row = self
            .store
            .find_policy(person.organization(), version)
            .await?;
        let row = row.ok_or(ReadError::NotFound)?;
        Ok(PolicyView {
            active: row.version == person.snapshot.active.version,
            row,
        })
    }
}

fn wrong_column(
    organization: OrganizationId,
    stored: &StoredReceipt,
    receipt: &relynt_ledger::Receipt,
) -> Option<&'static str> {
    let approval = stored.approval.map(|id| id.to_string());
    let columns = [
        (
            "organization",
            receipt.organization_id == organization.to_string(),
        ),
        ("receipt_id", receipt.receipt_id == stored.id.to_string()),
        (
            "created_at",
            receipt.created_at == stored.created_at.to_string(),
        ),
        ("agent_id", receipt.agent_id == stored.agent.to_string()),
        ("instance_id", receipt.instance_id == stored.instance_id),
        ("approval_id", receipt.approval_id == approval),
        ("action", receipt.action == stored.action),
        ("resource", receipt.resource == stored.resource),
        ("decision", receipt.decision.as_str() == stored.decision),
        (
            "risk_level",
            receipt.risk_level.as_str() == stored.risk_level,
        ),
    ];
    columns
        .into_iter()
        .find(|(_, same)| !same)
        .map(|(column, _)| column)
}
