//! The published vectors of RFC 8785.

use std::fs;
use std::path::Path;

use relynt_json::{Number, Object, ParseErrorKind, Value, parse, parse_canonical};

const NAMES: [&str; 6] = [
    "arrays",
    "french",
    "structures",
    "unicode",
    "values",
    "weird",
];

fn read(path: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/rfc8785");
    fs::read(folder.join(path)).unwrap()
}

#[test]
fn every_published_input_has_its_published_canonical_form() {
    for name in NAMES {
        let input = read(&format!("input/{name}.json"));
        let value = rounded(&serde_json::from_slice(&input).unwrap());
        let expected = read(&format!("output/{name}.json"));
        assert_eq!(value.to_canonical().as_bytes(), expected, "{name}");

        let hex = String::from_utf8(read(&format!("outhex/{name}.txt"))).unwrap();
        let from_hex: Vec<u8> = hex
            .split_whitespace()
            .map(|byte| u8::from_str_radix(byte, 16).unwrap())
            .collect();
        assert_eq!(from_hex, expected, "{name}");
    }
}

/// What a reader that rounds makes of a text: one of the published inputs needs it.
fn rounded(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => (*value).into(),
        serde_json::Value::Number(number) => {
            Number::try_from(number.as_f64().unwrap()).unwrap().into()
        }
        serde_json::Value::String(text) => text.as_str().into(),
        serde_json::Value::Array(items) => items.iter().map(rounded).collect::<Vec<_>>().into(),
        serde_json::Value::Object(members) => members
            .iter()
            .map(|(key, value)| (key.as_str(), rounded(value)))
            .collect::<Object>()
            .into(),
    }
}

#[test]
fn the_reader_takes_the_published_inputs_but_for_one_number_that_a_double_rounds() {
    for name in NAMES {
        let input = read(&format!("input/{name}.json"));
        match parse(&input) {
            Ok(value) => {
                let expected = read(&format!("output/{name}.json"));
                assert_eq!(value.to_canonical().as_bytes(), expected, "{name}");
            }
            Err(error) => {
                assert_eq!((name, error.pointer.as_str()), ("values", "/numbers/0"));
                assert_eq!(error.kind, ParseErrorKind::NumberNotExact);
                let text = String::from_utf8(input).unwrap();
                assert!(text.contains("333333333.33333329"));
            }
        }
    }
}

#[test]
fn every_published_output_is_canonical_already() {
    for name in NAMES {
        let output = read(&format!("output/{name}.json"));
        assert_eq!(
            parse_canonical(&output).unwrap().to_canonical().as_bytes(),
            output
        );
    }
}

/// RFC 8785, Appendix B, without NaN and the infinities, which are errors there.
#[test]
fn doubles_are_written_as_in_appendix_b() {
    let table = [
        (0x0000_0000_0000_0000, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0xc340_0000_0000_0000, "-9007199254740992"),
        (0x4340_0000_0000_0001, "9007199254740994"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0x41b3_de43_5555_5554, "333333333.33333325"),
        (0x41b3_de43_5555_5555, "333333333.3333333"),
        (0x41b3_de43_5555_5556, "333333333.3333334"),
        (0x41b3_de43_5555_5557, "333333333.33333343"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ];
    for (bits, text) in table {
        let number = Number::try_from(f64::from_bits(bits)).unwrap();
        assert_eq!(number.as_str(), text, "{bits:016x}");
    }
    for bits in [
        0x7fff_ffff_ffff_ffff,
        0x7ff0_0000_0000_0000,
        0xfff0_0000_0000_0000,
    ] {
        Number::try_from(f64::from_bits(bits)).unwrap_err();
    }
}
