//! The hot path in process, call by call: what `instructions.py` counts the instructions of
//!
//! A real gateway on a real store, without sockets: their system calls come as the kernel likes,
//! everything else comes the same in every run.

use std::hint::black_box;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use relynt_domain::{
    ConnectorDefinition, ConnectorRecord, Fault, IdempotencyKey, OrganizationId, Timestamp,
    ToolCallDraft,
};
use relynt_gateway::ports::{Clock, Connector, Connectors, Entropy, EntropyError, Untimed};
use relynt_gateway::{
    AgentDraft, CredentialKey, Gateway, Intake, Parts, Place, Principal, Rotation, Settings,
    Simulation,
};
use relynt_json::Value;
use relynt_server::{SystemTimer, WireAnswers};
use relynt_store::{OpenOptions, SqliteStore};
use zeroize::Zeroizing;

use crate::ids::Chance;
use crate::sample::{Mix, Outcome, body, rules};

/// What is done again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Way {
    /// A denied call: authenticate, parse, evaluate, sign, seal, commit, render.
    Deny,
    /// A call that the agent may perform.
    Allow,
    /// A call that a person is asked about.
    Ask,
    /// A simulation: nothing is stored.
    Simulate,
    /// The strict parser alone.
    Parse,
    /// The evaluation alone, under 10,000 rules.
    Evaluate,
}

const MIX: Mix = Mix {
    rules: 100,
    candidates: 50,
};
const REQUEST: &str = "hot-path";

/// Does it `count` times, in a folder that is made for it.
pub fn run(what: Way, count: usize, folder: &Path) -> Result<()> {
    match what {
        Way::Parse => return parse(count),
        Way::Evaluate => return evaluate(count),
        Way::Deny | Way::Allow | Way::Ask | Way::Simulate => {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let gateway = &open(folder).await?;
        let secret = prepare(gateway).await?;
        let outcome = match what {
            Way::Allow => Outcome::Allow,
            Way::Ask => Outcome::Ask,
            _ => Outcome::Deny,
        };
        // As many bodies and keys whatever `count` is, so that they cost the same.
        let bodies: Vec<String> = (0..2000)
            .map(|number| body(outcome, number, 0, false).to_string())
            .collect();
        let keys: Vec<String> = (0..2000)
            .map(|number| format!("019a0000-0000-7000-8000-{number:012}"))
            .collect();
        anyhow::ensure!(count <= bodies.len(), "at most {} times", bodies.len());
        for (body, key) in bodies.iter().zip(&keys).take(count) {
            let caller = gateway.authenticate_agent(&secret)?;
            let body = relynt_json::parse(body.as_bytes())?;
            if what == Way::Simulate {
                let draft =
                    ToolCallDraft::from_simulation(body).map_err(|faults| anyhow!("{faults:?}"))?;
                let question = Simulation {
                    draft,
                    version: None,
                    rules: None,
                    agent: None,
                };
                black_box(
                    gateway
                        .simulate(&Principal::Agent(caller), question)
                        .await?,
                );
                continue;
            }
            let draft = ToolCallDraft::from_body(body).map_err(|faults| anyhow!("{faults:?}"))?;
            let intake = Intake {
                instance_id: draft.instance_id.clone().context("an instance")?,
                draft,
                key: IdempotencyKey::new(key.as_bytes()).map_err(anyhow::Error::msg)?,
                request_id: key.clone(),
                traceparent: None,
                place: Place::unbounded(),
            };
            black_box(gateway.submit(caller, intake).await?);
        }
        Ok(())
    })
}

/// A clock that goes on by a millisecond whenever it is looked at: the same in every run.
#[derive(Debug, Default)]
struct Steps(AtomicU64);

impl Clock for Steps {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(1_767_225_600_000 + self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn uptime(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// Chance that is the same in every run.
struct Seeded(Mutex<Chance>);

impl Entropy for Seeded {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyError> {
        let mut chance = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for bytes in buffer.chunks_mut(8) {
            for (to, from) in bytes.iter_mut().zip(chance.bits().to_le_bytes()) {
                *to = from;
            }
        }
        Ok(())
    }
}

/// Nothing is performed here.
struct NoConnectors;

impl Connectors for NoConnectors {
    fn check(
        &self,
        _: OrganizationId,
        _: &Value,
        _: Option<&ConnectorDefinition>,
    ) -> Result<ConnectorDefinition, Vec<Fault>> {
        Err(vec![Fault::new("", "there are no connectors here")])
    }

    fn compile(
        &self,
        _: OrganizationId,
        _: &ConnectorRecord,
    ) -> Result<Arc<dyn Connector>, String> {
        Err("there are no connectors here".to_owned())
    }
}

async fn open(folder: &Path) -> Result<Gateway> {
    let master_key = std::array::from_fn(|at| at as u8);
    let entropy: Arc<dyn Entropy> = Arc::new(Seeded(Mutex::new(Chance::new(1))));
    let options = OpenOptions::new(folder, Zeroizing::new(master_key), Arc::clone(&entropy));
    let parts = Parts {
        store: SqliteStore::open(options)?,
        connectors: Arc::new(NoConnectors),
        clock: Arc::new(Steps::default()),
        timer: Arc::new(SystemTimer),
        entropy,
        answers: Arc::new(WireAnswers),
        stages: Arc::new(Untimed),
        credential_key: CredentialKey::derive(&master_key)?,
        settings: Settings::default(),
    };
    Ok(Gateway::open(parts, true).await?)
}

/// An organization with an agent and the sample policy; the agent's secret.
async fn prepare(gateway: &Gateway) -> Result<String> {
    let created = gateway
        .create_organization("Bench", "owner@example.com")
        .await?;
    let person = || gateway.authenticate_person(&created.access_token);
    let draft = AgentDraft {
        name: "bench".to_owned(),
        ..AgentDraft::default()
    };
    let agent = gateway
        .create_agent(&person()?, draft, REQUEST)
        .await?
        .agent
        .id;
    let rules = relynt_json::parse(rules(MIX).to_string().as_bytes())?;
    let version = gateway
        .create_policy(&person()?, &rules, None, REQUEST)
        .await?
        .row
        .version;
    gateway
        .activate_policy(&person()?, version, None, true, REQUEST)
        .await?;
    let rotated = gateway
        .rotate(&person()?, agent, Rotation::default(), REQUEST)
        .await?;
    Ok(rotated.agent_secret.to_string())
}

fn parse(count: usize) -> Result<()> {
    let bodies: Vec<String> = (0..2000)
        .map(|number| body(Outcome::Deny, number, 0, false).to_string())
        .collect();
    for body in bodies.iter().cycle().take(count) {
        black_box(relynt_json::parse(black_box(body.as_bytes()))?);
    }
    Ok(())
}

fn evaluate(count: usize) -> Result<()> {
    let policy = crate::evaluate::policy(Mix {
        rules: 10_000,
        candidates: 50,
    })?;
    let bodies = crate::evaluate::bodies(Outcome::Deny, 2000)?;
    for body in bodies.iter().cycle().take(count) {
        let text = |name| {
            body.get(name)
                .and_then(relynt_json::Value::as_str)
                .unwrap_or_default()
        };
        black_box(policy.evaluate(&relynt_policy::Request {
            action: text("action"),
            resource: text("resource"),
            payload: body.get("payload"),
            agent: None,
        }));
    }
    Ok(())
}
