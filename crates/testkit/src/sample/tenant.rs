//! An organization that is in a store.

use std::collections::BTreeMap;
use std::sync::Arc;

use relynt_domain::{
    Agent, AgentId, AgentName, AgentStatus, ApprovalRecord, ChangeNumber, ConnectorDefinition,
    ConnectorId, ConnectorRecord, Credential, CredentialId, Decision, HeaderValues, Incarnation,
    Label, LookupId, Member, OrganizationId, PolicyVersion, Role, Scopes, Tags, Token, TokenId,
    ToolCall, UserId,
};
use relynt_gateway::ports::{
    Change, ChangeError, Decided, NewExecution, NewOrganization, NewReceipt, OrganizationRow, Plan,
    PolicyRow, Recorded, Seen, Store,
};
use relynt_ledger::sha256;

use super::Maker;

/// An organization with an Owner, their token, `v1`, an agent and its credential.
#[derive(Debug)]
pub struct Tenant {
    /// Makes what belongs to it.
    pub maker: Maker,
    /// Its id.
    pub organization: OrganizationId,
    /// Its Owner.
    pub owner: UserId,
    /// Its agent.
    pub agent: AgentId,
    /// The agent's credential.
    pub credential: CredentialId,
    /// Its change number.
    pub change: ChangeNumber,
}

impl Tenant {
    /// Creates one; ids follow from the name.
    pub async fn create(store: &dyn Store, name: &str) -> Self {
        let maker = Maker::named(name);
        let organization = maker.id(OrganizationId::new);
        let new = Self::new_organization(&maker, organization, &format!("{name}@example.com"));
        let owner = store
            .record_organization(new)
            .await
            .expect("a new organization");
        let agent = maker.id(AgentId::new);
        let credential = Self::new_credential(&maker, agent);
        let mut tenant = Self {
            organization,
            owner,
            agent,
            credential: credential.id,
            change: ChangeNumber(1),
            maker,
        };
        tenant
            .change(store, Change::Agent(tenant.new_agent(agent, "agent")))
            .await;
        let rotate = Change::Rotate {
            credential,
            revoke: Vec::new(),
            cancel: None,
        };
        tenant.change(store, rotate).await;
        tenant
    }

    /// What a new organization consists of.
    pub fn new_organization(
        maker: &Maker,
        organization: OrganizationId,
        email: &str,
    ) -> NewOrganization {
        let owner = maker.user();
        NewOrganization {
            organization: OrganizationRow {
                id: organization,
                name: "Example".to_owned(),
                created_at: maker.now(),
            },
            owner,
            owner_email: email.to_owned(),
            member: Member {
                user: owner,
                role: Role::Owner,
                created_at: maker.now(),
            },
            token: Self::new_token(maker, owner),
            policy: Self::new_policy(maker, PolicyVersion(1), "[]", owner),
            entry: maker.entry(
                organization,
                "organization.create",
                &organization.to_string(),
            ),
        }
    }

    /// A token.
    pub fn new_token(maker: &Maker, user: UserId) -> Token {
        Token {
            id: maker.id(TokenId::new),
            user,
            name: Label::new("laptop", 128).expect("a label"),
            role: Role::Owner,
            scopes: Scopes::all(),
            lookup: LookupId(maker.bytes()),
            secret_hash: maker.bytes(),
            created_at: maker.now(),
            last_used_at: None,
            expires_at: None,
            revoked_at: None,
        }
    }

    /// A policy version with these rules.
    pub fn new_policy(maker: &Maker, version: PolicyVersion, rules: &str, by: UserId) -> PolicyRow {
        PolicyRow {
            version,
            rules: rules.to_owned(),
            note: Some("why".to_owned()),
            digest: sha256(rules.as_bytes()),
            created_at: maker.now(),
            created_by: by,
            activated_at: None,
        }
    }

    /// A credential of an agent.
    pub fn new_credential(maker: &Maker, agent: AgentId) -> Credential {
        Credential {
            id: maker.id(CredentialId::new),
            agent,
            lookup: LookupId(maker.bytes()),
            secret_hash: maker.bytes(),
            created_at: maker.now(),
            last_used_at: None,
            expires_at: None,
            revoked_at: None,
        }
    }

    /// An agent.
    pub fn new_agent(&self, id: AgentId, name: &str) -> Agent {
        Agent {
            id,
            name: AgentName::new(name).expect("a name"),
            description: Some("does things".to_owned()),
            tags: Tags::new(["crm", "sales"]).expect("tags"),
            owner: self.owner,
            status: AgentStatus::Active,
            created_at: self.maker.now(),
            last_seen_at: None,
        }
    }

    /// A connector with one secret header.
    pub fn new_connector(&self, name: &str, secret: &str) -> ConnectorRecord {
        let headers = BTreeMap::from([("authorization".to_owned(), secret.to_owned().into())]);
        ConnectorRecord {
            id: self.maker.id(ConnectorId::new),
            version: 1,
            definition: ConnectorDefinition {
                name: name.to_owned(),
                position: 4,
                action: "update_*".to_owned(),
                resource_pattern: "crm:*".to_owned(),
                base_url: "https://crm.example.com/v2".to_owned(),
                headers: HeaderValues(headers),
                timeout_ms: 9_000,
                routes: Maker::no_rules(),
            },
            created_at: self.maker.now(),
        }
    }

    /// What was seen.
    pub const fn seen(&self) -> Seen {
        Seen {
            organization: self.organization,
            change: self.change,
        }
    }

    /// Makes a change that must succeed.
    pub async fn change(&mut self, store: &dyn Store, change: Change) {
        self.change = self.try_change(store, change).await.expect("a change");
    }

    /// Makes a change.
    ///
    /// # Errors
    /// What the store says.
    pub async fn try_change(
        &self,
        store: &dyn Store,
        change: Change,
    ) -> Result<ChangeNumber, ChangeError> {
        let entry = self
            .maker
            .entry(self.organization, "something.change", "something");
        store.record_change(self.seen(), change, entry).await
    }

    /// A call of its agent.
    pub fn call(&self) -> Arc<ToolCall> {
        self.maker.call(self.organization, self.agent)
    }

    /// Records a call that is answered at once; its receipt.
    pub async fn record(
        &self,
        store: &dyn Store,
        call: &Arc<ToolCall>,
        decision: Decision,
    ) -> NewReceipt {
        let plan = self.maker.closed(call, decision);
        match store
            .record_decision(self.seen(), Arc::clone(call), plan)
            .await
        {
            Ok(Recorded::New(decided)) => match *decided {
                Decided::Close { receipt, .. } => *receipt,
                Decided::Execute(_) => panic!("nothing was to be executed"),
            },
            other => panic!("the call should have been recorded: {other:?}"),
        }
    }

    /// Records the intent of an execution.
    pub async fn start(
        &self,
        store: &dyn Store,
        call: &Arc<ToolCall>,
        incarnation: Incarnation,
    ) -> NewExecution {
        let intent = self.maker.intent(call, incarnation);
        let plan = Plan::Ready(Box::new(Decided::Execute(Box::new(intent.clone()))));
        match store
            .record_decision(self.seen(), Arc::clone(call), plan)
            .await
        {
            Ok(Recorded::New(_)) => intent,
            other => panic!("the intent should have been recorded: {other:?}"),
        }
    }

    /// Records a call that asks a person; the approval.
    pub async fn ask(&self, store: &dyn Store, call: &Arc<ToolCall>) -> ApprovalRecord {
        let (record, decided) = self.maker.asked(call);
        let plan = Plan::Ready(Box::new(decided));
        match store
            .record_decision(self.seen(), Arc::clone(call), plan)
            .await
        {
            Ok(Recorded::New(_)) => record,
            other => panic!("the approval should have been recorded: {other:?}"),
        }
    }
}
