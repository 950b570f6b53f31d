//! "All conditions that fire are named in the reason, in the order of the table, joined by `; `";
//! reasons name fields and limits, never other payload values.

use crate::support::{ask, one_rule, policy};
use relynt_policy::MAX_REASON_BYTES;

const ALL: &str = r#""conditions":{"require_approval_if_stage":["won","Lost"],
    "max_amount_change":10000,"deny_fields":["iban","Card.Number"]}"#;

#[test]
fn the_reason_names_the_rule_and_every_condition_that_fires() {
    for (rule, payload, reason) in [
        (r#""decision":"allow""#, "{}", "rule 1 allows"),
        (r#""decision":"deny""#, "{}", "rule 1 denies"),
        (
            r#""decision":"require_approval""#,
            "{}",
            "rule 1 requires approval",
        ),
        (
            r#""id":"open","decision":"allow""#,
            "{}",
            "rule `open` (1) allows",
        ),
        (
            &format!(r#""id":"closing","decision":"allow",{ALL}"#),
            r#"{"amount":10000.5}"#,
            "rule `closing` (1) requires approval: amount is above 10000 (max_amount_change)",
        ),
        (
            &format!(r#""decision":"allow",{ALL}"#),
            r#"{"amount":1,"previous_amount":"20000"}"#,
            "rule 1 requires approval: amount differs from previous_amount by more than 10000 \
             (max_amount_change)",
        ),
        // The amount itself is at the limit, not above it.
        (
            &format!(r#""decision":"allow",{ALL}"#),
            r#"{"amount":10000,"previous_amount":-1}"#,
            "rule 1 requires approval: amount differs from previous_amount by more than 10000 \
             (max_amount_change)",
        ),
        (
            &format!(r#""decision":"allow",{ALL}"#),
            r#"{"amount":"much","stage":7}"#,
            "rule 1 requires approval: amount is not a number (max_amount_change); \
             stage is not a string (require_approval_if_stage)",
        ),
        (
            &format!(r#""decision":"allow",{ALL}"#),
            r#"{"amount":1,"AMOUNT":1,"stage":"a","Stage":"b"}"#,
            "rule 1 requires approval: amount is given more than once (max_amount_change); \
             stage is given more than once (require_approval_if_stage)",
        ),
        (
            &format!(r#""decision":"require_approval",{ALL}"#),
            r#"{"amount":20000,"stage":"WON","card":[{"number":1}]}"#,
            "rule 1 denies: payload has the field `Card.Number` (deny_fields); \
             amount is above 10000 (max_amount_change); \
             stage is in [won, Lost] (require_approval_if_stage)",
        ),
        (
            &format!(r#""decision":"allow",{ALL}"#),
            r#"{"Card.Number":1,"IBAN":1}"#,
            "rule 1 denies: payload has the fields `iban`, `Card.Number` (deny_fields)",
        ),
    ] {
        assert_eq!(one_rule(rule, payload).reason, reason);
    }
}

#[test]
fn no_value_and_no_spelling_of_the_payload_is_in_a_reason() {
    let payload = r#"{"AmOuNt":"cAnArY1","StAgE":{"cAnArY2":1},"a":{"IbAn":"cAnArY3"}}"#;
    let reason = one_rule(&format!(r#""decision":"allow",{ALL}"#), payload).reason;
    for canary in ["cAnArY", "AmOuNt", "StAgE", "IbAn"] {
        assert!(!reason.contains(canary), "{reason}");
    }
}

#[test]
fn a_reason_stays_within_its_bound() {
    // The longest of everything, in letters of four bytes.
    let long = |n: usize, chars: usize| format!("{n:04}{}", "𐐨".repeat(chars - 4));
    let names: Vec<String> = (0..1000)
        .map(|n| format!(r#""{}""#, long(n, 256)))
        .collect();
    let keys: Vec<String> = names.iter().map(|name| format!("{name}:1")).collect();
    let mut rules = vec![r#"{"action":"no","resource_pattern":"*","decision":"deny"}"#.to_owned()];
    rules.resize(9_999, rules[0].clone());
    rules.push(format!(
        r#"{{"id":"{id}","action":"*","resource_pattern":"*","decision":"allow","conditions":{{
            "deny_fields":[{names}],"max_amount_change":2.2250738585072014e-308,
            "require_approval_if_stage":["won",{names}]}}}}"#,
        id = "𐐨".repeat(64),
        names = names.get(..999).unwrap().join(","),
    ));
    let policy = policy(&format!("[{}]", rules.join(",")));
    let payload = format!(
        r#"{{"amount":0,"previous_amount":1,"stage":"won",{}}}"#,
        keys.join(",")
    );
    let reason = ask(&policy, "yes", "x", &payload).reason;
    assert!(
        reason.len() <= MAX_REASON_BYTES,
        "{} {reason}",
        reason.len()
    );
    assert!(reason.len() > 600, "{} {reason}", reason.len());
    assert!(
        reason.contains(" and 998 more (deny_fields); amount differs"),
        "{reason}"
    );
}
