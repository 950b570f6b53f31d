//! What the documentation shows is right.

use std::fs;
use std::path::PathBuf;

use relynt_json::Value;
use relynt_policy::Policy;

use crate::support::{ask, json, parse_value, word};

fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn template(name: &str) -> Policy {
    let text = fs::read_to_string(docs().join("policies").join(name)).unwrap();
    let body = json(&text);
    parse_value(body.get("rules").unwrap()).unwrap_or_else(|faults| panic!("{name}: {faults:?}"))
}

#[test]
fn every_rule_in_the_guide_is_taken() {
    let guide = fs::read_to_string(docs().join("policy.md")).unwrap();
    let blocks: Vec<&str> = guide
        .split("```json\n")
        .skip(1)
        .map(|rest| rest.split_once("```").unwrap().0)
        .collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        let rules = match json(block) {
            Value::Object(rule) => Value::Array(vec![rule.into()]),
            rules => rules,
        };
        parse_value(&rules).unwrap_or_else(|faults| panic!("{faults:?}"));
    }
}

#[test]
fn the_reasons_in_the_guide_are_those_of_its_rule() {
    let guide = fs::read_to_string(docs().join("policy.md")).unwrap();
    let rule = guide
        .split("```json\n")
        .nth(2)
        .unwrap()
        .split_once("```")
        .unwrap()
        .0;
    // As an agent with one of the tags that the rule names.
    let policy = crate::support::policy(&format!("[{rule}]"));
    for payload in [r#"{"amount":300,"stage":"shipped"}"#, r#"{"iban":1}"#] {
        let request = ("create_refund", "shop:order:1", payload);
        let reason =
            crate::support::ask_as(&policy, crate::support::AGENT, &["billing"], request).reason;
        assert!(guide.contains(&format!("    {reason}\n")), "{reason}");
    }
    assert!(guide.contains(&format!("    {}\n", ask(&policy, "x", "y", "").reason)));
}

#[test]
fn every_template_is_taken_and_ends_with_a_catch_all_deny() {
    let mut names: Vec<String> = fs::read_dir(docs().join("policies"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "crm.json",
            "infrastructure.json",
            "refunds.json",
            "tickets.json"
        ]
    );
    for name in names {
        let evaluation = ask(&template(&name), "unheard_of", "un:heard:of", "{}");
        assert_eq!(word(&evaluation), "deny", "{name}");
        assert_eq!(evaluation.rule_id.as_deref(), Some("rest"), "{name}");
    }
}

#[test]
fn the_templates_decide_as_they_say() {
    for (name, tags, action, resource, payload, verdict) in [
        ("crm.json", &[][..], "read_deal", "crm:deal:1", "", "allow"),
        (
            "crm.json",
            &[],
            "update_deal",
            "crm:deal:1",
            r#"{"amount":500}"#,
            "allow",
        ),
        (
            "crm.json",
            &[],
            "update_deal",
            "crm:deal:1",
            r#"{"amount":50000}"#,
            "require_approval",
        ),
        (
            "crm.json",
            &[],
            "update_deal",
            "crm:deal:1",
            r#"{"stage":"Closed_Won"}"#,
            "require_approval",
        ),
        (
            "crm.json",
            &[],
            "update_deal",
            "crm:deal:1",
            r#"{"owner_id":7}"#,
            "deny",
        ),
        ("crm.json", &[], "delete_deal", "crm:deal:1", "", "deny"),
        (
            "refunds.json",
            &["billing"],
            "create_refund",
            "shop:order:1",
            r#"{"amount":100}"#,
            "allow",
        ),
        (
            "refunds.json",
            &["billing"],
            "create_refund",
            "shop:order:1",
            r#"{"amount":101}"#,
            "require_approval",
        ),
        (
            "refunds.json",
            &["billing"],
            "create_refund",
            "shop:order:1",
            r#"{"amount":1,"iban":2}"#,
            "deny",
        ),
        (
            "refunds.json",
            &[],
            "create_refund",
            "shop:order:1",
            r#"{"amount":1}"#,
            "deny",
        ),
        (
            "tickets.json",
            &["support"],
            "reply_ticket",
            "tickets:ticket:1",
            r#"{"text":"hi"}"#,
            "allow",
        ),
        (
            "tickets.json",
            &["support"],
            "update_ticket",
            "tickets:ticket:1",
            r#"{"stage":"closed"}"#,
            "require_approval",
        ),
        (
            "tickets.json",
            &[],
            "reply_ticket",
            "tickets:ticket:1",
            r#"{"text":"hi"}"#,
            "deny",
        ),
        (
            "infrastructure.json",
            &["operations"],
            "restart",
            "staging:web",
            "",
            "allow",
        ),
        (
            "infrastructure.json",
            &["operations"],
            "restart",
            "prod:web",
            "",
            "require_approval",
        ),
        (
            "infrastructure.json",
            &["operations"],
            "delete_volume",
            "prod:disk:1",
            "",
            "deny",
        ),
        (
            "infrastructure.json",
            &["operations"],
            "get_value",
            "prod:secret:1",
            "",
            "deny",
        ),
    ] {
        let evaluation = crate::support::ask_as(
            &template(name),
            crate::support::AGENT,
            tags,
            (action, resource, payload),
        );
        assert_eq!(
            word(&evaluation),
            verdict,
            "{name} {action} {resource} {payload}"
        );
    }
}
