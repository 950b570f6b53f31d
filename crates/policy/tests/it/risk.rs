//! "by the outcome: allow low, deny medium, approval high; as given, if given"

use crate::support::one_rule;

#[test]
fn risk_is_by_the_outcome_unless_it_is_given() {
    let conditions = r#""conditions":{"deny_fields":["iban"],"max_amount_change":100}"#;
    for (decision, payload, by_outcome) in [
        ("allow", r#"{"amount":1}"#, "low"),
        ("allow", r#"{"amount":101}"#, "high"),
        ("allow", r#"{"iban":1}"#, "medium"),
        ("require_approval", r#"{"amount":101}"#, "high"),
        ("require_approval", r#"{"iban":1}"#, "medium"),
    ] {
        let rule = format!(r#""decision":"{decision}",{conditions}"#);
        assert_eq!(one_rule(&rule, payload).risk_level.as_str(), by_outcome);
        for given in ["low", "medium", "high"] {
            let rule = format!(r#"{rule},"risk_level":"{given}""#);
            assert_eq!(one_rule(&rule, payload).risk_level.as_str(), given);
        }
    }
    assert_eq!(
        one_rule(r#""decision":"deny""#, "{}").risk_level.as_str(),
        "medium"
    );
    let high = r#""decision":"deny","risk_level":"high""#;
    assert_eq!(one_rule(high, "{}").risk_level.as_str(), "high");
}
