//! Algebra, against other implementations.

use proptest::prelude::*;
use relynt_json::{Decimal, Number, parse, parse_canonical};

/// A JSON text as others write it: any spacing, escapes and key order.
fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(|n| n.to_string()),
        finite().prop_map(with_exponent),
        finite().prop_map(|double| Number::try_from(double).unwrap().to_string()),
        string_text(),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..8), space()).prop_map(
                |(items, space)| format!("[{space}{}{space}]", items.join(&format!("{space},")))
            ),
            (prop::collection::vec((string_text(), inner), 0..8), space()).prop_map(
                |(members, space)| {
                    let members: Vec<String> = members
                        .into_iter()
                        .map(|(key, value)| format!("{key}{space}:{value}"))
                        .collect();
                    format!("{{{space}{}}}", members.join(&format!("{space},{space}")))
                }
            ),
        ]
    })
}

fn space() -> impl Strategy<Value = String> {
    "[ \t\r\n]{0,2}"
}

fn finite() -> impl Strategy<Value = f64> {
    any::<u64>()
        .prop_map(f64::from_bits)
        .prop_filter("finite", |double| double.is_finite())
}

/// ECMAScript's digits with an exponent, so that large integers are taken. (Rust's own shortest
/// text is another one where two are equally near.)
fn with_exponent(double: f64) -> String {
    let text = Number::try_from(double).unwrap().to_string();
    if text.contains('e') {
        text
    } else {
        format!("{text}E+0")
    }
}

/// A string literal: plain, escaped in full, or as others escape.
fn string_text() -> impl Strategy<Value = String> {
    (prop::collection::vec(any::<char>(), 0..8), 0..3).prop_map(|(characters, style)| {
        let text: String = characters.iter().collect();
        match style {
            0 => serde_json::to_string(&text).unwrap(),
            1 => {
                let units: Vec<String> = text
                    .encode_utf16()
                    .map(|unit| format!("\\u{unit:04X}"))
                    .collect();
                format!("\"{}\"", units.concat())
            }
            _ => serde_json::to_string(&text).unwrap().replace('/', "\\/"),
        }
    })
}

/// The oracle drops repeated keys silently; its form is comparable only where there are none.
fn has_repeated_key(error: &relynt_json::ParseError) -> bool {
    error.kind == relynt_json::ParseErrorKind::DuplicateKey
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn canonical_form_is_that_of_another_implementation(text in json_text()) {
        let parsed = parse(text.as_bytes());
        if let Err(error) = &parsed
            && (has_repeated_key(error)
                || error.kind == relynt_json::ParseErrorKind::IntegerOutOfRange)
        {
            return Ok(());
        }
        let ours = parsed.unwrap().to_canonical();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let theirs = serde_json_canonicalizer::to_string(&value).unwrap();
        prop_assert_eq!(&ours, &theirs);
        let again = parse_canonical(ours.as_bytes()).unwrap().to_canonical();
        prop_assert_eq!(&again, &ours);
    }

    #[test]
    fn what_another_reader_refuses_is_refused(
        text in json_text(),
        cut in any::<prop::sample::Index>(),
        change in any::<u8>(),
    ) {
        let mut bytes = text.into_bytes();
        let at = cut.index(bytes.len());
        bytes[at] = change;
        if serde_json::from_slice::<serde_json::Value>(&bytes).is_err() {
            prop_assert!(parse(&bytes).is_err());
        }
        if let Ok(value) = parse(&bytes) {
            let theirs: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            let theirs = serde_json_canonicalizer::to_string(&theirs).unwrap();
            prop_assert_eq!(value.to_canonical(), theirs);
        }
        bytes.truncate(at);
        let _ = parse(&bytes);
    }

    #[test]
    fn any_bytes_are_read_or_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
        let _ = parse_canonical(&bytes);
    }

    #[test]
    fn likely_bytes_are_read_or_refused_without_a_panic(text in r#"[\[\]{}:,"\\0-9eE.+\-untrlfas d8\x00-\x1f]{0,60}"#) {
        let ours = parse(text.as_bytes());
        if ours.is_ok() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }
    }

    #[test]
    fn every_double_is_read_from_its_own_text(double in finite()) {
        let value = parse(with_exponent(double).as_bytes()).unwrap();
        let number = value.as_number().unwrap();
        prop_assert_eq!(number.as_f64().to_bits(), (double + 0.0).to_bits());
    }

    /// The rule itself, by exact arithmetic of the test's own: a number passes if and only if the
    /// nearest double's text has the same decimal value.
    #[test]
    fn a_number_passes_if_and_only_if_its_value_survives(
        integer in "0|[1-9][0-9]{0,19}",
        fraction in "[0-9]{1,22}",
        exponent in -330_i32..320,
    ) {
        let text = format!("{integer}.{fraction}e{exponent}");
        let double: f64 = text.parse().unwrap();
        let survives = double.is_finite() && {
            let written = Number::try_from(double).unwrap().to_string();
            expand(&written) == expand(&text)
        };
        prop_assert_eq!(parse(text.as_bytes()).is_ok(), survives, "{}", text);
    }

    #[test]
    fn decimals_agree_with_integers(left in any::<i64>(), right in any::<i64>(), scale in 0_usize..12) {
        let at = |value: i64| {
            let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
            let (integer, fraction) = digits.split_at(digits.len() - scale);
            let sign = if value < 0 { "-" } else { "" };
            let point = if scale > 0 { "." } else { "" };
            format!("{sign}{integer}{point}{fraction}").parse::<Decimal>().unwrap()
        };
        let (a, b) = (at(left), at(right));
        prop_assert_eq!(a.cmp(&b), left.cmp(&right));
        prop_assert_eq!(a == b, left == right);
        let difference = &a - &b;
        prop_assert_eq!(difference.is_negative(), left < right);
        // (a − b) − a = −b
        let negated = &difference - &a;
        prop_assert!(negated.abs() == b.abs());
        prop_assert!(difference.to_string().parse::<Decimal>().unwrap() == difference);
        let wide = i128::from(left) - i128::from(right);
        if scale == 0 {
            prop_assert_eq!(difference.to_string(), wide.to_string());
        }
    }

    #[test]
    fn decimals_of_doubles_compare_as_doubles(left in finite(), right in finite()) {
        let a = Number::try_from(left).unwrap().to_decimal();
        let b = Number::try_from(right).unwrap().to_decimal();
        prop_assert_eq!(a.cmp(&b), (left + 0.0).partial_cmp(&(right + 0.0)).unwrap());
        let difference = &a - &b;
        prop_assert_eq!(difference.is_zero(), a == b);
        prop_assert!(&a - &difference == b);
    }
}

/// Digits without outer zeros, and the power of ten of the last one.
fn expand(text: &str) -> (String, i32) {
    let text = text.trim_start_matches('-');
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{integer}{fraction}");
    let exponent: i32 = exponent.trim_start_matches('+').parse().unwrap();
    let exponent = exponent - i32::try_from(fraction.len()).unwrap();
    let stripped = digits.trim_end_matches('0');
    let dropped = i32::try_from(digits.len() - stripped.len()).unwrap();
    let significant = stripped.trim_start_matches('0').to_owned();
    if significant.is_empty() {
        return (significant, 0);
    }
    (significant, exponent + dropped)
}
