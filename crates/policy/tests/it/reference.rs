//! The language a second time, as naively as can be: no index, no numbers for words, nothing
//! found out once. Takes only policies that are right, and small integers for amounts.

use relynt_json::Value;

/// `*` stands for any run: try them all.
pub(crate) fn pattern_matches(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => text
            .char_indices()
            .map(|(at, _)| at)
            .chain([text.len()])
            .any(|at| pattern_matches(&pattern[1..], &text[at..])),
        Some(c) => text
            .strip_prefix(c)
            .is_some_and(|rest| pattern_matches(&pattern[c.len_utf8()..], rest)),
    }
}

/// Verdict and position of the rule.
pub(crate) fn evaluate(
    rules: &Value,
    (action, resource, payload): (&str, &str, &Value),
    (agent, tags): (&str, &[String]),
) -> (&'static str, Option<usize>) {
    for (position, rule) in rules.as_array().unwrap().iter().enumerate() {
        let text = |key: &str| rule.get(key).and_then(Value::as_str).unwrap();
        let for_agent = rule.get("agents").is_none_or(|agents| {
            texts(agents)
                .iter()
                .any(|name| *name == agent || tags.iter().any(|tag| tag == name))
        });
        if !(pattern_matches(text("action"), action)
            && pattern_matches(text("resource_pattern"), resource)
            && for_agent)
        {
            continue;
        }
        let condition = |key: &str| rule.get("conditions").and_then(|all| all.get(key));
        let limit = condition("max_amount_change").map(|limit| integer(limit).unwrap());
        let stages = condition("require_approval_if_stage").map(texts);
        let fires = limit.is_some_and(|limit| amount_fires(payload, limit))
            || stages
                .as_ref()
                .is_some_and(|stages| stage_fires(payload, stages));
        if condition("deny_fields").is_some_and(|n| texts(n).iter().any(|n| has(payload, n))) {
            return ("deny", Some(position));
        }
        match text("decision") {
            "deny" => return ("deny", Some(position)),
            "require_approval" if (limit.is_some() || stages.is_some()) && !fires => {}
            "allow" if !fires => return ("allow", Some(position)),
            _ => return ("require_approval", Some(position)),
        }
    }
    ("deny", None)
}

fn texts(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
        .collect()
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_str().parse().ok(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn top<'v>(payload: &'v Value, name: &str) -> Vec<&'v Value> {
    let members = payload
        .as_object()
        .into_iter()
        .flat_map(|object| object.iter());
    members
        .filter(|(key, _)| key.to_lowercase() == name)
        .map(|(_, value)| value)
        .collect()
}

fn amount_fires(payload: &Value, limit: i64) -> bool {
    let (amount, previous) = (top(payload, "amount"), top(payload, "previous_amount"));
    if amount.len() > 1 || previous.len() > 1 {
        return true;
    }
    let Some(amount) = amount.first() else {
        return false;
    };
    let Some(amount) = integer(amount) else {
        return true;
    };
    let previous = previous.first().and_then(|previous| integer(previous));
    amount.abs() > limit || previous.is_some_and(|previous| (amount - previous).abs() > limit)
}

fn stage_fires(payload: &Value, stages: &[&str]) -> bool {
    match top(payload, "stage")[..] {
        [] => false,
        [Value::String(stage)] => {
            let stage = stage.trim().to_lowercase();
            stages
                .iter()
                .any(|listed| listed.trim().to_lowercase() == stage)
        }
        _ => true,
    }
}

/// Every way down the payload, as the keys on it joined with dots; every key by itself.
fn has(payload: &Value, name: &str) -> bool {
    fn spell(value: &Value, way: &str, all: &mut Vec<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| spell(item, way, all)),
            Value::Object(object) => {
                for (key, value) in object {
                    let way = if way.is_empty() {
                        key.to_owned()
                    } else {
                        format!("{way}.{key}")
                    };
                    all.extend([key.to_lowercase(), way.to_lowercase()]);
                    spell(value, &way, all);
                }
            }
            _ => {}
        }
    }
    let mut all = Vec::new();
    spell(payload, "", &mut all);
    all.contains(&name.to_lowercase())
}
