//! How a rule applies, once action, resource and agents match.

use crate::support::{ask, one_rule, policy, word};

const IBAN: &str = r#""deny_fields":["iban"]"#;
const AMOUNT: &str = r#""max_amount_change":100"#;
const STAGE: &str = r#""require_approval_if_stage":["won"]"#;

#[test]
fn conditions_strengthen_a_decision_and_never_weaken_it() {
    for (decision, conditions, payload, verdict) in [
        // A rule that allows applies; what fires turns it into approval, or deny.
        (
            "allow",
            vec![],
            r#"{"amount":101,"stage":"won","iban":1}"#,
            "allow",
        ),
        ("allow", vec![AMOUNT], r#"{"amount":100}"#, "allow"),
        (
            "allow",
            vec![AMOUNT],
            r#"{"amount":101}"#,
            "require_approval",
        ),
        (
            "allow",
            vec![STAGE],
            r#"{"stage":"won"}"#,
            "require_approval",
        ),
        (
            "allow",
            vec![AMOUNT, STAGE],
            r#"{"amount":1,"stage":"won"}"#,
            "require_approval",
        ),
        (
            "allow",
            vec![AMOUNT, STAGE],
            r#"{"amount":101,"stage":"new"}"#,
            "require_approval",
        ),
        (
            "allow",
            vec![IBAN, AMOUNT],
            r#"{"amount":101,"iban":1}"#,
            "deny",
        ),
        ("allow", vec![IBAN], r#"{"iban":null}"#, "deny"),
        // A rule that asks and has no condition that asks always applies.
        ("require_approval", vec![], "{}", "require_approval"),
        ("require_approval", vec![IBAN], "{}", "require_approval"),
        ("require_approval", vec![IBAN], r#"{"iban":1}"#, "deny"),
        // With one, it applies only if one fires. (No rule is left: deny.)
        (
            "require_approval",
            vec![AMOUNT],
            r#"{"amount":101}"#,
            "require_approval",
        ),
        (
            "require_approval",
            vec![AMOUNT],
            r#"{"amount":100}"#,
            "skipped",
        ),
        (
            "require_approval",
            vec![AMOUNT, STAGE],
            r#"{"stage":"won"}"#,
            "require_approval",
        ),
        ("require_approval", vec![AMOUNT, STAGE], "{}", "skipped"),
        (
            "require_approval",
            vec![IBAN, STAGE],
            r#"{"stage":"new"}"#,
            "skipped",
        ),
        // Denied fields are looked at first, whether or not the rule would have applied.
        (
            "require_approval",
            vec![IBAN, STAGE],
            r#"{"stage":"new","iban":1}"#,
            "deny",
        ),
        ("deny", vec![], r#"{"amount":1}"#, "deny"),
    ] {
        let rule = format!(
            r#""decision":"{decision}","conditions":{{{}}}"#,
            conditions.join(",")
        );
        let evaluation = one_rule(&rule, payload);
        let (expected, rule) = match verdict {
            "skipped" => ("deny", None),
            verdict => (verdict, Some(0)),
        };
        assert_eq!(
            word(&evaluation),
            expected,
            "{decision} {conditions:?} {payload}"
        );
        assert_eq!(evaluation.rule, rule, "{decision} {conditions:?} {payload}");
    }
}

#[test]
fn the_first_rule_that_applies_decides() {
    let policy = policy(
        r#"[
            {"id":"big","action":"pay","resource_pattern":"*","decision":"require_approval",
             "conditions":{"max_amount_change":100}},
            {"id":"blocked","action":"pay","resource_pattern":"account:9","decision":"deny"},
            {"id":"small","action":"pay","resource_pattern":"account:*","decision":"allow"},
            {"id":"too late","action":"pay","resource_pattern":"account:1","decision":"deny"}
        ]"#,
    );
    for (resource, payload, rule, verdict) in [
        (
            "account:9",
            r#"{"amount":101}"#,
            Some("big"),
            "require_approval",
        ),
        ("account:9", r#"{"amount":100}"#, Some("blocked"), "deny"),
        ("account:1", r#"{"amount":100}"#, Some("small"), "allow"),
        ("safe:1", r#"{"amount":100}"#, None, "deny"),
    ] {
        let evaluation = ask(&policy, "pay", resource, payload);
        assert_eq!(evaluation.rule_id.as_deref(), rule, "{resource} {payload}");
        assert_eq!(word(&evaluation), verdict);
    }
}

#[test]
fn no_rule_applies_means_deny_and_the_reason_says_so() {
    for rules in [
        "[]",
        r#"[{"action":"read","resource_pattern":"*","decision":"allow"}]"#,
    ] {
        let evaluation = ask(&policy(rules), "write", "crm:1", "{}");
        assert_eq!(word(&evaluation), "deny");
        assert_eq!(evaluation.risk_level.as_str(), "medium");
        assert_eq!(evaluation.reason, "no rule applies: denied by default");
        assert_eq!((evaluation.rule, evaluation.rule_id), (None, None));
    }
}

#[test]
fn a_payload_that_is_no_object_is_an_error_and_never_an_allow() {
    let policy = policy(r#"[{"action":"*","resource_pattern":"*","decision":"allow"}]"#);
    for payload in ["[]", "1", "true", r#""text""#] {
        let evaluation = ask(&policy, "read", "crm:1", payload);
        assert_eq!(word(&evaluation), "error", "{payload}");
        assert_eq!(evaluation.reason, "the payload is not an object");
    }
    // None and null are the same.
    assert_eq!(
        ask(&policy, "read", "crm:1", ""),
        ask(&policy, "read", "crm:1", "null")
    );
}

#[test]
fn an_approval_waits_as_long_as_its_rule_says() {
    let seconds = |rule: &str, payload: &str| {
        one_rule(rule, payload)
            .approval_expires_in
            .map(|duration| duration.as_secs())
    };
    let asks = r#""decision":"require_approval","approval":{"expires_in":"15m"}"#;
    assert_eq!(seconds(asks, "{}"), Some(900));
    let may_ask = r#""decision":"allow","approval":{"expires_in":"7d"},
        "conditions":{"max_amount_change":100,"deny_fields":["iban"]}"#;
    assert_eq!(seconds(may_ask, r#"{"amount":101}"#), Some(604_800));
    assert_eq!(seconds(may_ask, r#"{"amount":100}"#), None);
    assert_eq!(seconds(may_ask, r#"{"amount":101,"iban":1}"#), None);
    assert_eq!(seconds(r#""decision":"require_approval""#, "{}"), None);
    assert_eq!(
        seconds(r#""decision":"require_approval","approval":{}"#, "{}"),
        None
    );
}
