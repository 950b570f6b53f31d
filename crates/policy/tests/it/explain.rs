//! What a person who tries a policy is told.

use relynt_domain::AgentId;
use relynt_policy::{AgentFacts, Request};

use crate::support::{AGENT, json, policy};

const RULES: &str = r#"[
    {"id":"elsewhere","action":"read","resource_pattern":"*","decision":"deny"},
    {"action":"pay","resource_pattern":"*","agents":["billing"],"decision":"allow"},
    {"id":"big","action":"*","resource_pattern":"account:*","decision":"require_approval",
     "conditions":{"max_amount_change":100}},
    {"id":"rest","action":"pay","resource_pattern":"*","decision":"allow"},
    {"id":"below","action":"pay","resource_pattern":"*","agents":["x"],"decision":"deny"}
]"#;

fn explain(agent: Option<&[&str]>) -> Vec<(usize, String, String)> {
    let policy = policy(RULES);
    let payload = json(r#"{"amount":1}"#);
    let tags: Vec<String> = agent
        .unwrap_or_default()
        .iter()
        .map(|&tag| tag.to_owned())
        .collect();
    let id: AgentId = AGENT.parse().unwrap();
    let request = Request {
        action: "pay",
        resource: "account:1",
        payload: Some(&payload),
        agent: agent.map(|_| AgentFacts {
            id,
            name: "a",
            tags: &tags,
        }),
    };
    let explanation = policy.explain(&request);
    assert_eq!(explanation.evaluation, policy.evaluate(&request));
    explanation
        .skipped
        .into_iter()
        .map(|skipped| (skipped.rule_index, skipped.rule_id, skipped.reason))
        .collect()
}

#[test]
fn rules_that_match_by_name_and_do_not_apply_are_listed_with_why() {
    let no_condition = "the rule asks only if a condition fires, and none does";
    let skipped = |index: usize, id: &str, why: &str| (index, id.to_owned(), why.to_owned());
    assert_eq!(explain(Some(&["billing"])), []);
    assert_eq!(
        explain(Some(&["sales"])),
        [
            skipped(1, "2", "the rule is for other agents"),
            skipped(2, "big", no_condition),
        ]
    );
    assert_eq!(
        explain(None),
        [
            skipped(
                1,
                "2",
                "the rule names agents and the request is without one"
            ),
            skipped(2, "big", no_condition),
        ]
    );
}
