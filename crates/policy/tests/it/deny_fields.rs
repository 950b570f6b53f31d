//! "the payload has the field: a plain name at any depth, arrays included; a dotted name at that
//! path; presence is enough, null too"

use crate::support::{one_rule, word};

fn fires(names: &str, payload: &str) -> bool {
    let evaluation = one_rule(
        &format!(r#""decision":"allow","conditions":{{"deny_fields":[{names}]}}"#),
        payload,
    );
    match word(&evaluation) {
        "deny" => true,
        "allow" => false,
        other => panic!("{other}"),
    }
}

#[test]
fn a_plain_name_fires_at_any_depth() {
    for (payload, expected) in [
        ("", false),
        ("null", false),
        ("{}", false),
        (r#"{"iban":"DE00"}"#, true),
        (r#"{"iban":null}"#, true),
        (r#"{"iban":{}}"#, true),
        (r#"{"customer":{"bank":{"iban":1}}}"#, true),
        (r#"{"customers":[{"name":"a"},{"iban":1}]}"#, true),
        (r#"{"deep":[[[{"iban":[]}]]]}"#, true),
        (r#"{"note":"iban"}"#, false),
        (r#"{"notes":["iban"]}"#, false),
        (r#"{"ibans":1,"my_iban":2,"iban ":3}"#, false),
    ] {
        assert_eq!(fires(r#""iban""#, payload), expected, "{payload}");
    }
}

#[test]
fn a_dotted_name_fires_at_that_path_and_arrays_are_transparent() {
    for (payload, expected) in [
        (r#"{"billing":{"iban":null}}"#, true),
        (r#"{"billing":[{"x":1},{"iban":1}]}"#, true),
        (r#"{"billing":[[{"iban":1}]]}"#, true),
        (r#"{"iban":1}"#, false),
        (r#"{"billing":1,"iban":1}"#, false),
        (r#"{"billing":{"bank":{"iban":1}}}"#, false),
        (r#"{"customer":{"billing":{"iban":1}}}"#, false),
        (r#"{"billing":"iban"}"#, false),
        (r#"{"billing":["iban"]}"#, false),
    ] {
        assert_eq!(fires(r#""billing.iban""#, payload), expected, "{payload}");
    }
    assert!(fires(r#""a.b.c""#, r#"{"a":[{"b":[{"c":0}]}]}"#));
    assert!(!fires(r#""a.b.c""#, r#"{"a":[{"b":1},{"c":0}]}"#));
    // One path that begins another one.
    assert!(fires(r#""a.b.c","a.b""#, r#"{"a":{"b":0}}"#));
}

#[test]
fn a_literal_key_equal_to_a_dotted_name_fires_too() {
    for (payload, expected) in [
        (r#"{"billing.iban":1}"#, true),
        (r#"{"deep":[{"billing.iban":1}]}"#, true),
        (r#"{"billing․iban":1}"#, true),
        (r#"{"billing..iban":1,"billing.":1,".":1}"#, false),
    ] {
        assert_eq!(fires(r#""billing.iban""#, payload), expected, "{payload}");
    }
    // However a path is cut into keys, it spells the same name.
    assert!(fires(r#""a.b.c""#, r#"{"a.b":{"c":1}}"#));
    assert!(fires(r#""a.b.c""#, r#"{"a":{"b.c":1}}"#));
}

#[test]
fn names_compare_after_nfkc_and_lower_casing_on_both_sides() {
    for (name, key) in [
        ("iban", "IBAN"),
        ("IBAN", "iban"),
        ("iban", "Ｉｂａｎ"),
        ("ｉｂａｎ", "iban"),
        ("É", "e\u{301}"),
        ("ﬁeld", "FIELD"),
        ("\u{212a}", "k"),
    ] {
        assert!(
            fires(&format!(r#""{name}""#), &format!(r#"{{"{key}":1}}"#)),
            "{name} {key}"
        );
    }
    assert!(fires(r#""Billing.IBAN""#, r#"{"BILLING":{"iban":1}}"#));
    assert!(fires(r#""ａ．ｂ""#, r#"{"A":{"B":1}}"#));
}

#[test]
fn a_rule_that_asks_denies_when_a_field_fires() {
    let rule = r#""decision":"require_approval","conditions":{"deny_fields":["iban"]}"#;
    assert_eq!(word(&one_rule(rule, r#"{"iban":1}"#)), "deny");
    // Without one of the conditions that ask, the rule always applies.
    assert_eq!(word(&one_rule(rule, "{}")), "require_approval");
}

#[test]
fn a_long_payload_is_looked_through_once_however_many_names_there_are() {
    let names: Vec<String> = (0..1000)
        .map(|n| format!(r#""a.b{n}.c","x{n}""#))
        .take(500)
        .collect();
    let items: Vec<String> = (0..5_000)
        .map(|n| format!(r#"{{"b{n}":{{"d":{n}}}}}"#))
        .collect();
    let payload = format!(r#"{{"a":[{}]}}"#, items.join(","));
    assert!(!fires(&names.join(","), &payload));
    let payload = payload.replace(r#""b499":{"d""#, r#""b499":{"c""#);
    assert!(fires(&names.join(","), &payload));
}
