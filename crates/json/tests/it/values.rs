//! Objects and values that code builds.

use relynt_json::{Number, Object, Value, parse, write_canonical_str};

#[test]
fn an_object_keeps_its_keys_in_canonical_order() {
    let mut object = Object::new();
    for key in ["\u{fb33}", "😂", "b", "", "a", "é", "\r", "1"] {
        assert!(object.insert(key, key.len() == 1).is_none());
    }
    let keys: Vec<&str> = object.keys().collect();
    assert_eq!(keys, ["", "\r", "1", "a", "b", "é", "😂", "\u{fb33}"]);
    assert_eq!(object.len(), 8);
}

#[test]
fn a_key_is_set_replaced_and_taken_out() {
    let mut object = Object::new();
    assert!(object.is_empty());
    assert_eq!(object.insert("a", 1_u32), None);
    assert_eq!(object.insert("a", "x"), Some(Value::from(1_u32)));
    assert_eq!(object.get("a").and_then(Value::as_str), Some("x"));
    assert_eq!(object.get("b"), None);
    *object.get_mut("a").unwrap() = true.into();
    assert!(object.contains_key("a"));
    assert_eq!(object.remove("a"), Some(Value::Bool(true)));
    assert_eq!(object.remove("a"), None);
    assert!(object.is_empty());
}

#[test]
fn objects_are_equal_whatever_the_order_of_their_text() {
    let left = parse(br#"{"a":{"x":1,"y":2},"b":[null]}"#).unwrap();
    let right = parse(br#"{"b":[null],"a":{"y":2.0,"x":1}}"#).unwrap();
    assert!(left == right);
    let collected: Object = [("b", Value::Null), ("a", 1_u32.into()), ("b", 2_u32.into())]
        .into_iter()
        .collect();
    assert_eq!(collected.to_canonical(), r#"{"a":1,"b":2}"#);
}

#[test]
fn rust_values_become_json() {
    let object: Object = [
        ("text", Value::from("t")),
        ("owned", String::from("o").into()),
        ("none", None::<&str>.into()),
        ("some", Some(-3_i32).into()),
        ("list", vec![Value::Null, false.into()].into()),
        ("number", Number::try_from(1.5).unwrap().into()),
        ("object", Object::new().into()),
    ]
    .into_iter()
    .collect();
    let mut bytes = Vec::new();
    Value::from(object.clone()).write_canonical(&mut bytes);
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        r#"{"list":[null,false],"none":null,"number":1.5,"object":{},"owned":"o","some":-3,"text":"t"}"#
    );
    let back: Vec<String> = object.into_iter().map(|(key, _)| key).collect();
    assert_eq!(back.len(), 7);
}

#[test]
fn one_string_is_written_alone() {
    let mut out = b"x".to_vec();
    write_canonical_str("a\"\u{1f}é\u{7f}\\", &mut out);
    assert_eq!(out, "x\"a\\\"\\u001fé\u{7f}\\\\\"".as_bytes());
}
