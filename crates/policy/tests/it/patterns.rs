//! "`*` stands for any run of characters, colons included, also none; anywhere, any number of
//! times; everything else is literal; case-sensitive; the whole string must match."

use proptest::prelude::*;
use relynt_policy::{Pattern, PatternError};

use crate::reference;
use crate::support::{ask, faults, policy, word};

#[test]
fn a_star_stands_for_any_run_of_characters() {
    for (pattern, text, matches) in [
        ("crm:deal:*", "crm:deal:123", true),
        ("crm:deal:*", "crm:deal:", true),
        ("crm:deal:*", "crm:deal:123:note:4", true),
        ("crm:deal:*", "crm:deal", false),
        ("crm:deal:*", "crm:deals:1", false),
        ("*", "", true),
        ("*", "anything:at:all", true),
        ("**", "x", true),
        ("*_deal", "update_deal", true),
        ("*_deal", "_deal", true),
        ("*_deal", "update_deals", false),
        ("crm:*:note", "crm:deal:7:note", true),
        ("crm:*:note", "crm::note", true),
        ("crm:*:note", "crm:note", false),
        ("a*a", "a", false),
        ("a*a", "aa", true),
        ("ab*ba", "aba", false),
        ("*ab*ab*", "abab", true),
        ("*ab*ab*", "aab", false),
        ("*aab*", "aaab", true),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-c-b", false),
        ("é*", "éa", true),
        ("*é", "e", false),
        ("日*語", "日本語", true),
    ] {
        assert_eq!(
            Pattern::parse(pattern).unwrap().matches(text),
            matches,
            "{pattern} {text}"
        );
    }
}

#[test]
fn everything_but_the_star_is_literal_and_case_sensitive() {
    for (pattern, text) in [
        ("update_deal", "Update_deal"),
        ("a?c", "abc"),
        ("a.c", "abc"),
        ("[ab]", "a"),
        ("a\\*", "a*"),
        ("a%", "ab"),
        ("{a,b}", "a"),
        ("crm/*", "crm:1"),
        ("update_deal", "update_deal "),
    ] {
        assert!(
            !Pattern::parse(pattern).unwrap().matches(text),
            "{pattern} {text}"
        );
    }
    assert!(Pattern::parse("a\\*").unwrap().matches("a\\b"));
}

#[test]
fn a_star_in_a_request_is_a_plain_character() {
    let policy = policy(
        r#"[{"action":"update_deal","resource_pattern":"crm:deal:1","decision":"allow"},
            {"action":"read*","resource_pattern":"*","decision":"allow"}]"#,
    );
    for (action, resource, verdict) in [
        ("update_deal", "crm:deal:1", "allow"),
        ("*", "crm:deal:1", "deny"),
        ("update_deal", "*", "deny"),
        ("update_*", "crm:deal:*", "deny"),
        ("read*", "*", "allow"),
    ] {
        assert_eq!(
            word(&ask(&policy, action, resource, "")),
            verdict,
            "{action} {resource}"
        );
    }
}

#[test]
fn a_pattern_that_no_request_could_match_is_refused() {
    assert_eq!(Pattern::parse(""), Err(PatternError::Empty));
    assert!(Pattern::parse(&"é".repeat(512)).is_ok());
    assert_eq!(Pattern::parse(&"é".repeat(513)), Err(PatternError::TooLong));
    for pattern in ["a\nb", "a\u{0}", "crm:\u{200b}*", "a\u{2028}b", "e\u{301}*"] {
        assert!(matches!(
            Pattern::parse(pattern),
            Err(PatternError::Unmatchable(_))
        ));
    }
    assert_eq!(
        faults(r#"[{"action":"","resource_pattern":"a\tb","decision":"deny"}]"#),
        [
            "/rules/0/action: a pattern is not empty",
            "/rules/0/resource_pattern: the text has a control character, so no request could \
             match the pattern",
        ]
    );
}

#[test]
fn no_pattern_needs_more_than_linear_time() {
    // Backtracking would take longer than the age of the universe here.
    let pattern = Pattern::parse(&"*a".repeat(256)).unwrap();
    let text = format!("{}b", "a".repeat(100_000));
    assert!(!pattern.matches(&text));
    let pattern = Pattern::parse(&format!("*{}b*", "a".repeat(500))).unwrap();
    assert!(!pattern.matches(&"a".repeat(100_000)));
}

proptest! {
    #[test]
    fn matching_agrees_with_the_definition(
        pattern in "[ab:*é]{1,8}",
        text in "[ab:*é]{0,10}",
    ) {
        let compiled = Pattern::parse(&pattern).unwrap();
        prop_assert_eq!(compiled.matches(&text), reference::pattern_matches(&pattern, &text));
        prop_assert_eq!(compiled.as_str(), pattern);
    }
}
