//! What holds for every policy and every request.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use relynt_json::{Object, Value};
use relynt_policy::{AgentFacts, MAX_REASON_BYTES, Policy, Request, Verdict};

use crate::reference;
use crate::support::{AGENT, NOBODY, parse_value};

fn pattern() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("*".to_owned()),
        "[ab:]{1,3}",
        "[ab:]{0,3}\\*",
        "[ab:*]{1,5}",
    ]
}

fn texts(from: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let list = subsequence(from, 1..=from.len());
    list.prop_map(|list| Value::Array(list.into_iter().map(Value::from).collect()))
}

fn conditions() -> impl Strategy<Value = Object> {
    let members = (
        prop::option::of(texts(&["x", "Y", "x.y", "y.x.y", "stage"])),
        prop::option::of((0..6u32).prop_map(Value::from)),
        prop::option::of(texts(&["won", "Lost", "new"])),
    );
    members.prop_map(|(fields, amount, stages)| {
        [
            ("deny_fields", fields),
            ("max_amount_change", amount),
            ("require_approval_if_stage", stages),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
    })
}

fn rule() -> impl Strategy<Value = Object> {
    let members = (
        pattern(),
        pattern(),
        prop::option::of(texts(&["red", "blue", AGENT])),
        select(&["allow", "deny", "require_approval"][..]),
        conditions(),
    );
    members.prop_map(|(action, resource, agents, decision, conditions)| {
        let mut rule = Object::new();
        rule.insert("action", action);
        rule.insert("resource_pattern", resource);
        rule.insert("decision", decision);
        if let Some(agents) = agents {
            rule.insert("agents", agents);
        }
        if decision != "deny" {
            rule.insert("conditions", conditions);
        }
        rule
    })
}

fn rules() -> impl Strategy<Value = Value> {
    prop::collection::vec(rule().prop_map(Value::from), 0..40).prop_map(Value::Array)
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-8..8i32).prop_map(Value::from),
        (-8..8i32).prop_map(|n| Value::from(n.to_string())),
        select(&["won", "WON ", "lost", "open", "", "1e3"][..]).prop_map(Value::from),
    ]
}

const NAMES: &[&str] = &[
    "x",
    "X",
    "y",
    "x.y",
    "y.x",
    "amount",
    "Amount",
    "previous_amount",
    "stage",
    "z",
];

fn any_payload() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            members(inner),
        ]
    })
}

fn members(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    prop::collection::vec((select(NAMES), value), 0..5)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

/// Objects whose values are mostly such that conditions look at them.
fn payload() -> impl Strategy<Value = Value> {
    prop_oneof![members(leaf()), members(any_payload())]
}

fn evaluate(
    policy: &Policy,
    request: (&str, &str, &Value),
    tags: &[String],
) -> (Verdict, Option<usize>) {
    let (action, resource, payload) = request;
    let agent = AgentFacts {
        id: NOBODY.parse().unwrap(),
        name: "n",
        tags,
    };
    let request = Request {
        action,
        resource,
        payload: Some(payload),
        agent: Some(agent),
    };
    let evaluation = policy.evaluate(&request);
    assert_eq!(policy.explain(&request).evaluation, evaluation);
    (evaluation.verdict, evaluation.rule)
}

fn strictness(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Allow => 0,
        Verdict::RequireApproval => 1,
        Verdict::Deny | Verdict::Error => 2,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn the_index_decides_as_reading_from_the_top_does(
        rules in rules(),
        requests in prop::collection::vec(("[ab:]{1,4}", "[ab:]{1,4}", payload()), 1..12),
        tags in subsequence(vec!["red".to_owned(), "blue".to_owned()], 0..=2),
    ) {
        let policy = parse_value(&rules).unwrap();
        for (action, resource, payload) in &requests {
            let request = (action.as_str(), resource.as_str(), payload);
            let (verdict, rule) = evaluate(&policy, request, &tags);
            let expected = reference::evaluate(&rules, request, (NOBODY, &tags));
            prop_assert_eq!((verdict.as_str(), rule), expected);
        }
    }

    #[test]
    fn conditions_never_weaken(mut rule in rule(), payload in payload()) {
        rule.insert("action", "*");
        rule.insert("resource_pattern", "*");
        rule.remove("agents");
        let decision = rule.get("decision").and_then(Value::as_str).unwrap().to_owned();
        let with = parse_value(&Value::Array(vec![rule.clone().into()])).unwrap();
        rule.remove("conditions");
        let without = parse_value(&Value::Array(vec![rule.into()])).unwrap();
        let (with, applied) = evaluate(&with, ("a", "b", &payload), &[]);
        let (without, _) = evaluate(&without, ("a", "b", &payload), &[]);
        prop_assert_eq!(without.as_str(), decision.as_str());
        // A rule that is skipped leaves the request to the rules below, here to the default.
        prop_assert!(strictness(with) >= strictness(without));
        prop_assert!(applied.is_some() || decision == "require_approval");
    }

    #[test]
    fn one_more_condition_on_a_rule_that_allows_never_weakens(rule in rule(), more in conditions(), payload in payload()) {
        let mut rule = rule;
        rule.insert("decision", "allow");
        rule.insert("action", "*");
        rule.insert("resource_pattern", "*");
        rule.remove("agents");
        let fewer = rule.get("conditions").and_then(Value::as_object).cloned().unwrap_or_default();
        let mut all = more;
        for (key, value) in &fewer {
            all.insert(key, value.clone());
        }
        rule.insert("conditions", fewer);
        let fewer = parse_value(&Value::Array(vec![rule.clone().into()])).unwrap();
        rule.insert("conditions", all);
        let more = parse_value(&Value::Array(vec![rule.into()])).unwrap();
        let (fewer, _) = evaluate(&fewer, ("a", "b", &payload), &[]);
        let (more, _) = evaluate(&more, ("a", "b", &payload), &[]);
        prop_assert!(strictness(more) >= strictness(fewer));
    }

    #[test]
    fn evaluation_never_panics_and_never_allows_what_it_cannot_read(
        rules in rules(),
        action in ".{0,8}",
        resource in ".{0,8}",
        payload in any_payload(),
    ) {
        let policy = parse_value(&rules).unwrap();
        let request = Request { action: &action, resource: &resource, payload: Some(&payload), agent: None };
        let explanation = policy.explain(&request);
        prop_assert_eq!(&policy.evaluate(&request), &explanation.evaluation);
        prop_assert!(explanation.evaluation.reason.len() <= MAX_REASON_BYTES);
        if !matches!(payload, Value::Object(_) | Value::Null) {
            prop_assert_eq!(explanation.evaluation.verdict, Verdict::Error);
        }
    }

    #[test]
    fn reading_a_policy_never_panics(rules in any_payload(), keys in prop::collection::vec(".{0,6}", 0..4)) {
        let _ = parse_value(&rules);
        let rule: Object = keys.into_iter().map(|key| (key, rules.clone())).collect();
        let _ = parse_value(&Value::Array(vec![rule.into(), rules]));
    }
}

#[test]
fn a_policy_may_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Policy>();
}
