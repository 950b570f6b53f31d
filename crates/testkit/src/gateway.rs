//! A whole gateway in a test: real store, fake target, a clock that the test moves.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use relynt_domain::{
    AgentId, IdempotencyKey, InstanceId, OrganizationId, PolicyVersion, ToolCallDraft,
};
use relynt_gateway::ports::{
    AnswerParts, Answers, Clock as _, Page, ReceiptFilter, RenderedAnswer, Store, Timer, Untimed,
};
use relynt_gateway::{
    AgentDraft, ApprovalView, Caller, CredentialKey, DecideApproval, Gateway, Intake, Parts,
    Person, Place, Principal, ResolveError, Rotation, Settings, SubmitError, Submitted,
};
use relynt_json::Value;
use relynt_ledger::{Decision, PolicyVerdict, Receipt};
use relynt_store::{OpenOptions, PostgresOptions, PostgresStore, SqliteStore};
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::postgres::{OWNER, PostgresServer, PostgresVersion};
use crate::{FakeConnectors, FaultyStore, FixedClock, SeededEntropy};

const MASTER_KEY: [u8; 32] = [5; 32];

/// Waits a thousandth of what it is asked to.
#[derive(Debug, Clone, Copy, Default)]
pub struct HastyTimer;

#[async_trait]
impl Timer for HastyTimer {
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration / 1000).await;
    }
}

/// Renders answers without the wire's types: enough to compare them.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlainAnswers;

impl Answers for PlainAnswers {
    fn format(&self) -> u16 {
        1
    }

    fn render(&self, answer: &AnswerParts<'_>) -> RenderedAnswer {
        let http_status = match (answer.receipt.decision, answer.receipt.verdict) {
            (Decision::Error, Some(PolicyVerdict::Error)) => 422,
            (Decision::Error, _) => 502,
            _ => 200,
        };
        let body = format!(
            "{} {} {} {}",
            answer.receipt.decision.as_str(),
            answer.receipt.receipt_id,
            answer.tool_response.unwrap_or("-"),
            // Only what is kept may have the request's id.
            if http_status == 200 {
                ""
            } else {
                answer.request_id
            },
        );
        RenderedAnswer {
            http_status,
            body: body.into_bytes(),
        }
    }
}

/// A gateway with an organization, its Owner and an agent.
pub struct TestGateway {
    /// The gateway.
    pub gateway: Arc<Gateway>,
    /// Its store, which fails where told to.
    pub store: Arc<FaultyStore>,
    /// What it executes with.
    pub connectors: FakeConnectors,
    /// Its clock.
    pub clock: Arc<FixedClock>,
    /// The organization.
    pub organization: OrganizationId,
    /// The agent.
    pub agent: AgentId,
    /// The agent's credential.
    pub agent_secret: String,
    /// The Owner's token.
    pub access_token: String,
    entropy: Arc<SeededEntropy>,
    inner: Inner,
    // Last: it goes after everything that lives on it.
    ground: Ground,
}

/// What a store lives on.
enum Ground {
    Folder(TempDir),
    Server(Box<PostgresServer>),
}

impl Ground {
    fn folder() -> Self {
        Self::Folder(TempDir::new().expect("a folder"))
    }

    /// A server of its own.
    async fn server() -> Self {
        let server = PostgresServer::start_with_schema(PostgresVersion::Fifteen).await;
        Self::Server(Box::new(server))
    }

    async fn open(&self, entropy: &Arc<SeededEntropy>) -> Inner {
        let (key, entropy) = (Zeroizing::new(MASTER_KEY), Arc::clone(entropy) as _);
        match self {
            Self::Folder(folder) => {
                let options = OpenOptions::new(folder.path(), key, entropy);
                Inner::Sqlite(SqliteStore::open(options).expect("the store opens"))
            }
            Self::Server(server) => {
                let url = Zeroizing::new(server.url(OWNER, "relynt"));
                let options = PostgresOptions::new(url, key, entropy);
                let opened = PostgresStore::open(options).await;
                Inner::Postgres(opened.expect("the store opens"))
            }
        }
    }
}

/// The store itself.
enum Inner {
    Sqlite(Arc<SqliteStore>),
    Postgres(Arc<PostgresStore>),
}

impl Inner {
    fn port(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(store) => Arc::clone(store) as Arc<dyn Store>,
            Self::Postgres(store) => Arc::clone(store) as Arc<dyn Store>,
        }
    }

    /// Whether nobody else holds it.
    fn is_alone(&mut self) -> bool {
        match self {
            Self::Sqlite(store) => Arc::get_mut(store).is_some(),
            Self::Postgres(store) => Arc::get_mut(store).is_some(),
        }
    }
}

async fn parts(
    ground: &Ground,
    clock: &Arc<FixedClock>,
    entropy: &Arc<SeededEntropy>,
    connectors: &FakeConnectors,
) -> (Inner, Arc<FaultyStore>, Parts) {
    let inner = ground.open(entropy).await;
    let store = FaultyStore::new(inner.port());
    let parts = Parts {
        store: Arc::clone(&store) as Arc<dyn Store>,
        connectors: Arc::new(connectors.clone()),
        clock: Arc::clone(clock) as _,
        timer: Arc::new(HastyTimer),
        entropy: Arc::clone(entropy) as _,
        answers: Arc::new(PlainAnswers),
        stages: Arc::new(Untimed),
        credential_key: CredentialKey::derive(&MASTER_KEY).expect("a key"),
        settings: Settings::default(),
    };
    (inner, store, parts)
}

impl TestGateway {
    /// Starts one on the embedded store. Its policy denies everything.
    pub async fn start() -> Self {
        Self::start_on(Ground::folder()).await
    }

    /// The same on a PostgreSQL server of its own.
    pub async fn start_on_postgres() -> Self {
        Self::start_on(Ground::server().await).await
    }

    async fn start_on(ground: Ground) -> Self {
        let clock = Arc::new(FixedClock::default());
        let entropy = Arc::new(SeededEntropy::default());
        let connectors = FakeConnectors::default();
        let (inner, store, parts) = parts(&ground, &clock, &entropy, &connectors).await;
        let gateway = Arc::new(Gateway::open(parts, true).await.expect("the gateway opens"));
        let created = gateway
            .create_organization("Test", "owner@example.com")
            .await
            .expect("an organization");
        let access_token = created.access_token.to_string();
        let owner = gateway
            .authenticate_person(&access_token)
            .expect("the Owner");
        let draft = AgentDraft {
            name: "Deal Bot".to_owned(),
            ..AgentDraft::default()
        };
        let agent = gateway
            .create_agent(&owner, draft, "test")
            .await
            .expect("an agent")
            .agent
            .id;
        let rotated = gateway
            .rotate(&owner, agent, Rotation::default(), "test")
            .await
            .expect("a credential");
        Self {
            organization: created.organization,
            agent,
            agent_secret: rotated.agent_secret.to_string(),
            access_token,
            gateway,
            store,
            connectors,
            clock,
            entropy,
            inner,
            ground,
        }
    }

    /// A gateway without any organization, and what it lives on.
    pub async fn empty() -> (Gateway, impl Any) {
        Self::empty_on(Ground::folder()).await
    }

    /// The same on a PostgreSQL server of its own.
    pub async fn empty_on_postgres() -> (Gateway, impl Any) {
        Self::empty_on(Ground::server().await).await
    }

    async fn empty_on(ground: Ground) -> (Gateway, Ground) {
        let clock = Arc::new(FixedClock::default());
        let entropy = Arc::new(SeededEntropy::default());
        let connectors = FakeConnectors::default();
        let (_, _, parts) = parts(&ground, &clock, &entropy, &connectors).await;
        let gateway = Gateway::open(parts, true).await.expect("the gateway opens");
        (gateway, ground)
    }

    /// Ends this gateway without a word, as a crash does, and starts another on what it had.
    pub async fn restart(self) -> Self {
        let Self {
            gateway,
            store,
            inner,
            connectors,
            clock,
            entropy,
            ground,
            ..
        } = self;
        drop((gateway, store));
        let mut inner = inner;
        // Tasks that were cut off still hold the store for a moment.
        while !inner.is_alone() {
            tokio::task::yield_now().await;
        }
        drop(inner);
        let (inner, store, parts) = parts(&ground, &clock, &entropy, &connectors).await;
        let gateway = Arc::new(
            Gateway::open(parts, true)
                .await
                .expect("the gateway opens again"),
        );
        Self {
            gateway,
            store,
            inner,
            connectors,
            clock,
            entropy,
            ground,
            organization: self.organization,
            agent: self.agent,
            agent_secret: self.agent_secret,
            access_token: self.access_token,
        }
    }

    /// The Owner.
    pub fn owner(&self) -> Person {
        self.gateway
            .authenticate_person(&self.access_token)
            .expect("the Owner")
    }

    /// The agent.
    pub fn caller(&self) -> Caller {
        self.gateway
            .authenticate_agent(&self.agent_secret)
            .expect("the agent")
    }

    /// Saves and activates these rules.
    pub async fn activate(&self, rules: &str) -> PolicyVersion {
        let rules = relynt_json::parse(rules.as_bytes()).expect("JSON");
        let owner = self.owner();
        let saved = self
            .gateway
            .create_policy(&owner, &rules, None, "test")
            .await
            .expect("rules");
        let version = saved.row.version;
        let owner = self.owner();
        self.gateway
            .activate_policy(&owner, version, None, false, "test")
            .await
            .expect("an activation");
        version
    }

    /// Makes a connector for this action on everything.
    pub async fn connect(&self, action: &str) -> relynt_domain::ConnectorId {
        let body = format!(
            r#"{{"name":"{action}","action":"{action}","resource_pattern":"*","base_url":"https://a.example/"}}"#
        );
        let body = relynt_json::parse(body.as_bytes()).expect("JSON");
        let owner = self.owner();
        self.gateway
            .create_connector(&owner, &body, "test")
            .await
            .expect("a connector")
            .id
    }

    /// A call as it comes in.
    pub fn intake(key: &str, action: &str, resource: &str, payload: &str) -> Intake {
        let body = format!(
            r#"{{"action":"{action}","resource":"{resource}","instance_id":"run","payload":{payload}}}"#
        );
        let body = relynt_json::parse(body.as_bytes()).expect("JSON");
        Intake {
            draft: ToolCallDraft::from_body(body).expect("a call"),
            instance_id: InstanceId::new("run").expect("an instance"),
            key: IdempotencyKey::new(key.as_bytes()).expect("a key"),
            request_id: format!("request-of-{key}"),
            traceparent: None,
            place: Place::unbounded(),
        }
    }

    /// Makes a call.
    ///
    /// # Errors
    /// As [`Gateway::submit`].
    pub async fn call(
        &self,
        key: &str,
        action: &str,
        payload: &str,
    ) -> Result<Submitted, SubmitError> {
        let intake = Self::intake(key, action, "crm:deal:1", payload);
        self.gateway.submit(self.caller(), intake).await
    }

    /// Votes as the Owner and carries out what follows.
    ///
    /// # Errors
    /// As [`Gateway::decide_approval`].
    pub async fn decide(&self, vote: DecideApproval) -> Result<(), ResolveError> {
        if let Some(tail) = self.gateway.decide_approval(&self.owner(), vote).await? {
            self.gateway.carry_out_tail(tail).await;
        }
        Ok(())
    }

    /// The approval that is newest.
    pub async fn newest_approval(&self) -> ApprovalView {
        let page = Page {
            after: None,
            limit: 1,
        };
        let (mut all, _) = self
            .gateway
            .approvals(&self.owner(), None, None, page)
            .await
            .expect("approvals");
        all.pop().expect("an approval")
    }

    /// Every receipt, newest first, each of them valid.
    pub async fn receipts(&self) -> Vec<Receipt> {
        let page = Page {
            after: None,
            limit: 200,
        };
        let principal = Principal::Person(self.owner());
        let read = self
            .gateway
            .receipts(&principal, ReceiptFilter::default(), page)
            .await
            .expect("receipts");
        let mut receipts = Vec::new();
        for bytes in read.receipts {
            let signed = Receipt::from_bytes(&bytes).expect("a receipt");
            let id = signed.record().receipt_id.parse().expect("an id");
            let verified = self
                .gateway
                .verify_receipt(&principal, id)
                .await
                .expect("an answer");
            assert!(verified.is_valid(), "{:?}", verified.reason);
            receipts.push(signed.into_record());
        }
        receipts
    }

    /// The clock's present time, for what is to be given in the future.
    pub fn now(&self) -> relynt_domain::Timestamp {
        self.clock.now()
    }

    /// A JSON value.
    pub fn json(text: &str) -> Value {
        relynt_json::parse(text.as_bytes()).expect("JSON")
    }
}
