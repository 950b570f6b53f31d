//! What a new organization starts with.

use relynt_json::{Object, Value};

/// The rules of `v1` of a new organization: one catch-all deny.
pub fn default_policy_rules() -> Value {
    let rule: Object = [
        ("id", "deny-everything"),
        ("action", "*"),
        ("resource_pattern", "*"),
        ("decision", "deny"),
        (
            "description",
            "Nothing is allowed until a rule above this one says so.",
        ),
    ]
    .into_iter()
    .collect();
    Value::Array(vec![Value::Object(rule)])
}
