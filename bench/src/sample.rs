//! The requests that every side is asked, and the policies that they are decided under
//!
//! One action, `update_deal`, so that every outcome has the same way through the rules; the
//! resource says what comes of it: `crm:deny:…`, `crm:allow:…`, `crm:run:…` (a connector performs
//! it) and `crm:ask:…` (a person is asked).

use serde_json::{Map, Value, json};

/// What comes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Outcome {
    /// Denied.
    Deny,
    /// Allowed; the agent performs it.
    Allow,
    /// Allowed; a connector performs it.
    Run,
    /// A person is asked.
    Ask,
}

impl Outcome {
    /// Its place in the resource.
    pub fn word(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Allow => "allow",
            Self::Run => "run",
            Self::Ask => "ask",
        }
    }
}

/// What a sender replaces by a number of its own, so that no two payloads are the same.
pub const UNIQUE: &str = "@@@@@@@@@@@@";

/// One of the payloads: with `padding` 0 a body has about 300 bytes.
pub fn payload(number: usize, padding: usize, unique: bool) -> Value {
    let previous = 1000 + (number * 37) % 90_000;
    let stage = ["qualified", "proposal", "negotiation"].get(number % 3);
    let mut payload = json!({
        "amount": previous + number % 900,
        "previous_amount": previous,
        "currency": "EUR",
        "stage": stage,
        "close_date": format!("2026-{:02}-{:02}", 1 + number % 12, 1 + number % 28),
        "note": format!("after call {}: went well, the customer asks for {} more seats", number, 5 + number % 40),
        "reference": if unique { UNIQUE.to_owned() } else { format!("{:012}", number * 7919) },
    });
    if padding > 0
        && let Some(fields) = payload.as_object_mut()
    {
        fields.insert("attachment".to_owned(), Value::String("x".repeat(padding)));
    }
    payload
}

/// The body of a call.
pub fn body(outcome: Outcome, number: usize, padding: usize, unique: bool) -> Value {
    json!({
        "action": "update_deal",
        "resource": format!("crm:{}:{number}", outcome.word()),
        "instance_id": format!("bench-{:04}", number % 64),
        "payload": payload(number, padding, unique),
    })
}

/// The same question as a check of Cerbos.
pub fn cerbos_body(number: usize) -> Value {
    json!({
        "requestId": format!("{:08}-bench-{:012}", number, number * 7919),
        "principal": { "id": format!("bench-{:04}", number % 64), "roles": ["agent"], "attr": {} },
        "resources": [{
            "actions": ["update_deal"],
            "resource": { "kind": "crm", "id": format!("deny:{number}"), "attr": payload(number, 0, false) },
        }],
    })
}

/// The same question as an evaluation of Agent Control.
pub fn agent_control_body(number: usize) -> Value {
    json!({
        "agent_name": "bench-agent",
        "stage": "pre",
        "step": {
            "type": "tool",
            "name": "update_deal",
            "input": { "resource": format!("crm:deny:{number}"), "payload": payload(number, 0, false) },
        },
    })
}

/// How a policy is made up.
#[derive(Debug, Clone, Copy)]
pub struct Mix {
    /// Rules: 60 % with an exact action, 30 % with the beginning of one, 10 % with `*`.
    pub rules: usize,
    /// How many of them the sample request has to look at, conditions included.
    pub candidates: usize,
}

impl Mix {
    /// How many rules of each kind there are, and how many of those the request looks at.
    fn shares(self) -> [(usize, usize); 3] {
        let Self { rules, candidates } = self;
        let (exact, prefix) = (rules * 6 / 10, rules * 3 / 10);
        let star = rules - exact - prefix;
        // The four that decide are exact and one of them is looked at; the last star is the
        // catch-all, which is not reached.
        let (of_prefix, of_star) = (
            (candidates * 3 / 10).min(prefix),
            (candidates / 10).min(star.saturating_sub(1)),
        );
        let of_exact = candidates
            .saturating_sub(of_prefix + of_star + 1)
            .min(exact.saturating_sub(4));
        [
            (exact.saturating_sub(4), of_exact),
            (prefix, of_prefix),
            (star.saturating_sub(1), of_star),
        ]
    }
}

/// The rules of a policy.
pub fn rules(mix: Mix) -> Value {
    let [exact, prefix, star] = mix.shares();
    let mut rules = Vec::with_capacity(mix.rules);
    for number in 0..exact.0.max(prefix.0).max(star.0) {
        if number < exact.0 {
            let reached = number < exact.1;
            let action = if reached {
                "update_deal".to_owned()
            } else {
                format!("action_{number}")
            };
            rules.push(asking(&action, "crm:*", number));
        }
        if number < prefix.0 {
            let reached = number < prefix.1;
            let action = if reached {
                "update_*".to_owned()
            } else {
                format!("group_{number}_*")
            };
            rules.push(asking(&action, "crm:*", number));
        }
        if number < star.0 {
            let reached = number < star.1;
            let resource = if reached {
                "crm:*".to_owned()
            } else {
                format!("erp_{number}:*")
            };
            rules.push(asking("*", &resource, number));
        }
    }
    for (outcome, decision) in [
        (Outcome::Deny, "deny"),
        (Outcome::Allow, "allow"),
        (Outcome::Run, "allow"),
        (Outcome::Ask, "require_approval"),
    ] {
        rules.push(json!({
            "id": format!("decides-{}", outcome.word()),
            "action": "update_deal",
            "resource_pattern": format!("crm:{}:*", outcome.word()),
            "decision": decision,
        }));
    }
    rules.push(json!({ "id": "rest", "action": "*", "resource_pattern": "*", "decision": "deny" }));
    Value::Array(rules)
}

/// A rule whose conditions are looked at and do not fire.
fn asking(action: &str, resource: &str, number: usize) -> Value {
    let mut conditions = Map::new();
    conditions.insert("max_amount_change".to_owned(), json!(1_000_000 + number));
    if number.is_multiple_of(2) {
        let stages = json!(["closed_won", format!("closed_{number}")]);
        conditions.insert("require_approval_if_stage".to_owned(), stages);
    }
    if number.is_multiple_of(3) {
        conditions.insert(
            "deny_fields".to_owned(),
            json!(["iban", format!("secret_{number}")]),
        );
    }
    json!({
        "action": action,
        "resource_pattern": resource,
        "decision": "require_approval",
        "conditions": conditions,
    })
}

/// The same mix as a resource policy of Cerbos: every rule whose action matches is looked at, the
/// conditions of the same number of them are computed, and none lets the action through.
pub fn cerbos_policy(mix: Mix) -> Value {
    let [exact, prefix, star] = mix.shares();
    let mut rules = Vec::with_capacity(mix.rules);
    let mut add = |action: String, number: usize| {
        let mut all = vec![json!({ "expr": format!(
            "R.attr.amount - R.attr.previous_amount > {}", 1_000_000 + number
        ) })];
        if number.is_multiple_of(2) {
            all.push(
                json!({ "expr": format!("R.attr.stage in [\"closed_won\", \"closed_{number}\"]") }),
            );
        }
        if number.is_multiple_of(3) {
            all.push(json!({ "expr": format!("has(R.attr.iban) || has(R.attr.secret_{number})") }));
        }
        rules.push(json!({
            "actions": [action],
            "effect": "EFFECT_DENY",
            "roles": ["agent"],
            "condition": { "match": { "any": { "of": all } } },
        }));
    };
    for number in 0..exact.0 {
        let reached = number < exact.1;
        add(
            if reached {
                "update_deal".to_owned()
            } else {
                format!("action_{number}")
            },
            number,
        );
    }
    for number in 0..prefix.0 {
        let reached = number < prefix.1;
        add(
            if reached {
                "update_*".to_owned()
            } else {
                format!("group_{number}_*")
            },
            number,
        );
    }
    // A `*` of the other resources is another resource's policy there: it is not in this one.
    for number in 0..star.1 {
        add("*".to_owned(), number);
    }
    json!({
        "apiVersion": "api.cerbos.dev/v1",
        "resourcePolicy": { "version": "default", "resource": "crm", "rules": rules },
    })
}

#[cfg(test)]
mod tests {
    use relynt_policy::{Policy, Request, Verdict};

    use super::{Mix, Outcome, body, rules};

    fn parsed(value: &serde_json::Value) -> relynt_json::Value {
        relynt_json::parse(value.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn the_policy_has_the_mix_and_each_resource_its_outcome() {
        for (mix, verdicts) in [
            (
                Mix {
                    rules: 100,
                    candidates: 50,
                },
                49,
            ),
            (
                Mix {
                    rules: 10,
                    candidates: 4,
                },
                3,
            ),
        ] {
            let rules = rules(mix);
            let list = rules.as_array().unwrap();
            let count = |of: &dyn Fn(&str) -> bool| {
                list.iter()
                    .filter(|rule| of(rule["action"].as_str().unwrap()))
                    .count()
            };
            assert_eq!(count(&|action| !action.ends_with('*')), mix.rules * 6 / 10);
            assert_eq!(
                count(&|action| action.len() > 1 && action.ends_with('*')),
                mix.rules * 3 / 10
            );
            assert_eq!(count(&|action| action == "*"), mix.rules / 10);
            let policy = Policy::parse(&parsed(&rules), &|_| false).unwrap();
            for (outcome, verdict) in [
                (Outcome::Deny, Verdict::Deny),
                (Outcome::Allow, Verdict::Allow),
                (Outcome::Run, Verdict::Allow),
                (Outcome::Ask, Verdict::RequireApproval),
            ] {
                let body = parsed(&body(outcome, 7, 0, false));
                let explained = policy.explain(&Request {
                    action: body.get("action").unwrap().as_str().unwrap(),
                    resource: body.get("resource").unwrap().as_str().unwrap(),
                    payload: body.get("payload"),
                    agent: None,
                });
                assert_eq!(explained.evaluation.verdict, verdict);
                assert_eq!(explained.skipped.len(), verdicts, "{mix:?}");
            }
        }
    }

    #[test]
    fn a_body_has_about_300_bytes() {
        for number in [0, 77, 9_999] {
            let bytes = body(Outcome::Deny, number, 0, true).to_string().len();
            assert!((280..=330).contains(&bytes), "{bytes}");
        }
    }
}
