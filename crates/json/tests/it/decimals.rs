//! Exact decimals.

use relynt_json::{Decimal, DecimalError, parse};

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn from_number(text: &str) -> Decimal {
    parse(text.as_bytes())
        .unwrap()
        .as_number()
        .unwrap()
        .to_decimal()
}

#[test]
fn plain_texts_are_read_and_written() {
    for (text, plain) in [
        ("0", "0"),
        ("-0", "0"),
        ("-0.00", "0"),
        ("007.50", "7.5"),
        ("100", "100"),
        ("0.001", "0.001"),
        ("-12.5", "-12.5"),
        (
            "12345678901234567890.12345678901234567890",
            "12345678901234567890.1234567890123456789",
        ),
        ("10.0", "10"),
    ] {
        assert_eq!(decimal(text).to_string(), plain, "{text}");
    }
}

#[test]
fn other_texts_are_refused() {
    for text in [
        "", "-", "+1", "1.", ".5", "1e3", " 1", "1 ", "1,000", "1_000", "--1", "1.2.3", "0x1", "٣",
        "１", "NaN", "Infinity", "1\n", "-.5", "$5", "1.-5",
    ] {
        assert_eq!(
            text.parse::<Decimal>().unwrap_err(),
            DecimalError::Malformed,
            "{text:?}"
        );
    }
    decimal(&"9".repeat(64));
    assert_eq!(
        "9".repeat(65).parse::<Decimal>().unwrap_err(),
        DecimalError::TooLong
    );
    assert_eq!(
        "0".repeat(65).parse::<Decimal>().unwrap_err(),
        DecimalError::TooLong
    );
}

#[test]
fn numbers_are_the_decimal_that_they_are_written_as() {
    assert!(from_number("0.1") == decimal("0.1"));
    assert!(from_number("1.50") == decimal("1.5"));
    assert!(from_number("-0") == decimal("0"));
    assert!(from_number("1e21") == decimal("1000000000000000000000"));
    assert!(from_number("1e-7") == decimal("0.0000001"));
    assert_eq!(from_number("1e308").to_string().len(), 309);
    assert_eq!(from_number("5e-324").to_string().len(), 326);
    assert_eq!(from_number("-1.25e2").to_string(), "-125");
}

#[test]
fn comparison_is_by_value() {
    let ascending = [
        "-1e308",
        "-1000",
        "-999.99",
        "-1",
        "-0.5",
        "-5e-324",
        "0",
        "5e-324",
        "1e-7",
        "0.1",
        "0.10000000000000002",
        "0.9",
        "1",
        "1.5",
        "9",
        "10",
        "11",
        "99",
        "100",
        "1e21",
        "1e308",
    ];
    for (low, left) in ascending.iter().enumerate() {
        for (high, right) in ascending.iter().enumerate() {
            let order = from_number(left).cmp(&from_number(right));
            assert_eq!(order, low.cmp(&high), "{left} {right}");
        }
    }
}

#[test]
fn differences_are_exact() {
    for (left, right, difference) in [
        ("0.3", "0.1", "0.2"),
        ("0.1", "0.3", "-0.2"),
        ("1", "1", "0"),
        ("-1", "-1", "0"),
        ("-1", "1", "-2"),
        ("1", "-1", "2"),
        ("0", "5", "-5"),
        ("-5", "0", "-5"),
        ("0", "-5", "5"),
        ("-2", "-5", "3"),
        ("-5", "-2", "-3"),
        ("1000", "0.001", "999.999"),
        ("99999999999999999999", "-1", "100000000000000000000"),
        ("100000.10", "50000.05", "50000.05"),
    ] {
        assert_eq!(
            (&decimal(left) - &decimal(right)).to_string(),
            difference,
            "{left} - {right}"
        );
    }
    assert_eq!((&decimal("1") - &decimal("3")).abs().to_string(), "2");
    assert!((&decimal("1") - &decimal("3")).is_negative());
    assert!((&decimal("1") - &decimal("1.0")).is_zero());
}

#[test]
fn the_ends_of_the_range_subtract_exactly() {
    let (large, small) = (from_number("1e308"), from_number("5e-324"));
    let difference = &large - &small;
    assert!(difference < large);
    assert!(&large - &difference == small);
    let text = difference.to_string();
    assert!(text.starts_with(&"9".repeat(308)));
    assert!(text.ends_with("9995"));
    assert_eq!(text.len(), 308 + 1 + 324);
    let sum = &large - &from_number("-1e308");
    assert_eq!(sum.to_string(), format!("2{}", "0".repeat(308)));
}

#[test]
fn debug_shows_no_amount() {
    assert_eq!(format!("{:?}", decimal("12345")), "decimal");
}
