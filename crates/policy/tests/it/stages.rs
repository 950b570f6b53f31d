//! "`stage`, trimmed and case-folded, is in the list; present but not a string: fires"

use crate::support::{one_rule, word};

fn fires(stages: &str, payload: &str) -> bool {
    let rule =
        format!(r#""decision":"allow","conditions":{{"require_approval_if_stage":[{stages}]}}"#);
    match word(&one_rule(&rule, payload)) {
        "require_approval" => true,
        "allow" => false,
        other => panic!("{other}"),
    }
}

#[test]
fn a_stage_in_the_list_fires() {
    for (payload, expected) in [
        (r#"{"stage":"closed_won"}"#, true),
        (r#"{"stage":"closed_lost"}"#, true),
        (r#"{"stage":" Closed_WON\t"}"#, true),
        (r#"{"stage":"\u00a0CLOSED_won\ufeff"}"#, true),
        (r#"{"stage":"ｃｌｏｓｅｄ_won"}"#, true),
        (r#"{"stage":"negotiation"}"#, false),
        (r#"{"stage":"closed_won_back"}"#, false),
        (r#"{"stage":"closed won"}"#, false),
        (r#"{"stage":""}"#, false),
        ("{}", false),
        ("", false),
        (r#"{"deal":{"stage":"closed_won"}}"#, false),
    ] {
        assert_eq!(
            fires(r#""closed_won","Closed_Lost""#, payload),
            expected,
            "{payload}"
        );
    }
    assert!(fires(r#""straße""#, r#"{"stage":"STRASSE"}"#));
    assert!(fires(r#""ΤΕΛΟΣ""#, r#"{"stage":"τελος"}"#));
}

#[test]
fn a_stage_that_is_no_string_fires() {
    for stage in [
        "null",
        "0",
        "false",
        "[]",
        r#"["new"]"#,
        r#"{"name":"new"}"#,
    ] {
        assert!(
            fires(r#""closed_won""#, &format!(r#"{{"stage":{stage}}}"#)),
            "{stage}"
        );
    }
}

#[test]
fn names_compare_after_nfkc_and_lower_casing_and_two_equal_ones_fire() {
    assert!(fires(r#""closed_won""#, r#"{"Stage":"closed_won"}"#));
    assert!(fires(r#""closed_won""#, r#"{"ＳＴＡＧＥ":"closed_won"}"#));
    assert!(fires(r#""closed_won""#, r#"{"stage":"new","STAGE":"new"}"#));
}
