//! What would be decided: the same engine, no side effect.

use std::sync::Arc;

use relynt_domain::{AgentId, Decision, Fault, PolicyVersion, RiskLevel, ToolCallDraft, Verdict};
use relynt_json::Value;
use relynt_policy::{AgentFacts, Explanation, Policy, Request};

use crate::directory::parse_policy;
use crate::ports::StoreError;
use crate::{Gateway, Principal};

/// What to try.
#[derive(Debug, Clone)]
pub struct Simulation {
    /// The call.
    pub draft: ToolCallDraft,
    /// A saved version in place of the active one; for people.
    pub version: Option<PolicyVersion>,
    /// A draft in place of a saved one: an array of rules; for people.
    pub rules: Option<Value>,
    /// Who would call; for people.
    pub agent: Option<AgentId>,
}

/// What would be decided, and why.
#[derive(Debug, Clone)]
pub struct Simulated {
    /// What would come of it.
    pub decision: Decision,
    /// How bad it would be.
    pub risk_level: RiskLevel,
    /// Whether a person would be asked.
    pub requires_approval: bool,
    /// Which rule would decide and why.
    pub reason: String,
    /// The version that was tried; `draft` for rules given inline.
    pub policy_version: String,
    /// The rule that would decide, as given.
    pub matched_rule: Option<Value>,
    /// Its id.
    pub rule_id: Option<String>,
    /// Its position, from 0; for people.
    pub rule_index: Option<usize>,
    /// What matched by name but did not apply; for people.
    pub skipped: Option<Vec<relynt_policy::Skipped>>,
}

/// Nothing was simulated.
#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    /// The body asks for what the caller may not have, or its rules are wrong.
    #[error("the simulation is not as described")]
    Invalid(Vec<Fault>),
    /// There is no such version or agent.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Gateway {
    /// Evaluates a call without any effect.
    ///
    /// # Errors
    /// See [`SimulateError`].
    pub async fn simulate(
        &self,
        principal: &Principal,
        simulation: Simulation,
    ) -> Result<Simulated, SimulateError> {
        let (snapshot, agent, is_person) = match principal {
            Principal::Agent(caller) => {
                refuse_options(&simulation)?;
                (&caller.snapshot, Some(caller.agent), false)
            }
            Principal::Person(person) => (&person.snapshot, simulation.agent, true),
        };
        let agent = match agent {
            Some(id) => Some(Arc::clone(
                snapshot.agent(id).ok_or(SimulateError::NotFound("agent"))?,
            )),
            None => None,
        };
        let request = Request {
            action: simulation.draft.action.as_str(),
            resource: simulation.draft.resource.as_str(),
            payload: simulation.draft.payload.as_ref(),
            agent: agent.as_ref().map(|entry| AgentFacts {
                id: entry.agent.id,
                name: entry.agent.name.as_str(),
                tags: entry.agent.tags.as_slice(),
            }),
        };
        let exists = |id: &AgentId| snapshot.agent(*id).is_some();
        let simulated = match (&simulation.rules, simulation.version) {
            (Some(_), Some(_)) => {
                let fault = Fault::new("/version", "give either `version` or `rules`, not both");
                return Err(SimulateError::Invalid(vec![fault]));
            }
            (Some(rules), None) => {
                let policy = Policy::parse(rules, &exists).map_err(SimulateError::Invalid)?;
                rendered(&policy, policy.explain(&request), "draft".to_owned())
            }
            (None, Some(version)) if version != snapshot.active.version => {
                let row = self
                    .store
                    .find_policy(snapshot.organization.id, version)
                    .await?
                    .ok_or(SimulateError::NotFound("policy version"))?;
                let policy = parse_policy(&row, &exists)?;
                rendered(&policy, policy.explain(&request), version.to_string())
            }
            (None, _) => {
                let policy = &snapshot.active.policy;
                rendered(
                    policy,
                    policy.explain(&request),
                    snapshot.active.version.to_string(),
                )
            }
        };
        Ok(if is_person {
            simulated
        } else {
            Simulated {
                rule_index: None,
                skipped: None,
                ..simulated
            }
        })
    }
}

fn refuse_options(simulation: &Simulation) -> Result<(), SimulateError> {
    let options = [
        ("/version", simulation.version.is_some()),
        ("/rules", simulation.rules.is_some()),
        ("/agent_id", simulation.agent.is_some()),
    ];
    let faults: Vec<_> = options
        .into_iter()
        .filter(|(_, given)| *given)
        .map(|(pointer, _)| Fault::new(pointer, "this option is for people, with an access token"))
        .collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(SimulateError::Invalid(faults))
    }
}

fn rendered(policy: &Policy, explanation: Explanation, policy_version: String) -> Simulated {
    let evaluation = explanation.evaluation;
    let decision = match evaluation.verdict {
        Verdict::Allow => Decision::Allow,
        Verdict::Deny => Decision::Deny,
        Verdict::RequireApproval => Decision::PendingApproval,
        Verdict::Error => Decision::Error,
    };
    let matched_rule = evaluation
        .rule
        .and_then(|index| policy.rules_json().as_array()?.get(index).cloned());
    Simulated {
        decision,
        risk_level: evaluation.risk_level,
        requires_approval: evaluation.verdict == Verdict::RequireApproval,
        reason: evaluation.reason,
        policy_version,
        matched_rule,
        rule_id: evaluation.rule_id,
        rule_index: evaluation.rule,
        skipped: Some(explanation.skipped),
    }
}
