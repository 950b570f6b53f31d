//! What decisions read, in memory: one immutable snapshot an organization, swapped whole.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use relynt_domain::{
    Agent, AgentId, ChangeNumber, ConnectorId, ConnectorRecord, Credential, CredentialId, LookupId,
    Member, OrganizationId, PolicyVersion, Timestamp, Token, TokenId, UserId,
};
use relynt_json::{Object, Value};
use relynt_policy::{Pattern, Policy};

use crate::ports::{
    Changes, Connector, Connectors, OrganizationRow, PolicyRow, Store, StoreError, Touched,
};

/// When something was last used, kept across snapshots; zero: never since the start.
#[derive(Debug, Default)]
pub(crate) struct Used {
    at: AtomicU64,
    stored: AtomicU64,
}

impl Used {
    pub(crate) fn touch(&self, now: Timestamp) {
        self.at.fetch_max(now.unix_millis(), Ordering::Relaxed);
    }

    fn latest(&self, stored: Option<Timestamp>) -> Option<Timestamp> {
        match self.at.load(Ordering::Relaxed) {
            0 => stored,
            at => stored.max(Some(Timestamp::from_unix_millis(at))),
        }
    }

    /// What has to be written, if anything; counted as written from then on.
    fn take(&self) -> Option<Timestamp> {
        let at = self.at.load(Ordering::Relaxed);
        (self.stored.swap(at, Ordering::Relaxed) < at).then(|| Timestamp::from_unix_millis(at))
    }
}

pub(crate) struct AgentEntry {
    pub(crate) agent: Agent,
    /// What a verdict may read of it, as canonical JSON.
    pub(crate) facts: Arc<str>,
    pub(crate) facts_hash: [u8; 32],
    used: Arc<Used>,
}

impl AgentEntry {
    pub(crate) fn last_seen_at(&self) -> Option<Timestamp> {
        self.used.latest(self.agent.last_seen_at)
    }
}

pub(crate) struct CredentialEntry {
    pub(crate) credential: Credential,
    pub(crate) used: Arc<Used>,
}

impl CredentialEntry {
    pub(crate) fn last_used_at(&self) -> Option<Timestamp> {
        self.used.latest(self.credential.last_used_at)
    }
}

pub(crate) struct TokenEntry {
    pub(crate) token: Token,
    pub(crate) used: Arc<Used>,
}

impl TokenEntry {
    pub(crate) fn last_used_at(&self) -> Option<Timestamp> {
        self.used.latest(self.token.last_used_at)
    }
}

/// The version that decides.
pub(crate) struct ActivePolicy {
    pub(crate) version: PolicyVersion,
    pub(crate) digest: [u8; 32],
    pub(crate) policy: Policy,
}

pub(crate) struct ConnectorEntry {
    pub(crate) record: ConnectorRecord,
    /// Or why the stored definition cannot be called: whatever would go there is refused.
    pub(crate) callable: Result<Arc<dyn Connector>, String>,
}

/// Everything that an organization's decisions read, as of one change number.
pub(crate) struct Snapshot {
    pub(crate) organization: OrganizationRow,
    pub(crate) change: ChangeNumber,
    pub(crate) active: Arc<ActivePolicy>,
    pub(crate) last_version: PolicyVersion,
    agents: HashMap<AgentId, Arc<AgentEntry>>,
    credentials: HashMap<LookupId, Arc<CredentialEntry>>,
    tokens: HashMap<LookupId, Arc<TokenEntry>>,
    members: HashMap<UserId, Member>,
    /// In their order: by position, then by id.
    pub(crate) connectors: Vec<Arc<ConnectorEntry>>,
}

impl Snapshot {
    pub(crate) fn agent(&self, id: AgentId) -> Option<&Arc<AgentEntry>> {
        self.agents.get(&id)
    }

    pub(crate) fn agents(&self) -> impl Iterator<Item = &Arc<AgentEntry>> {
        self.agents.values()
    }

    pub(crate) fn credential(&self, lookup: &LookupId) -> Option<&Arc<CredentialEntry>> {
        self.credentials.get(lookup)
    }

    pub(crate) fn credentials_of(
        &self,
        agent: AgentId,
    ) -> impl Iterator<Item = &Arc<CredentialEntry>> {
        self.credentials
            .values()
            .filter(move |entry| entry.credential.agent == agent)
    }

    pub(crate) fn token(&self, lookup: &LookupId) -> Option<&Arc<TokenEntry>> {
        self.tokens.get(lookup)
    }

    pub(crate) fn tokens(&self) -> impl Iterator<Item = &Arc<TokenEntry>> {
        self.tokens.values()
    }

    pub(crate) fn member(&self, user: UserId) -> Option<&Member> {
        self.members.get(&user)
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    pub(crate) fn connector(&self, id: ConnectorId) -> Option<&Arc<ConnectorEntry>> {
        self.connectors.iter().find(|entry| entry.record.id == id)
    }

    /// The first connector, in their order, whose patterns match, whether or not it can be called:
    /// nothing slips past one that cannot.
    pub(crate) fn connector_for(
        &self,
        action: &str,
        resource: &str,
    ) -> Option<&Arc<ConnectorEntry>> {
        self.connectors.iter().find(|entry| {
            if let Ok(connector) = &entry.callable {
                return connector.matches(action, resource);
            }
            let definition = &entry.record.definition;
            let covers = |pattern: &str, text: &str| {
                Pattern::parse(pattern).map_or(true, |pattern| pattern.matches(text))
            };
            covers(&definition.action, action) && covers(&definition.resource_pattern, resource)
        })
    }

    fn next(
        previous: Option<&Self>,
        changes: Changes,
        connectors: &dyn Connectors,
    ) -> Result<Self, StoreError> {
        let organization = changes.organization.id;
        let mut agents = previous.map(|p| p.agents.clone()).unwrap_or_default();
        for agent in changes.agents {
            let used = agents
                .get(&agent.id)
                .map(|e| Arc::clone(&e.used))
                .unwrap_or_default();
            let facts: Arc<str> = facts_of(&agent).into();
            let facts_hash = crate::receipts::sha256(facts.as_bytes());
            agents.insert(
                agent.id,
                Arc::new(AgentEntry {
                    agent,
                    facts,
                    facts_hash,
                    used,
                }),
            );
        }
        let mut credentials = previous.map(|p| p.credentials.clone()).unwrap_or_default();
        for credential in changes.credentials {
            let used = credentials
                .get(&credential.lookup)
                .map(|e| Arc::clone(&e.used))
                .unwrap_or_default();
            credentials.insert(
                credential.lookup,
                Arc::new(CredentialEntry { credential, used }),
            );
        }
        let mut tokens = previous.map(|p| p.tokens.clone()).unwrap_or_default();
        for token in changes.tokens {
            let used = tokens
                .get(&token.lookup)
                .map(|e| Arc::clone(&e.used))
                .unwrap_or_default();
            tokens.insert(token.lookup, Arc::new(TokenEntry { token, used }));
        }
        let mut members = previous.map(|p| p.members.clone()).unwrap_or_default();
        for member in changes.members {
            members.insert(member.user, member);
        }
        let mut order = previous.map(|p| p.connectors.clone()).unwrap_or_default();
        order.retain(|entry| {
            !changes.deleted_connectors.contains(&entry.record.id)
                && !changes
                    .connectors
                    .iter()
                    .any(|record| record.id == entry.record.id)
        });
        for record in changes.connectors {
            let callable = connectors.compile(organization, &record);
            if let Err(why) = &callable {
                tracing::error!(%organization, connector = %record.id, "a stored connector cannot be called: {why}");
            }
            order.push(Arc::new(ConnectorEntry { record, callable }));
        }
        order.sort_by_key(|entry| (entry.record.definition.position, entry.record.id));
        let (version, row) = changes.active;
        let active = match (row, previous) {
            (Some(row), _) => Arc::new(active(&row, &agents)?),
            (None, Some(previous)) if previous.active.version == version => {
                Arc::clone(&previous.active)
            }
            (None, _) => {
                return Err(StoreError::Corrupt(format!(
                    "policy {version} has no rules"
                )));
            }
        };
        Ok(Self {
            organization: changes.organization,
            change: changes.change,
            active,
            last_version: changes.last_version,
            agents,
            credentials,
            tokens,
            members,
            connectors: order,
        })
    }
}

fn active(
    row: &PolicyRow,
    agents: &HashMap<AgentId, Arc<AgentEntry>>,
) -> Result<ActivePolicy, StoreError> {
    Ok(ActivePolicy {
        version: row.version,
        digest: row.digest,
        policy: parse_policy(row, &|id| agents.contains_key(id))?,
    })
}

/// Compiles stored rules; they were checked when they were saved, so a fault is corruption.
pub(crate) fn parse_policy(
    row: &PolicyRow,
    agent_exists: &dyn Fn(&AgentId) -> bool,
) -> Result<Policy, StoreError> {
    let corrupt = || StoreError::Corrupt(format!("policy {} cannot be compiled", row.version));
    if crate::receipts::sha256(row.rules.as_bytes()) != row.digest {
        return Err(corrupt());
    }
    let rules = relynt_json::parse_canonical(row.rules.as_bytes()).map_err(|_| corrupt())?;
    Policy::parse(&rules, agent_exists).map_err(|_| corrupt())
}

fn facts_of(agent: &Agent) -> String {
    let tags = agent
        .tags
        .as_slice()
        .iter()
        .map(|tag| Value::from(tag.as_str()))
        .collect();
    let mut facts = Object::new();
    facts.insert("name", agent.name.as_str());
    facts.insert("tags", Value::Array(tags));
    let mut outer = Object::new();
    outer.insert("agent", Value::Object(facts));
    Value::Object(outer).to_canonical()
}

/// Every organization's snapshot.
#[derive(Default)]
pub(crate) struct Directory {
    organizations: ArcSwap<HashMap<OrganizationId, Arc<Snapshot>>>,
    /// Which organization a credential or token belongs to.
    lookups: ArcSwap<HashMap<LookupId, OrganizationId>>,
    /// Organizations whose change is committed but could not be read back: nobody gets in.
    dirty: ArcSwap<Vec<OrganizationId>>,
    reloading: tokio::sync::Mutex<()>,
}

impl Directory {
    pub(crate) fn snapshot(&self, organization: OrganizationId) -> Option<Arc<Snapshot>> {
        self.organizations.load().get(&organization).cloned()
    }

    pub(crate) fn find(&self, lookup: &LookupId) -> Option<Arc<Snapshot>> {
        let organization = *self.lookups.load().get(lookup)?;
        self.snapshot(organization)
    }

    pub(crate) fn organizations(&self) -> Vec<Arc<Snapshot>> {
        self.organizations.load().values().cloned().collect()
    }

    pub(crate) fn is_dirty(&self, organization: OrganizationId) -> bool {
        let dirty = self.dirty.load();
        !dirty.is_empty() && dirty.contains(&organization)
    }

    pub(crate) fn dirty(&self) -> Vec<OrganizationId> {
        self.dirty.load().as_ref().clone()
    }

    /// Reads what changed and swaps the snapshot. If that fails, the organization is closed until
    /// it succeeds.
    pub(crate) async fn reload(
        &self,
        store: &dyn Store,
        connectors: &dyn Connectors,
        organization: OrganizationId,
    ) -> Result<Arc<Snapshot>, StoreError> {
        let _one = self.reloading.lock().await;
        let previous = self.snapshot(organization);
        let since = previous.as_ref().map(|p| p.change).unwrap_or_default();
        let read = match store.load_changes(organization, since).await {
            Ok(Some(changes)) => Snapshot::next(previous.as_deref(), changes, connectors),
            Ok(None) => Err(StoreError::Corrupt("the organization is gone".to_owned())),
            Err(error) => Err(error),
        };
        match read {
            Ok(snapshot) => {
                let snapshot = Arc::new(snapshot);
                self.install(&snapshot, previous.as_deref());
                self.mark(organization, false);
                Ok(snapshot)
            }
            Err(error) => {
                self.mark(organization, true);
                Err(error)
            }
        }
    }

    fn install(&self, snapshot: &Arc<Snapshot>, previous: Option<&Snapshot>) {
        let organization = snapshot.organization.id;
        let known = previous.map_or(0, |p| p.credentials.len() + p.tokens.len());
        if snapshot.credentials.len() + snapshot.tokens.len() != known {
            self.lookups.rcu(|lookups| {
                let mut lookups = HashMap::clone(lookups);
                let all = snapshot.credentials.keys().chain(snapshot.tokens.keys());
                lookups.extend(all.map(|lookup| (*lookup, organization)));
                lookups
            });
        }
        self.organizations.rcu(|organizations| {
            let mut organizations = HashMap::clone(organizations);
            organizations.insert(organization, Arc::clone(snapshot));
            organizations
        });
    }

    fn mark(&self, organization: OrganizationId, dirty: bool) {
        self.dirty.rcu(|all| {
            let mut all: Vec<_> = all
                .iter()
                .copied()
                .filter(|id| *id != organization)
                .collect();
            if dirty {
                all.push(organization);
            }
            all
        });
    }

    /// What was used since the last time this was asked.
    pub(crate) fn take_touched(&self) -> Vec<Touched> {
        let mut touched = Vec::new();
        for snapshot in self.organizations() {
            let organization = snapshot.organization.id;
            for entry in snapshot.credentials.values() {
                if let Some(at) = entry.used.take() {
                    let (agent, id): (AgentId, CredentialId) =
                        (entry.credential.agent, entry.credential.id);
                    if let Some(seen) = snapshot.agents.get(&agent) {
                        seen.used.touch(at);
                    }
                    touched.push(Touched::Credential(organization, agent, id, at));
                }
            }
            for entry in snapshot.tokens.values() {
                if let Some(at) = entry.used.take() {
                    let id: TokenId = entry.token.id;
                    touched.push(Touched::Token(organization, id, at));
                }
            }
        }
        touched
    }
}
