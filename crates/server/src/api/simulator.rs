//! `POST /v1/policy-simulator`: what would be decided, without any effect

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use relynt_api::{Json, Problem, Simulation, SimulationAnswer, Skipped};
use relynt_domain::{AgentId, Decision, Fault, PolicyVersion, ToolCallDraft};
use relynt_gateway::{Simulated, Simulation as Question};
use relynt_json::Value;

use crate::{
    app::{Answer, App, json},
    cx::Cx,
    error::Refusal,
    limits::TOOL_CALL_BODY,
    wire::{self, ToWire as _},
};

/// Try a call
///
/// The same engine as for a call, without any side effect. The options `version`, `rules` and
/// `agent_id`, and the fields `rule_index` and `skipped` of the answer, are for people.
#[utoipa::path(
    post,
    path = "/v1/policy-simulator",
    operation_id = "simulate",
    tag = "calls",
    security(("agent" = []), ("person" = [])),
    request_body = Simulation,
    responses(
        (status = 200, description = "What would be decided", body = SimulationAnswer),
        (status = 404, description = "There is no such version, or no such agent", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn simulate(State(app): State<Arc<App>>, cx: Cx) -> Answer {
    let principal = app.reader(&cx)?;
    cx.query(&[])?;
    let question = question(cx.json(TOOL_CALL_BODY, &app.limits).await?)?;
    let simulated = app.gateway.simulate(&principal, question).await?;
    json(StatusCode::OK, &answer(simulated)?)
}

fn question(mut body: Value) -> Result<Question, Refusal> {
    let mut faults = Vec::new();
    let mut take = |name: &str| {
        let value = body.as_object_mut()?.remove(name);
        value.filter(|value| !value.is_null())
    };
    let (version, rules, agent) = (take("version"), take("rules"), take("agent_id"));
    let version = version.and_then(|value| {
        read::<PolicyVersion>(
            &value,
            "version",
            "must be a version such as `v3`",
            &mut faults,
        )
    });
    let agent = agent.and_then(|value| {
        read::<AgentId>(&value, "agent_id", "must be a lowercase UUID", &mut faults)
    });
    match ToolCallDraft::from_simulation(body) {
        Ok(draft) if faults.is_empty() => Ok(Question {
            draft,
            version,
            rules,
            agent,
        }),
        Ok(_) => Err(Refusal::faults(faults)),
        Err(more) => {
            faults.extend(more);
            Err(Refusal::faults(faults))
        }
    }
}

fn read<T: std::str::FromStr>(
    value: &Value,
    name: &str,
    should: &str,
    faults: &mut Vec<Fault>,
) -> Option<T> {
    let read = value.as_str().and_then(|text| text.parse().ok());
    if read.is_none() {
        faults.push(Fault::new(format!("/{name}"), format!("`{name}` {should}")));
    }
    read
}

fn answer(simulated: Simulated) -> Result<SimulationAnswer, Refusal> {
    let decision = match simulated.decision {
        Decision::Allow => relynt_api::Decision::Allow,
        Decision::Deny => relynt_api::Decision::Deny,
        Decision::PendingApproval => relynt_api::Decision::PendingApproval,
        Decision::Error => {
            return Err(Refusal::new(
                relynt_api::ErrorCode::PolicyError,
                simulated.reason,
            ));
        }
    };
    Ok(SimulationAnswer {
        decision,
        risk_level: simulated.risk_level.wire(),
        requires_approval: simulated.requires_approval,
        reason: simulated.reason,
        policy_version: simulated.policy_version,
        matched_rule: matched_rule(simulated.matched_rule, simulated.rule_id)?,
        rule_index: simulated.rule_index.map(index),
        skipped: simulated.skipped.map(|skipped| {
            skipped
                .into_iter()
                .map(|skipped| Skipped {
                    rule_index: index(skipped.rule_index),
                    rule_id: skipped.rule_id,
                    reason: skipped.reason,
                })
                .collect()
        }),
    })
}

/// The rule as it was saved, with the id that it goes by.
fn matched_rule(rule: Option<Value>, id: Option<String>) -> Result<Option<Json>, Refusal> {
    let Some(mut rule) = rule else {
        return Ok(None);
    };
    if let (Some(object), Some(id)) = (rule.as_object_mut(), id) {
        object.insert("id", id);
    }
    wire::json(rule.to_canonical()).map(Some)
}

/// There are at most 10,000 rules.
fn index(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
