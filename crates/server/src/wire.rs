//! From what the gateway knows to what the wire says
//!
//! Three shapes of one thing are kept apart; this is where they meet. Every `match` is without a
//! wildcard, so that a new word breaks the build here.

use relynt_api as api;
use relynt_domain as domain;
use relynt_gateway::{AgentView, ApprovalView, CredentialView, PolicyView, TokenView, ports};
use relynt_ledger as ledger;

use crate::error::Refusal;

/// Something that the wire has a form of.
pub(crate) trait ToWire {
    /// That form.
    type Wire;

    /// In that form.
    fn wire(&self) -> Self::Wire;
}

macro_rules! same_words {
    ($( $from:ty => $to:ty { $( $word:ident ),+ } )+) => {$(
        impl ToWire for $from {
            type Wire = $to;

            fn wire(&self) -> $to {
                match self { $( <$from>::$word => <$to>::$word, )+ }
            }
        }
    )+};
}

same_words! {
    domain::AgentStatus => api::AgentStatus { Active, Disabled }
    domain::ApprovalStatus => api::ApprovalStatus { Pending, Approved, Denied, Expired, Cancelled }
    domain::BlockedBy => api::BlockedBy {
        Digest, AgentDisabled, ConnectorChanged, Policy, CredentialRotated
    }
    domain::Channel => api::Channel { Token }
    domain::ExecutionDetail => api::ExecutionDetail { NotSent, Refused, Timeout, Broken, LeftBehind }
    domain::ExecutionStatus => api::ExecutionStatus { Pending, Succeeded, Failed, Unknown }
    domain::PerformedBy => api::PerformedBy { Gateway, Agent }
    domain::ResponseState => api::ResponseState { Complete, Incomplete, None }
    domain::RiskLevel => api::RiskLevel { Low, Medium, High }
    domain::Role => api::Role { Owner, Admin, Approver, Viewer }
    domain::VoteKind => api::VoteKind { Approve, Deny }
    ledger::Check => api::CheckOutcome { Ok, Failed, NotChecked }
    ledger::ExecutionDetail => api::ExecutionDetail { NotSent, Refused, Timeout, Broken, LeftBehind }
    ledger::ExecutionStatus => api::ExecutionStatus { Pending, Succeeded, Failed, Unknown }
    ledger::PerformedBy => api::PerformedBy { Gateway, Agent }
    ledger::ResponseState => api::ResponseState { Complete, Incomplete, None }
    ledger::RiskLevel => api::RiskLevel { Low, Medium, High }
}

impl ToWire for domain::Scope {
    type Wire = api::Scope;

    fn wire(&self) -> api::Scope {
        match self {
            Self::Read => api::Scope::Read,
            Self::Manage => api::Scope::Manage,
            Self::ApprovalsDecide => api::Scope::DecideApprovals,
            Self::LogRead => api::Scope::ReadLog,
        }
    }
}

impl ToWire for ledger::Execution {
    type Wire = api::Execution;

    fn wire(&self) -> api::Execution {
        api::Execution {
            execution_id: self.execution_id.clone(),
            status: self.status.wire(),
            detail: self.detail.map(|detail| detail.wire()),
            response: self.response.wire(),
            connector_id: self.connector_id.clone(),
            connector_version: self.connector_version,
            attempts: self.attempts,
            http_status: self.http_status,
            started_at: self.started_at.clone(),
            finished_at: self.finished_at.clone(),
        }
    }
}

impl ToWire for ports::Execution {
    type Wire = api::Execution;

    fn wire(&self) -> api::Execution {
        api::Execution {
            execution_id: self.id.to_string(),
            status: self.status.wire(),
            detail: self.detail.map(|detail| detail.wire()),
            response: self.response.wire(),
            connector_id: self.connector.to_string(),
            connector_version: self.connector_version,
            attempts: self.attempts,
            http_status: self.http_status,
            started_at: self.started_at.to_string(),
            finished_at: self.finished_at.map(|at| at.to_string()),
        }
    }
}

impl ToWire for AgentView {
    type Wire = api::Agent;

    fn wire(&self) -> api::Agent {
        let agent = &self.agent;
        api::Agent {
            agent_id: agent.id.to_string(),
            name: agent.name.as_str().to_owned(),
            description: agent.description.clone(),
            tags: agent.tags.as_slice().to_vec(),
            owner: user(agent.owner),
            status: agent.status.wire(),
            created_at: agent.created_at.to_string(),
            last_seen_at: self.last_seen_at.map(|at| at.to_string()),
        }
    }
}

impl ToWire for CredentialView {
    type Wire = api::Credential;

    fn wire(&self) -> api::Credential {
        let credential = &self.credential;
        api::Credential {
            credential_id: credential.id.to_string(),
            lookup_id: credential.lookup.to_string(),
            created_at: credential.created_at.to_string(),
            last_used_at: self.last_used_at.map(|at| at.to_string()),
            expires_at: credential.expires_at.map(|at| at.to_string()),
            revoked_at: credential.revoked_at.map(|at| at.to_string()),
        }
    }
}

impl ToWire for TokenView {
    type Wire = api::Token;

    fn wire(&self) -> api::Token {
        let token = &self.token;
        api::Token {
            token_id: token.id.to_string(),
            name: token.name.as_str().to_owned(),
            role: token.role.wire(),
            scopes: token.scopes.iter().map(|scope| scope.wire()).collect(),
            created_at: token.created_at.to_string(),
            last_used_at: self.last_used_at.map(|at| at.to_string()),
            expires_at: token.expires_at.map(|at| at.to_string()),
        }
    }
}

/// A connector, its header values masked.
pub(crate) fn connector(record: &domain::ConnectorRecord) -> Result<api::Connector, Refusal> {
    let definition = &record.definition;
    Ok(api::Connector {
        connector_id: record.id.to_string(),
        version: record.version,
        name: definition.name.clone(),
        position: definition.position,
        action: definition.action.clone(),
        resource_pattern: definition.resource_pattern.clone(),
        base_url: definition.base_url.clone(),
        headers: definition
            .headers
            .0
            .keys()
            .map(|name| (name.clone(), MASK.to_owned()))
            .collect(),
        timeout_ms: definition.timeout_ms,
        routes: json(definition.routes.to_canonical())?,
        created_at: record.created_at.to_string(),
    })
}

/// What is shown in place of a secret.
const MASK: &str = "********";

/// A version of the policy.
pub(crate) fn policy(view: &PolicyView) -> Result<api::Policy, Refusal> {
    let row = &view.row;
    Ok(api::Policy {
        version: row.version.to_string(),
        rules: json(row.rules.clone())?,
        note: row.note.clone(),
        digest: digest(&row.digest),
        active: view.active,
        created_at: row.created_at.to_string(),
        created_by: user(row.created_by),
        activated_at: row.activated_at.map(|at| at.to_string()),
    })
}

/// Who looks at an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Its agent: without payload and votes.
    Agent,
    /// A person.
    Person,
}

/// An approval, as its reader may see it.
pub(crate) fn approval(view: &ApprovalView, reader: Reader) -> Result<api::Approval, Refusal> {
    let record = &view.record;
    let for_people = reader == Reader::Person;
    Ok(api::Approval {
        approval_id: record.id.to_string(),
        status: record.status.wire(),
        created_at: record.created_at.to_string(),
        expires_at: record.expires_at.to_string(),
        revision: record.revision,
        decided_by: record.decided_by.as_ref().map(ToString::to_string),
        decided_at: record.decided_at.map(|at| at.to_string()),
        note: record.note.clone(),
        receipt_id: record.receipt_id.to_string(),
        final_receipt_id: record.final_receipt_id.map(|id| id.to_string()),
        performed_by: Some(record.performed_by.wire()),
        valid_until: record.valid_until.map(|at| at.to_string()),
        execution: view.execution.as_ref().map(ToWire::wire),
        tool_response: view.tool_response.clone().map(json).transpose()?,
        blocked_by: record.blocked_by.map(|by| by.wire()),
        votes: for_people.then(|| record.votes.iter().map(vote).collect()),
        agent_id: record.agent.to_string(),
        agent_name: view.agent_name.clone(),
        instance_id: record.instance_id.as_str().to_owned(),
        action: record.action.clone(),
        resource: record.resource.clone(),
        payload: view
            .payload
            .as_ref()
            .filter(|_| for_people)
            .map(|payload| json(payload.to_canonical()))
            .transpose()?,
        reason: record.reason.clone(),
        risk_level: record.risk_level.wire(),
        policy_version: record.policy_version.to_string(),
        rule_id: record.rule_id.clone(),
        request_digest: digest(&record.request_digest),
    })
}

fn vote(vote: &domain::Vote) -> api::Vote {
    api::Vote {
        by: vote.by.to_string(),
        vote: vote.vote.wire(),
        at: vote.at.to_string(),
        channel: vote.channel.wire(),
        revision: vote.revision,
        signature: None,
    }
}

/// A person, as the wire names them.
pub(crate) fn user(id: domain::UserId) -> String {
    format!("user:{id}")
}

/// A SHA-256, as the wire writes it.
fn digest(bytes: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(71);
    text.push_str("sha256:");
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A stored JSON text, passed through.
///
/// # Errors
/// 500: what is stored is no JSON.
pub(crate) fn json(text: String) -> Result<api::Json, Refusal> {
    api::Json::from_text(text).map_err(|_| {
        tracing::error!("a stored JSON text cannot be read");
        Refusal::internal()
    })
}
