//! A connector that does what a test tells it, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use relynt_domain::{
    ConnectorDefinition, ConnectorRecord, ExecutionDetail, ExecutionStatus, Fault, HeaderValues,
    OrganizationId, ResponseState,
};
use relynt_gateway::ports::{Connector, Connectors, Done, Outcome, Permit, RouteFault, Slot};
use relynt_json::Value;
use relynt_policy::Pattern;
use tokio::sync::{Notify, Semaphore};

/// What the fake target does with the next call.
#[derive(Debug, Clone)]
pub enum Behaviour {
    /// Answers 200 with this JSON object.
    Succeed(&'static str),
    /// Answers 422: it did not act.
    Refuse,
    /// The connection breaks after the request was sent.
    Break,
    /// Does not answer before the test lets it; then succeeds.
    Hold(Arc<Notify>),
    /// The task that carries it out panics.
    Panic,
}

/// One call as the fake target saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What was done.
    pub action: String,
    /// To what.
    pub resource: String,
    /// With which payload, canonical.
    pub payload: String,
    /// The caller's key.
    pub key: String,
    /// The receipt that would tell of it.
    pub receipt_id: String,
    /// The approval that allowed it.
    pub approval_id: Option<String>,
}

#[derive(Default)]
struct State {
    script: VecDeque<Behaviour>,
    seen: Vec<Seen>,
}

/// Fake connectors: every stored one goes to the same scripted target. Without a script the target
/// answers 200 with `{"ok":true}`.
#[derive(Clone)]
pub struct FakeConnectors {
    state: Arc<Mutex<State>>,
    slots: Arc<Semaphore>,
}

impl Default for FakeConnectors {
    fn default() -> Self {
        Self {
            state: Arc::default(),
            slots: Arc::new(Semaphore::new(64)),
        }
    }
}

impl FakeConnectors {
    /// Adds what the target does with the next call that has no behaviour yet.
    pub fn script(&self, behaviour: Behaviour) {
        self.lock().script.push_back(behaviour);
    }

    /// What the target saw so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.lock().seen.clone()
    }

    /// Takes every slot until the returned value is dropped.
    pub fn fill(&self) -> Slot {
        let places = u32::try_from(self.slots.available_permits()).unwrap_or(u32::MAX);
        match Arc::clone(&self.slots).try_acquire_many_owned(places) {
            Ok(held) => Slot::new(held),
            Err(_) => Slot::new(()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connectors for FakeConnectors {
    fn check(
        &self,
        _: OrganizationId,
        body: &Value,
        current: Option<&ConnectorDefinition>,
    ) -> Result<ConnectorDefinition, Vec<Fault>> {
        let text = |name: &str, present: Option<&str>| {
            body.get(name)
                .and_then(Value::as_str)
                .or(present)
                .map(ToOwned::to_owned)
                .ok_or_else(|| {
                    vec![Fault::new(
                        format!("/{name}"),
                        format!("`{name}` is missing"),
                    )]
                })
        };
        Ok(ConnectorDefinition {
            name: text("name", current.map(|c| c.name.as_str()))?,
            position: 1,
            action: text("action", current.map(|c| c.action.as_str()))?,
            resource_pattern: text(
                "resource_pattern",
                current.map(|c| c.resource_pattern.as_str()),
            )?,
            base_url: text("base_url", current.map(|c| c.base_url.as_str()))?,
            headers: HeaderValues::default(),
            timeout_ms: 1000,
            routes: Value::Array(Vec::new()),
        })
    }

    fn compile(
        &self,
        _: OrganizationId,
        record: &ConnectorRecord,
    ) -> Result<Arc<dyn Connector>, String> {
        let pattern = |text: &str| Pattern::parse(text).map_err(|error| error.to_string());
        Ok(Arc::new(FakeConnector {
            connectors: self.clone(),
            action: pattern(&record.definition.action)?,
            resource: pattern(&record.definition.resource_pattern)?,
            binding: relynt_ledger::sha256(record.definition.base_url.as_bytes()),
        }))
    }
}

struct FakeConnector {
    connectors: FakeConnectors,
    action: Pattern,
    resource: Pattern,
    binding: [u8; 32],
}

#[async_trait]
impl Connector for FakeConnector {
    fn matches(&self, action: &str, resource: &str) -> bool {
        self.action.matches(action) && self.resource.matches(resource)
    }

    fn check_route(&self, _: &str, resource: &str, _: Option<&Value>) -> Result<(), RouteFault> {
        if resource.contains("..") {
            return Err(RouteFault("the resource does not fit the route".to_owned()));
        }
        Ok(())
    }

    fn binding(&self) -> [u8; 32] {
        self.binding
    }

    fn budget(&self, _: &str) -> Duration {
        Duration::from_secs(1)
    }

    fn try_slot(&self) -> Option<Slot> {
        Arc::clone(&self.connectors.slots)
            .try_acquire_owned()
            .ok()
            .map(Slot::new)
    }

    #[expect(clippy::panic, reason = "the panic is what the test asked for")]
    async fn execute(&self, permit: Permit) -> Done {
        let request = permit.redeem();
        let behaviour = {
            let mut state = self.connectors.lock();
            state.seen.push(Seen {
                action: request.call.action.to_string(),
                resource: request.call.resource.to_string(),
                payload: request.call.payload_canonical.clone(),
                key: request.call.key.as_str().to_owned(),
                receipt_id: request.receipt.to_string(),
                approval_id: request.approval.map(|id| id.to_string()),
            });
            state
                .script
                .pop_front()
                .unwrap_or(Behaviour::Succeed(r#"{"ok":true}"#))
        };
        match behaviour {
            Behaviour::Succeed(body) => succeeded(body),
            Behaviour::Hold(go) => {
                go.notified().await;
                succeeded(r#"{"ok":true}"#)
            }
            Behaviour::Refuse => Done {
                outcome: Outcome {
                    status: ExecutionStatus::Failed,
                    detail: Some(ExecutionDetail::Refused),
                    response: ResponseState::Complete,
                    attempts: 1,
                    http_status: Some(422),
                },
                tool_response: Some(r#"{"error":"no"}"#.to_owned()),
                response_hash: Some(relynt_ledger::sha256(b"no")),
            },
            Behaviour::Break => Done {
                outcome: Outcome {
                    status: ExecutionStatus::Unknown,
                    detail: Some(ExecutionDetail::Broken),
                    response: ResponseState::None,
                    attempts: 1,
                    http_status: None,
                },
                tool_response: None,
                response_hash: None,
            },
            Behaviour::Panic => panic!("the test asked for it"),
        }
    }
}

fn succeeded(body: &str) -> Done {
    Done {
        outcome: Outcome {
            status: ExecutionStatus::Succeeded,
            detail: None,
            response: ResponseState::Complete,
            attempts: 1,
            http_status: Some(200),
        },
        tool_response: Some(body.to_owned()),
        response_hash: Some(relynt_ledger::sha256(body.as_bytes())),
    }
}
