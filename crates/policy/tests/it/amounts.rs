//! "|`amount`| is above it, or `previous_amount` is a number or plain decimal string and
//! |`amount` − `previous_amount`| is above it; strictly above; decimal arithmetic"

use crate::support::{one_rule, word};

fn fires(limit: &str, payload: &str) -> bool {
    let rule = format!(r#""decision":"allow","conditions":{{"max_amount_change":{limit}}}"#);
    match word(&one_rule(&rule, payload)) {
        "require_approval" => true,
        "allow" => false,
        other => panic!("{other}"),
    }
}

#[test]
fn the_amount_fires_strictly_above_the_limit() {
    for (payload, expected) in [
        (r#"{"amount":10000}"#, false),
        (r#"{"amount":10000.01}"#, true),
        (r#"{"amount":9999.99}"#, false),
        (r#"{"amount":-10000}"#, false),
        (r#"{"amount":-10000.01}"#, true),
        (r#"{"amount":"10000"}"#, false),
        (r#"{"amount":"10000.00"}"#, false),
        (r#"{"amount":"0010000.000000000000000000000000001"}"#, true),
        (r#"{"amount":"-20000"}"#, true),
        (r#"{"amount":1e4}"#, false),
        (r#"{"amount":1e300}"#, true),
        (r#"{"amount":0}"#, false),
    ] {
        assert_eq!(fires("10000", payload), expected, "{payload}");
    }
    assert!(!fires("0", r#"{"amount":0}"#));
    assert!(!fires("0", r#"{"amount":"-0.00"}"#));
    assert!(fires("0", r#"{"amount":5e-324}"#));
    assert!(!fires("1e308", r#"{"amount":1e308}"#));
}

#[test]
fn the_change_fires_strictly_above_the_limit() {
    for (limit, payload, expected) in [
        ("1000", r#"{"amount":900,"previous_amount":-100}"#, false),
        ("1000", r#"{"amount":900,"previous_amount":-100.5}"#, true),
        ("1000", r#"{"amount":100,"previous_amount":1100}"#, false),
        ("1000", r#"{"amount":100,"previous_amount":1100.01}"#, true),
        ("1000", r#"{"amount":"100","previous_amount":"1200"}"#, true),
        // Binary floats say 0.30000000000000004 and 0.19999999999999998.
        ("0.2", r#"{"amount":0.1,"previous_amount":0.3}"#, false),
        ("0.2", r#"{"amount":0.1,"previous_amount":-0.1}"#, false),
        ("0.3", r#"{"amount":0.1,"previous_amount":-0.2}"#, false),
        (
            "1e16",
            r#"{"amount":"9999999999999999","previous_amount":"-1"}"#,
            false,
        ),
        (
            "1e16",
            r#"{"amount":"9999999999999999","previous_amount":"-1.1"}"#,
            true,
        ),
    ] {
        assert_eq!(fires(limit, payload), expected, "{limit} {payload}");
    }
}

#[test]
fn what_came_before_can_only_strengthen() {
    // The agent says it itself: claiming that nothing changes must not help.
    assert!(fires("1000", r#"{"amount":52000,"previous_amount":52000}"#));
    assert!(fires("1000", r#"{"amount":1001,"previous_amount":1000}"#));
    // What cannot be read adds nothing.
    for previous in ["null", "true", r#""a lot""#, r#""1e9""#, "[]", "{}"] {
        let small = format!(r#"{{"amount":1,"previous_amount":{previous}}}"#);
        assert!(!fires("1000", &small), "{small}");
        let large = format!(r#"{{"amount":2000,"previous_amount":{previous}}}"#);
        assert!(fires("1000", &large), "{large}");
    }
}

#[test]
fn an_absent_amount_does_not_fire() {
    for payload in [
        "",
        "null",
        "{}",
        r#"{"previous_amount":99999}"#,
        r#"{"deal":{"amount":99999}}"#,
        r#"{"amounts":99999}"#,
    ] {
        assert!(!fires("1000", payload), "{payload}");
    }
}

#[test]
fn an_amount_that_is_no_number_fires() {
    for amount in [
        "null",
        "true",
        "[]",
        "[1]",
        "{}",
        r#"{"value":1}"#,
        r#""""#,
        r#"" 1""#,
        r#""1 ""#,
        r#""+1""#,
        r#""1e3""#,
        r#""1.""#,
        r#"".5""#,
        r#""1,000""#,
        r#""0x10""#,
        r#""١""#,
        r#""NaN""#,
        r#""-""#,
        r#""--1""#,
    ] {
        let payload = format!(r#"{{"amount":{amount}}}"#);
        assert!(fires("1e300", &payload), "{payload}");
    }
    let longest = format!(r#"{{"amount":"{}"}}"#, "1".repeat(64));
    assert!(!fires("1e64", &longest));
    let too_long = format!(r#"{{"amount":"{}"}}"#, "0".repeat(65));
    assert!(fires("1e64", &too_long));
}

#[test]
fn names_compare_after_nfkc_and_lower_casing_and_two_equal_ones_fire() {
    assert!(fires("10", r#"{"AMOUNT":11}"#));
    assert!(fires("10", r#"{"ａｍｏｕｎｔ":11}"#));
    assert!(fires("10", r#"{"amount":1,"Previous_Amount":100}"#));
    assert!(fires("10", r#"{"amount":1,"Amount":1}"#));
    assert!(fires(
        "10",
        r#"{"amount":1,"previous_amount":1,"PREVIOUS_AMOUNT":1}"#
    ));
    assert!(fires("10", r#"{"previous_amount":1,"PREVIOUS_AMOUNT":1}"#));
    assert!(!fires("10", r#"{"amount":1,"previous_amount":1}"#));
}
