//! "A policy is saved only whole and only if it is right; a refusal names each rule, field and
//! fault."

use crate::support::{faults, parse, policy};

/// A rule that would be right, with these members more.
fn with(members: &str) -> String {
    format!(r#"[{{"action":"*","resource_pattern":"*","decision":"allow",{members}}}]"#)
}

#[track_caller]
fn refused(members: &str, fault: &str) {
    assert_eq!(faults(&with(members)), [format!("/rules/0/{fault}")]);
}

#[test]
fn a_mistyped_key_is_refused_and_the_nearest_one_named() {
    refused(
        r#""conditions":{"deny_feild":["iban"]}"#,
        "conditions/deny_feild: is not a known key; did you mean `deny_fields`?",
    );
    refused(
        r#""conditions":{"deny_field":["iban"]}"#,
        "conditions/deny_field: is not a known key; did you mean `deny_fields`?",
    );
    refused(
        r#""risk-level":"low""#,
        "risk-level: is not a known key; did you mean `risk_level`?",
    );
    refused(r#""Id":"a""#, "Id: is not a known key; did you mean `id`?");
    refused(
        r#""resource":"x""#,
        "resource: is not a known key; known are id, action, \
        resource_pattern, agents, decision, risk_level, conditions, approval, description",
    );
    refused(
        r#""a/b~c":1"#,
        "a~1b~0c: is not a known key; known are id, action, \
        resource_pattern, agents, decision, risk_level, conditions, approval, description",
    );
    refused(
        r#""conditions":{"max_amount_change":1},"approval":{"expires":"1h"}"#,
        "approval/expires: is not a known key; did you mean `expires_in`?",
    );
}

#[test]
fn a_long_key_is_cut_and_its_place_is_the_object() {
    let key = "x".repeat(10_000);
    let faults = faults(&with(&format!(r#""{key}":1"#)));
    assert!(faults[0].starts_with("/rules/0: `xxxx"), "{}", faults[0]);
    assert!(faults[0].len() < 300);
}

#[test]
fn what_is_not_built_yet_is_refused_as_not_supported() {
    for key in ["when", "editable", "grants", "effect_key"] {
        refused(
            &format!(r#""{key}":true"#),
            &format!("{key}: is not supported yet"),
        );
    }
    refused(
        r#""conditions":{"limit":{}}"#,
        "conditions/limit: is not supported yet",
    );
    for key in ["approvers", "quorum", "separation", "channels", "escalate"] {
        refused(
            &format!(r#""conditions":{{"max_amount_change":1}},"approval":{{"{key}":1}}"#),
            &format!("approval/{key}: is not supported yet"),
        );
    }
}

#[test]
fn every_fault_of_every_rule_is_named_at_once() {
    assert_eq!(
        faults(
            r#"[
                {"action":"a","resource_pattern":7,"decision":"alow","risk_level":"extreme"},
                "deny",
                {"action":"a","resource_pattern":"*","decision":"deny"},
                {"id":"","conditions":{"max_amount_change":"100","deny_fields":["a",1,""]}}
            ]"#
        ),
        [
            "/rules/0/resource_pattern: must be a string, not a number",
            "/rules/0/decision: `alow` is not known; did you mean `allow`?",
            "/rules/0/risk_level: `extreme` is not known; must be one of low, medium, high",
            "/rules/1: must be an object, not a string",
            "/rules/3/id: must not be empty",
            "/rules/3/action: is required",
            "/rules/3/resource_pattern: is required",
            "/rules/3/decision: is required",
            "/rules/3/conditions/deny_fields/1: must be a string, not a number",
            "/rules/3/conditions/deny_fields/2: must not be empty",
            "/rules/3/conditions/max_amount_change: must be a number, not a string",
        ]
    );
}

#[test]
fn faults_are_bounded() {
    let rules = vec!["1"; 1000].join(",");
    assert_eq!(faults(&format!("[{rules}]")).len(), 100);
    // Nobody looks for the nearest of a million keys.
    let keys: Vec<String> = (0..200_000).map(|n| format!(r#""deny_{n}":1"#)).collect();
    assert_eq!(faults(&format!("[{{{}}}]", keys.join(","))).len(), 100);
}

#[test]
fn a_policy_is_a_list_of_at_most_10000_rules() {
    assert_eq!(
        faults("{}"),
        ["/rules: must be a list of rules, not an object"]
    );
    assert_eq!(
        faults("null"),
        ["/rules: must be a list of rules, not null"]
    );
    let rule = r#"{"action":"a","resource_pattern":"b","decision":"deny"}"#;
    let rules = |count: usize| format!("[{}]", vec![rule; count].join(","));
    assert_eq!(policy(&rules(10_000)).rule_count(), 10_000);
    assert_eq!(
        faults(&rules(10_001)),
        ["/rules: has 10001 rules; at most 10000"]
    );
}

#[test]
fn a_rule_that_denies_may_not_carry_conditions() {
    for conditions in [
        r#""deny_fields":["iban"]"#,
        r#""max_amount_change":100"#,
        r#""require_approval_if_stage":["won"]"#,
    ] {
        let rules = format!(
            r#"[{{"action":"*","resource_pattern":"*","decision":"deny","conditions":{{{conditions}}}}}]"#
        );
        assert_eq!(
            faults(&rules),
            [
                "/rules/0/conditions: a rule that denies may not carry conditions: there is nothing \
              to strengthen, and it would deny without them too"
            ]
        );
    }
}

#[test]
fn conditions_that_could_do_nothing_are_refused() {
    for (conditions, fault) in [
        (
            r#"{"deny_fields":[]}"#,
            "/deny_fields: must not be an empty list",
        ),
        (
            r#"{"deny_fields":"iban"}"#,
            "/deny_fields: must be a list, not a string",
        ),
        (
            r#"{"deny_fields":["a..b"]}"#,
            "/deny_fields/0: has an empty part between dots",
        ),
        (
            r#"{"deny_fields":["iban "]}"#,
            "/deny_fields/0: must not begin or end with a blank",
        ),
        (
            r#"{"deny_fields":["ib\u200ban"]}"#,
            "/deny_fields/0: the text has a format character",
        ),
        (
            r#"{"max_amount_change":null}"#,
            "/max_amount_change: must be a number, not null",
        ),
        (
            r#"{"max_amount_change":-1}"#,
            "/max_amount_change: must not be negative",
        ),
        (
            r#"{"require_approval_if_stage":[]}"#,
            "/require_approval_if_stage: must not be an empty list",
        ),
        (
            r#"{"require_approval_if_stage":["won",""]}"#,
            "/require_approval_if_stage/1: must not be empty",
        ),
        ("[]", ": must be an object, not an array"),
    ] {
        refused(
            &format!(r#""conditions":{conditions}"#),
            &format!("conditions{fault}"),
        );
    }
}

#[test]
fn approval_is_only_for_rules_that_can_end_in_one() {
    let approval = r#""approval":{"expires_in":"1h"}"#;
    let never = "approval: the rule can never end in an approval";
    refused(approval, never);
    refused(
        &format!(r#"{approval},"conditions":{{"deny_fields":["iban"]}}"#),
        never,
    );
    for members in [
        r#""decision":"require_approval""#,
        r#""decision":"allow","conditions":{"max_amount_change":0}"#,
        r#""decision":"allow","conditions":{"require_approval_if_stage":["won"]}"#,
    ] {
        let rule = format!(r#"[{{"action":"*","resource_pattern":"*",{members},{approval}}}]"#);
        assert_eq!(faults(&rule), <[String; 0]>::default());
    }
    assert_eq!(
        faults(&format!(
            r#"[{{"action":"*","resource_pattern":"*","decision":"deny",{approval}}}]"#
        )),
        [format!("/rules/0/{never}")]
    );
}

#[test]
fn an_approval_waits_from_one_minute_to_seven_days() {
    let rule = |expires_in: &str| {
        format!(
            r#"[{{"action":"*","resource_pattern":"*","decision":"require_approval",
                "approval":{{"expires_in":{expires_in}}}}}]"#
        )
    };
    for good in ["60s", "1m", "90s", "1h", "168h", "7d", "604800s"] {
        assert!(parse(&rule(&format!(r#""{good}""#))).is_ok(), "{good}");
    }
    for (bad, detail) in [
        (r#""59s""#, "must be from `1m` to `7d`"),
        (r#""8d""#, "must be from `1m` to `7d`"),
        (r#""604801s""#, "must be from `1m` to `7d`"),
        ("3600", "must be a string, not a number"),
    ] {
        assert_eq!(
            faults(&rule(bad)),
            [format!("/rules/0/approval/expires_in: {detail}")]
        );
    }
    for bad in [
        "",
        "0m",
        "01h",
        "1 h",
        "1H",
        "1h30m",
        "99999999999999999999d",
    ] {
        let faults = faults(&rule(&format!(r#""{bad}""#)));
        assert!(faults[0].contains("must be a duration"), "{bad} {faults:?}");
    }
}

#[test]
fn ids_are_unique_and_clash_with_no_position() {
    let rules = |ids: &[&str]| {
        let rules: Vec<String> = ids
            .iter()
            .map(|id| {
                let id = if id.is_empty() {
                    String::new()
                } else {
                    format!(r#""id":"{id}","#)
                };
                format!(r#"{{{id}"action":"a","resource_pattern":"b","decision":"deny"}}"#)
            })
            .collect();
        faults(&format!("[{}]", rules.join(",")))
    };
    let none = <[String; 0]>::default();
    assert_eq!(rules(&["", "", ""]), none);
    assert_eq!(rules(&["a", "A", ""]), none);
    // The second rule has an id of its own, so nobody else is called 2.
    assert_eq!(rules(&["2", "x"]), none);
    assert_eq!(rules(&["", "2"]), none);
    assert_eq!(
        rules(&["a", "b", "a"]),
        ["/rules/2/id: rule 1 already has this id"]
    );
    assert_eq!(
        rules(&["2", ""]),
        ["/rules/0/id: is the id of rule 2, which has no other"]
    );
    assert_eq!(
        rules(&["", "1"]),
        ["/rules/1/id: is the id of rule 1, which has no other"]
    );
}

#[test]
fn ids_are_short_visible_lines() {
    for (id, fault) in [
        (r#""""#.to_owned(), "must not be empty"),
        (
            format!(r#""{}""#, "x".repeat(65)),
            "has more than 64 characters",
        ),
        (r#""a\nb""#.to_owned(), "the text has a control character"),
        (
            r#""a\u202eb""#.to_owned(),
            "the text has a format character",
        ),
        (r#""a ""#.to_owned(), "must not begin or end with a blank"),
        (
            r#""a`b""#.to_owned(),
            "must not have a backtick: reasons quote the id with them",
        ),
        ("1".to_owned(), "must be a string, not a number"),
        ("null".to_owned(), "must be a string, not null"),
    ] {
        refused(&format!(r#""id":{id}"#), &format!("id: {fault}"));
    }
    assert_eq!(
        faults(&with(r#""id":"Ventes – Île-de-France""#)),
        <[String; 0]>::default()
    );
}

#[test]
fn a_description_is_a_text_of_bounded_length() {
    refused(
        r#""description":1"#,
        "description: must be a string, not a number",
    );
    refused(
        &format!(r#""description":"{}""#, "x".repeat(2_001)),
        "description: has more than 2000 characters",
    );
    let longest = format!(r#""description":"{}\n""#, "é".repeat(1_999));
    assert_eq!(faults(&with(&longest)), <[String; 0]>::default());
}

#[test]
fn lists_are_bounded() {
    let entries = vec![r#""a""#; 1_001].join(",");
    for key in ["deny_fields", "require_approval_if_stage"] {
        refused(
            &format!(r#""conditions":{{"{key}":[{entries}]}}"#),
            &format!("conditions/{key}: has more than 1000 entries"),
        );
        refused(
            &format!(r#""conditions":{{"{key}":["{}"]}}"#, "x".repeat(257)),
            &format!("conditions/{key}/0: has more than 256 characters"),
        );
    }
    refused(
        &format!(r#""agents":[{entries}]"#),
        "agents: has more than 1000 entries",
    );
}

#[test]
fn dotted_names_have_so_many_parts_in_one_policy() {
    let name = |n: usize| format!(r#""n{n}{}""#, ".a".repeat(99));
    let rule = |from: usize, to: usize| {
        let names: Vec<String> = (from..to).map(name).collect();
        format!(
            r#"{{"action":"*","resource_pattern":"*","decision":"allow","conditions":{{
                "deny_fields":[{}]}}}}"#,
            names.join(",")
        )
    };
    let rules = format!("[{},{}]", rule(0, 998), rule(998, 1_002));
    assert_eq!(
        faults(&rules),
        [2, 3].map(|index| format!(
            "/rules/1/conditions/deny_fields/{index}: is too much: dotted names of one policy \
             have at most 100000 parts"
        ))
    );
}
