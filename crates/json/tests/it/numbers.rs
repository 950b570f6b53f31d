//! The number rule: what the policy reads and what the target reads are the same.

use std::time::Instant;

use relynt_json::ParseErrorKind::{IntegerOutOfRange, InvalidNumber, NumberNotExact};
use relynt_json::{Number, NumberError, Value, parse, parse_canonical};

use crate::{canonical, refused};

#[test]
fn numbers_that_a_double_carries_are_written_as_ecmascript_writes_them() {
    for (sent, written) in [
        ("0", "0"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("0e0", "0"),
        ("0.000e-999999999999999999999999", "0"),
        ("0E+999999999999999999999999", "0"),
        ("7", "7"),
        ("-7", "-7"),
        ("9007199254740991", "9007199254740991"),
        ("-9007199254740991", "-9007199254740991"),
        ("0.1", "0.1"),
        ("1.50", "1.5"),
        ("1e21", "1e+21"),
        ("1E21", "1e+21"),
        ("1e+21", "1e+21"),
        ("1e20", "100000000000000000000"),
        ("100e-2", "1"),
        ("1.0", "1"),
        ("1.000000000000000000000000000000", "1"),
        ("0.00000000000000000000000000001e29", "1"),
        ("12e1", "120"),
        ("0.000001", "0.000001"),
        ("0.0000001", "1e-7"),
        ("5e-324", "5e-324"),
        ("0.5e-323", "5e-324"),
        ("1.7976931348623157e308", "1.7976931348623157e+308"),
        ("17976931348623157e292", "1.7976931348623157e+308"),
        ("2.2250738585072014e-308", "2.2250738585072014e-308"),
        ("9007199254740992.0", "9007199254740992"),
        ("9007199254740992e0", "9007199254740992"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("0.300000000000000040", "0.30000000000000004"),
        ("1e-00000000000000000000000000000007", "1e-7"),
    ] {
        assert_eq!(canonical(sent), written, "{sent}");
    }
}

#[test]
fn integers_outside_two_to_the_53_minus_1_are_refused() {
    for sent in [
        "9007199254740992",
        "-9007199254740992",
        "9007199254740993",
        "9999999999999999",
        "10000000000000000",
        "100000000000000000000",
        "18446744073709551616",
        "18446744073709551617",
        "340282366920938463463374607431768211457",
    ] {
        assert_eq!(refused(sent).0, IntegerOutOfRange, "{sent}");
    }
    assert_eq!(refused("1".repeat(100_000)).0, IntegerOutOfRange);
}

#[test]
fn numbers_that_a_double_would_round_are_refused() {
    for sent in [
        "0.12345678901234567890",
        "0.1000000000000000055511151231257827",
        "9007199254740993.0",
        "9007199254740993e0",
        "90071992547409930e-1",
        "1e400",
        "-1e400",
        "1e-400",
        "-1e-400",
        "1e309",
        "1.7976931348623159e308",
        "1.79769313486231580e308",
        "4e-324",
        "2e-324",
        "3e-324",
        "4.9e-324",
        "4.9406564584124654e-324",
        "2.22507385850720138309e-308",
        "0.30000000000000003",
        "1.00000000000000000000000000000000000001",
        "1e999999999",
        "1e-999999999",
        "1e9223372036854775807",
        "1e9223372036854775808",
        "1e-9223372036854775809",
        "1e99999999999999999999999999999999999999",
        "123456789012345678e2",
    ] {
        assert_eq!(refused(sent).0, NumberNotExact, "{sent}");
    }
}

#[test]
fn the_rule_is_exact_for_texts_of_any_length() {
    let zeros = "0".repeat(800_000);
    assert_eq!(canonical(&format!("0.{zeros}1e800001")), "1");
    assert_eq!(canonical(&format!("1{zeros}e-800000")), "1");
    assert_eq!(canonical(&format!("1.{zeros}")), "1");
    assert_eq!(canonical(&format!("-1{zeros}.0{zeros}e-799999")), "-10");
    assert_eq!(canonical(&format!("1e{zeros}1")), "10");
    assert_eq!(refused(format!("1.{zeros}1")).0, NumberNotExact);
    assert_eq!(refused(format!("0.{zeros}1")).0, NumberNotExact);
    assert_eq!(refused(format!("1{zeros}")).0, IntegerOutOfRange);
    assert_eq!(refused(format!("1{zeros}.5e-800000")).0, NumberNotExact);
}

#[test]
fn hostile_numbers_cost_no_more_than_their_text() {
    let nines = "9".repeat(4 * 1024 * 1024);
    let texts = [
        nines.clone(),
        format!("0.{nines}"),
        format!("1e{nines}"),
        format!("{nines}.{nines}e-{nines}"),
    ];
    let start = Instant::now();
    for text in &texts {
        refused(text);
    }
    // Anything that is not linear would take minutes.
    assert!(start.elapsed().as_secs() < 5);
}

#[test]
fn what_is_not_a_json_number_is_refused() {
    for sent in [
        "01", "-01", "00", "1.", "1.e5", ".5e1", "1e", "1e+", "-", "--1", "0x10", "1.5.2",
    ] {
        parse(sent.as_bytes()).unwrap_err();
    }
    for sent in ["01 ", "-a", "1.a", "1e+a"] {
        assert_eq!(refused(sent).0, InvalidNumber, "{sent}");
    }
    for sent in [
        "+1",
        ".5",
        "NaN",
        "Infinity",
        "-Infinity",
        "1_000",
        "1,5",
        "１",
    ] {
        parse(sent.as_bytes()).unwrap_err();
    }
}

#[test]
fn canonical_text_of_large_integers_is_read_back() {
    for text in [
        "100000000000000000000",
        "-9007199254740992",
        "295147905179352830000",
    ] {
        assert_eq!(refused(text).0, IntegerOutOfRange);
        assert_eq!(
            parse_canonical(text.as_bytes()).unwrap().to_canonical(),
            text
        );
    }
    for text in [
        "9007199254740993",
        "1e20",
        "1.50",
        "-0",
        "1000000000000000000000",
    ] {
        parse_canonical(text.as_bytes()).unwrap_err();
    }
}

#[test]
fn integers_of_every_size_become_numbers() {
    for value in [0_u32, 1, 9, 10, 99, 100, 4_294_967_295] {
        assert_eq!(Number::from(value).as_str(), value.to_string());
    }
    for value in [0_i32, -1, 1, i32::MIN, i32::MAX] {
        assert_eq!(Number::from(value).as_str(), value.to_string());
        assert_eq!(Number::from(value).as_i64(), Some(i64::from(value)));
    }
    assert_eq!(
        Number::try_from(9_007_199_254_740_991_u64)
            .unwrap()
            .as_str(),
        "9007199254740991"
    );
    assert_eq!(
        Number::try_from(-9_007_199_254_740_991_i64)
            .unwrap()
            .as_str(),
        "-9007199254740991"
    );
    assert_eq!(
        Number::try_from(9_007_199_254_740_992_u64),
        Err(NumberError::OutOfRange)
    );
    assert_eq!(Number::try_from(u64::MAX), Err(NumberError::OutOfRange));
    assert_eq!(Number::try_from(i64::MIN), Err(NumberError::OutOfRange));
    assert_eq!(Number::try_from(7_usize).unwrap().as_u64(), Some(7));
}

#[test]
fn numbers_are_read_as_what_they_are() {
    let number = |text: &str| match parse(text.as_bytes()).unwrap() {
        Value::Number(number) => number,
        _ => panic!(),
    };
    assert_eq!(number("1.0"), number("1"));
    assert_eq!(number("-0"), number("0"));
    assert_eq!(number("1.0").as_u64(), Some(1));
    assert_eq!(number("-1").as_u64(), None);
    assert_eq!(number("-1").as_i64(), Some(-1));
    assert_eq!(number("1.5").as_i64(), None);
    assert_eq!(number("1e21").as_u64(), None);
    assert_eq!(number("1e19").as_u64(), Some(10_000_000_000_000_000_000));
    assert_eq!(number("1e300").as_f64().to_bits(), 1e300_f64.to_bits());
}
