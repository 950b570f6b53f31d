use relynt_domain::AgentId;
use relynt_json::Value;
use relynt_policy::{AgentFacts, Evaluation, Fault, Policy, Request};

/// The one agent that exists.
pub(crate) const AGENT: &str = "0192f0c1-2345-7abc-8def-0123456789ab";
/// A well-formed id of nobody.
pub(crate) const NOBODY: &str = "0192f0c1-2345-7abc-8def-ffffffffffff";

pub(crate) fn json(text: &str) -> Value {
    relynt_json::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text:.200}"))
}

pub(crate) fn parse(rules: &str) -> Result<Policy, Vec<Fault>> {
    parse_value(&json(rules))
}

pub(crate) fn parse_value(rules: &Value) -> Result<Policy, Vec<Fault>> {
    Policy::parse(rules, &|id| id.to_string() == AGENT)
}

pub(crate) fn policy(rules: &str) -> Policy {
    parse(rules).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// The faults of a policy, each as `pointer: detail`.
pub(crate) fn faults(rules: &str) -> Vec<String> {
    let faults = parse(rules).err().unwrap_or_default();
    faults
        .into_iter()
        .map(|fault| format!("{}: {}", fault.pointer, fault.detail))
        .collect()
}

/// What a policy of one rule for everything says to a payload. The rule is given without its
/// `action` and `resource_pattern`.
pub(crate) fn one_rule(rule: &str, payload: &str) -> Evaluation {
    let rules = format!(r#"[{{"action":"*","resource_pattern":"*",{rule}}}]"#);
    ask(&policy(&rules), "update_deal", "crm:deal:123", payload)
}

/// Asks as an agent without tags. An empty payload is none.
pub(crate) fn ask(policy: &Policy, action: &str, resource: &str, payload: &str) -> Evaluation {
    ask_as(policy, AGENT, &[], (action, resource, payload))
}

pub(crate) fn ask_as(
    policy: &Policy,
    agent: &str,
    tags: &[&str],
    (action, resource, payload): (&str, &str, &str),
) -> Evaluation {
    let id: AgentId = agent.parse().unwrap();
    let tags: Vec<String> = tags.iter().map(|&tag| tag.to_owned()).collect();
    let payload = (!payload.is_empty()).then(|| json(payload));
    policy.evaluate(&Request {
        action,
        resource,
        payload: payload.as_ref(),
        agent: Some(AgentFacts {
            id,
            name: "agent",
            tags: &tags,
        }),
    })
}

/// The verdict in one word.
pub(crate) fn word(evaluation: &Evaluation) -> &'static str {
    evaluation.verdict.as_str()
}
