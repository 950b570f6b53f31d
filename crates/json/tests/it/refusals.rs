//! Everything that the reader refuses, with its place.

use relynt_json::ParseErrorKind::{
    ByteOrderMark, ControlCharacter, DuplicateKey, IntegerOutOfRange, InvalidEscape, InvalidUtf8,
    LoneSurrogate, NotCanonical, TooDeep, TrailingCharacters, UnexpectedCharacter, UnexpectedEnd,
};
use relynt_json::{MAX_DEPTH, ParseErrorKind, parse, parse_canonical};

use crate::{canonical, refused};

fn check(text: impl AsRef<[u8]>, kind: ParseErrorKind, offset: usize, pointer: &str) {
    let shown = String::from_utf8_lossy(text.as_ref()).into_owned();
    assert_eq!(
        refused(text),
        (kind, offset, pointer.to_owned()),
        "{shown:.200}"
    );
}

#[test]
fn a_key_that_occurs_twice_is_refused_at_any_depth() {
    check(r#"{"a":1,"a":1}"#, DuplicateKey, 7, "/a");
    check(r#"{"a":1, "\u0061":2}"#, DuplicateKey, 8, "/a");
    check(r#"{"":1,"":2}"#, DuplicateKey, 6, "/");
    check(r#"{"b":1,"a":2,"c":3,"b":4}"#, DuplicateKey, 19, "/b");
    check(
        r#"{"p":[{"x":{"k/~":1,"k/~":2}}]}"#,
        DuplicateKey,
        20,
        "/p/0/x/k~1~0",
    );
    check(r#"{"é":1,"é":2}"#, DuplicateKey, 8, "/é");
    check(r#"{"😂":1,"\ud83d\ude02":2}"#, DuplicateKey, 10, "/😂");
    // Not normalized: these are two keys.
    assert_eq!(
        canonical("{\"e\u{301}\":1,\"\u{e9}\":2}"),
        "{\"e\u{301}\":1,\"\u{e9}\":2}"
    );
}

#[test]
fn many_keys_are_checked_quickly() {
    let mut members: Vec<String> = (0..50_000).rev().map(|n| format!("\"k{n}\":0")).collect();
    let text = format!("{{{}}}", members.join(","));
    assert_eq!(
        parse(text.as_bytes()).unwrap().as_object().unwrap().len(),
        50_000
    );
    members.push("\"k49999\":0".to_owned());
    let text = format!("{{{}}}", members.join(","));
    assert_eq!(refused(&text).2, "/k49999");
    assert_eq!(refused(&text).1, text.len() - 11);
}

#[test]
fn nesting_deeper_than_64_is_refused_before_it_is_entered() {
    let nested = |depth: usize| format!("{}0{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(canonical(&nested(MAX_DEPTH)), nested(MAX_DEPTH));
    check(
        nested(MAX_DEPTH + 1),
        TooDeep,
        MAX_DEPTH,
        &"/0".repeat(MAX_DEPTH),
    );

    let objects = |depth: usize| format!("{}0{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert_eq!(canonical(&objects(MAX_DEPTH)), objects(MAX_DEPTH));
    assert_eq!(refused(objects(MAX_DEPTH + 1)).0, TooDeep);

    // Siblings do not add up.
    let wide = format!("[{}]", vec!["[[]]"; 500].join(","));
    assert_eq!(canonical(&wide), wide);
}

#[test]
fn hostile_nesting_does_not_overflow_a_small_stack() {
    let hostile = [
        "[".repeat(4_000_000),
        "{\"a\":".repeat(1_000_000),
        "[{\"a\":".repeat(700_000),
    ];
    std::thread::Builder::new()
        .stack_size(128 * 1024)
        .spawn(move || {
            for text in hostile {
                assert_eq!(refused(text).0, TooDeep);
            }
        })
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn bytes_that_are_not_utf_8_are_refused() {
    for bytes in [
        &b"\"\xff\""[..],
        b"\"\xc0\xaf\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xf4\x90\x80\x80\"",
        b"\"\xe2\x82\"",
        b"\xfe\xff\0[\0]",
    ] {
        assert_eq!(refused(bytes).0, InvalidUtf8, "{bytes:x?}");
    }
    check(b"{\"a\":\"\xff\"}", InvalidUtf8, 6, "");
    check("\u{feff}{}", ByteOrderMark, 0, "");
    // UTF-16, with and without its mark.
    assert_eq!(refused(b"\xff\xfe[\0]\0").0, InvalidUtf8);
    assert_eq!(refused(b"[\0]\0").0, UnexpectedCharacter);
}

#[test]
fn surrogates_need_their_other_half() {
    check(r#""\ud800""#, LoneSurrogate, 1, "");
    check(r#""\udc00""#, LoneSurrogate, 1, "");
    check(r#""\ud800x""#, LoneSurrogate, 1, "");
    check(r#""\ud800\n""#, LoneSurrogate, 1, "");
    check(r#""\ud800\u0041""#, LoneSurrogate, 1, "");
    check(r#""\ud800\ud800""#, LoneSurrogate, 1, "");
    check(r#""\ude02\ud83d""#, LoneSurrogate, 1, "");
    check(r#"{"a":["x\udfff"]}"#, LoneSurrogate, 8, "/a/0");
    check(r#"{"\ud800":1}"#, LoneSurrogate, 2, "");
    assert_eq!(canonical(r#""\ud83d\ude02\uD83D\uDE02""#), "\"😂😂\"");
    assert_eq!(
        canonical(r#""\ud800\udc00\udbff\udfff""#),
        "\"\u{10000}\u{10ffff}\""
    );
}

#[test]
fn strings_escape_what_has_to_be_escaped_and_nothing_unknown() {
    check("\"a\nb\"", ControlCharacter, 2, "");
    check("\"\0\"", ControlCharacter, 1, "");
    check("\"\\\u{1}\"", InvalidEscape, 1, "");
    check("{\"k\":\"\\x41\"}", InvalidEscape, 6, "/k");
    check(r#""\u12g4""#, InvalidEscape, 1, "");
    check(r#""\u+123""#, InvalidEscape, 1, "");
    check(r#""\U0041""#, InvalidEscape, 1, "");
    check(r#""\'""#, InvalidEscape, 1, "");
    check("\"\\u00é\"", InvalidEscape, 1, "");
    check(r#""abc\"#, UnexpectedEnd, 5, "");
    check(r#""abc\u00"#, UnexpectedEnd, 8, "");
    check(r#""abc"#, UnexpectedEnd, 4, "");
    check("\"\u{1f}\"", ControlCharacter, 1, "");
    assert_eq!(
        canonical("\"\u{7f}\u{80}\u{2028}\u{ffff}\""),
        "\"\u{7f}\u{80}\u{2028}\u{ffff}\""
    );
    assert_eq!(
        canonical(r#""\/\u002f\u0000\u001F\b\t\n\f\r\"\\""#),
        r#""//\u0000\u001f\b\t\n\f\r\"\\""#
    );
}

#[test]
fn texts_end_where_the_value_ends() {
    check("", UnexpectedEnd, 0, "");
    check("  \n", UnexpectedEnd, 3, "");
    check("{} x", TrailingCharacters, 3, "");
    check("{}{}", TrailingCharacters, 2, "");
    check("1 2", TrailingCharacters, 2, "");
    check("null\0", TrailingCharacters, 4, "");
    check("[1", UnexpectedEnd, 2, "");
    check("[1,", UnexpectedEnd, 3, "/1");
    check("{\"a\"", UnexpectedEnd, 4, "/a");
    check("{\"a\":", UnexpectedEnd, 5, "/a");
    check("tru", UnexpectedEnd, 3, "");
    assert_eq!(
        canonical(" \t\r\n{ \"a\" : [ 1 , 2 ] } \t\r\n"),
        r#"{"a":[1,2]}"#
    );
}

#[test]
fn what_other_readers_forgive_is_refused() {
    for text in [
        "[1,]",
        "{\"a\":1,}",
        "[,1]",
        "{,}",
        "{a:1}",
        "{'a':1}",
        "{\"a\" 1}",
        "{\"a\":1 \"b\":2}",
        "[1 2]",
        "// c\n1",
        "/* c */1",
        "True",
        "nul",
        "nulL",
        "undefined",
        "{1:2}",
        "{null:1}",
        "[}",
        "{]",
        "]",
        "}",
        ":",
        "\u{a0}1",
        "\u{c}1",
        "\u{b}1",
        "\u{2028}1",
        "`a`",
        "'a'",
    ] {
        let (kind, ..) = refused(text);
        assert!(
            matches!(kind, UnexpectedCharacter | UnexpectedEnd),
            "{text}: {kind}"
        );
    }
}

#[test]
fn the_place_of_an_error_is_a_json_pointer() {
    let text = r#"{"action":"x","payload":{"a/b":[1,{"~":9007199254740993}]}}"#;
    check(text, IntegerOutOfRange, 39, "/payload/a~1b/1/~0");
    let error = parse(text.as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "an integer must be within ±9007199254740991 (byte 39, at `/payload/a~1b/1/~0`)"
    );
}

#[test]
fn errors_show_no_values_and_stay_short() {
    let error = parse(br#"{"a":{"b":"hunter2\ud800"}}"#).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"));

    let long = "k".repeat(200_000);
    let text = format!("{{\"outer\":{{\"{long}\":[01]}}}}");
    assert_eq!(refused(text).2, "/outer");
    let value = parse(br#"{"a":["hunter2",12345,true]}"#).unwrap();
    assert_eq!(format!("{value:?}"), r#"{"a": [string, number, bool]}"#);
}

#[test]
fn only_canonical_text_is_canonical() {
    for text in [
        r#"{ "a":1}"#,
        r#"{"b":1,"a":2}"#,
        r#"{"a":1.0}"#,
        r#"{"a":"\u0041"}"#,
        r#"{"a":"\/"}"#,
        "{\"a\":1}\n",
        r#"{"a":1E2}"#,
        r#""\u001F""#,
    ] {
        parse(text.as_bytes()).unwrap();
        let error = parse_canonical(text.as_bytes()).unwrap_err();
        assert_eq!(error.kind, NotCanonical, "{text}");
    }
    assert_eq!(
        parse_canonical(b"{\"a\":1,\"b\":1.0}").unwrap_err().offset,
        12
    );
}
