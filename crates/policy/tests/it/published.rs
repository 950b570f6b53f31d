//! The example that the documentation publishes.

use crate::support::{ask, policy};

const EXAMPLE: &str = r#"[
    {"action": "update_deal", "resource_pattern": "crm:deal:*", "decision": "require_approval",
     "risk_level": "high", "conditions": {"require_approval_if_stage": ["closed_won"]}},
    {"action": "update_deal", "resource_pattern": "crm:deal:*", "decision": "allow",
     "risk_level": "low"},
    {"action": "*", "resource_pattern": "*", "decision": "deny", "risk_level": "medium"}
]"#;

#[test]
fn closing_as_won_needs_approval_other_updates_are_allowed_everything_else_is_denied() {
    let policy = policy(EXAMPLE);
    for (action, resource, payload, verdict, risk, rule, reason) in [
        (
            "update_deal",
            "crm:deal:123",
            r#"{"stage":"closed_won"}"#,
            "require_approval",
            "high",
            "1",
            "rule 1 requires approval: stage is in [closed_won] (require_approval_if_stage)",
        ),
        (
            "update_deal",
            "crm:deal:123",
            r#"{"stage":"negotiation"}"#,
            "allow",
            "low",
            "2",
            "rule 2 allows",
        ),
        (
            "update_deal",
            "crm:deal:123",
            r#"{"amount":52000,"previous_amount":50000}"#,
            "allow",
            "low",
            "2",
            "rule 2 allows",
        ),
        (
            "update_deal",
            "crm:deal:123",
            "",
            "allow",
            "low",
            "2",
            "rule 2 allows",
        ),
        (
            "update_deal",
            "crm:contact:1",
            "{}",
            "deny",
            "medium",
            "3",
            "rule 3 denies",
        ),
        (
            "delete_deal",
            "crm:deal:123",
            "{}",
            "deny",
            "medium",
            "3",
            "rule 3 denies",
        ),
    ] {
        let evaluation = ask(&policy, action, resource, payload);
        assert_eq!(
            evaluation.verdict.as_str(),
            verdict,
            "{action} {resource} {payload}"
        );
        assert_eq!(evaluation.risk_level.as_str(), risk);
        assert_eq!(evaluation.rule_id.as_deref(), Some(rule));
        assert_eq!(
            evaluation
                .rule
                .map(|index| (index + 1).to_string())
                .as_deref(),
            Some(rule)
        );
        assert_eq!(evaluation.reason, reason);
    }
}

#[test]
fn a_new_organization_starts_with_one_catch_all_deny() {
    let rules = relynt_policy::default_policy_rules();
    let policy = crate::support::parse_value(&rules).unwrap();
    assert_eq!(policy.rule_count(), 1);
    let evaluation = ask(&policy, "anything", "at:all", "{}");
    assert_eq!(evaluation.verdict.as_str(), "deny");
    assert_eq!(evaluation.risk_level.as_str(), "medium");
    assert_eq!(evaluation.reason, "rule `deny-everything` (1) denies");
}

#[test]
fn the_canonical_form_is_of_the_rules_as_given() {
    let policy = policy(r#"[ {"resource_pattern":"*", "decision":"deny", "action":"\u002a"} ]"#);
    assert_eq!(
        policy.canonical(),
        r#"[{"action":"*","decision":"deny","resource_pattern":"*"}]"#
    );
    assert_eq!(policy.rules_json().to_canonical(), policy.canonical());
}
