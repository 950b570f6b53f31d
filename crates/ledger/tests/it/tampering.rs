//! Every way of changing a record makes it invalid.

use relynt_json::{Object, Value, parse};
use relynt_ledger::{
    Check, KeySet, Record, SigningKey, Trust, Verdict, Verification, verify, verify_document,
};

use crate::samples;

fn named() -> KeySet {
    samples::keys(Trust::Named)
}

fn object(bytes: &[u8]) -> Object {
    parse(bytes).unwrap().as_object().unwrap().clone()
}

fn check_invalid(object: &Object, what: &str) -> Verification {
    let canonical = object.to_canonical();
    let found = verify(canonical.as_bytes(), &named());
    assert_eq!(found.verdict, Verdict::Invalid, "{what}");
    assert!(!found.is_valid() && found.reason.is_some(), "{what}");
    assert_eq!(
        verify_document(canonical.as_bytes(), &named()).verdict,
        Verdict::Invalid,
        "{what}"
    );
    found
}

/// Signs whatever it is given, as a forger with a key would.
fn sign_anything(mut object: Object, key: &SigningKey) -> Object {
    object.remove("signature");
    object.insert("key_id", key.id().as_str());
    let signature = key.sign(object.to_canonical().as_bytes()).unwrap();
    object.insert("signature", signature.to_string());
    object
}

/// Other values of the same field, each of which a forger may want.
fn others(value: &Value) -> Vec<Value> {
    let mut others: Vec<Value> = vec![
        Value::Null,
        "".into(),
        "allow".into(),
        "agent".into(),
        true.into(),
        0_u32.into(),
        1_u32.into(),
        77_u32.into(),
        vec![].into(),
        Object::new().into(),
    ];
    if let Value::String(text) = value {
        others.push(format!("{text} ").into());
        others.push(text.to_uppercase().into());
        if let Some((at, last)) = text.char_indices().next_back() {
            let changed = if last == '0' { '1' } else { '0' };
            others.push(format!("{}{changed}", &text[..at]).into());
        }
    }
    others.retain(|other| other != value);
    others
}

#[test]
fn any_field_with_any_other_value_is_invalid() {
    for (name, bytes) in samples::signed() {
        let genuine = object(&bytes);
        for (field, value) in &genuine {
            for other in others(value) {
                let mut forged = genuine.clone();
                forged.insert(field, other);
                check_invalid(&forged, &format!("{name}.{field}"));
            }
            let Value::Object(inner) = value else {
                continue;
            };
            for (inner_field, value) in inner {
                for other in others(value) {
                    let mut changed = inner.clone();
                    changed.insert(inner_field, other);
                    let mut forged = genuine.clone();
                    forged.insert(field, changed);
                    check_invalid(&forged, &format!("{name}.{field}.{inner_field}"));
                }
            }
        }
    }
}

#[test]
fn a_field_less_or_more_is_invalid() {
    for (name, bytes) in samples::signed() {
        let genuine = object(&bytes);
        for field in genuine.keys() {
            let mut forged = genuine.clone();
            forged.remove(field);
            check_invalid(&forged, &format!("{name} without {field}"));
        }
        for extra in ["", "a", "signature2", "zz", "Action"] {
            let mut forged = genuine.clone();
            forged.insert(extra, Value::Null);
            check_invalid(&forged, &format!("{name} with {extra}"));
        }
    }
}

#[test]
fn a_wrong_form_is_invalid_even_under_the_right_key() {
    let key = samples::key();
    for (name, bytes) in samples::signed() {
        let genuine = object(&bytes);
        assert!(
            verify(
                sign_anything(genuine.clone(), &key)
                    .to_canonical()
                    .as_bytes(),
                &named()
            )
            .is_valid()
        );

        let mut more = genuine.clone();
        more.insert("extra", Value::Null);
        let found = check_invalid(&sign_anything(more, &key), name);
        assert_eq!(
            found.reason.unwrap(),
            "the field `extra` is not part of the format"
        );

        for field in genuine
            .keys()
            .filter(|field| *field != "signature" && *field != "key_id")
        {
            let mut less = genuine.clone();
            less.remove(field);
            check_invalid(
                &sign_anything(less, &key),
                &format!("{name} without {field}"),
            );
            let mut other_type = genuine.clone();
            other_type.insert(field, vec![Value::Null]);
            check_invalid(
                &sign_anything(other_type, &key),
                &format!("{name}: list as {field}"),
            );
        }
        let mut newer = genuine;
        newer.insert("schema", "relynt.receipt/2");
        let found = check_invalid(&sign_anything(newer, &key), name);
        assert_eq!(found.reason.unwrap(), "the schema is not known");
    }
}

#[test]
fn words_and_numbers_out_of_their_range_are_invalid_even_under_the_right_key() {
    let key = samples::key();
    let genuine = object(&samples::closed().sign(&key).unwrap().into_bytes());
    for (field, value) in [
        ("event", Value::from("calls")),
        ("decision", "allowed".into()),
        ("verdict", "pending_approval".into()),
        ("risk_level", "none".into()),
        ("performed_by", "human".into()),
        ("revision", (-1).into()),
        (
            "revision",
            relynt_json::Number::try_from(1.5).unwrap().into(),
        ),
        (
            "revision",
            relynt_json::Number::try_from(4_294_967_296_u64)
                .unwrap()
                .into(),
        ),
    ] {
        let mut forged = genuine.clone();
        forged.insert(field, value);
        check_invalid(&sign_anything(forged, &key), field);
    }
    for (field, value) in [
        ("status", Value::from("done")),
        ("detail", "lost".into()),
        ("response", "half".into()),
        ("http_status", 65_536_u32.into()),
        ("attempts", Value::Null),
    ] {
        let mut execution = genuine
            .get("execution")
            .unwrap()
            .as_object()
            .unwrap()
            .clone();
        execution.insert(field, value);
        let mut forged = genuine.clone();
        forged.insert("execution", execution);
        check_invalid(&sign_anything(forged, &key), field);
    }
}

#[test]
fn no_byte_can_be_changed() {
    let bytes = samples::closed()
        .sign(&samples::key())
        .unwrap()
        .into_bytes();
    for at in 0..bytes.len() {
        for flip in [1, 0x20, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            assert_eq!(
                verify(&changed, &named()).verdict,
                Verdict::Invalid,
                "byte {at}"
            );
        }
    }
    for at in 0..bytes.len() {
        assert_eq!(verify(&bytes[..at], &named()).verdict, Verdict::Invalid);
    }
}

#[test]
fn bytes_have_to_be_canonical_but_a_document_may_be_reformatted() {
    let bytes = samples::executed()
        .sign(&samples::key())
        .unwrap()
        .into_bytes();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let pretty = {
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        serde_json::to_string_pretty(&value).unwrap()
    };
    for other in [
        format!("{text}\n"),
        format!(" {text}"),
        text.replacen(':', ": ", 1),
        text.replacen("Ä", "\\u00c4", 1),
        text.replacen("\"attempts\":1", "\"attempts\":1.0", 1),
        pretty,
    ] {
        let found = verify(other.as_bytes(), &named());
        assert_eq!(found.verdict, Verdict::Invalid, "{other}");
        assert!(found.reason.unwrap().contains("canonical"), "{other}");

        let found = verify_document(other.as_bytes(), &named());
        assert!(found.is_valid(), "{other}");
        match found.record.unwrap() {
            Record::Receipt(receipt) => assert_eq!(receipt.bytes(), bytes),
            Record::Admin(_) => panic!(),
        }
    }
    for broken in [
        "",
        "{}",
        "[]",
        "null",
        "\"x\"",
        "{\"schema\":\"relynt.receipt/1\"}",
        "not json",
    ] {
        assert_eq!(
            verify(broken.as_bytes(), &named()).verdict,
            Verdict::Invalid,
            "{broken}"
        );
        assert_eq!(
            verify_document(broken.as_bytes(), &named()).verdict,
            Verdict::Invalid
        );
    }
    let doubled = text.replacen('{', "{\"action\":\"x\",", 1);
    assert_eq!(
        verify_document(doubled.as_bytes(), &named()).verdict,
        Verdict::Invalid
    );
    let huge = format!("{}{text}", " ".repeat(16 * 32 * 1024));
    assert_eq!(
        verify_document(huge.as_bytes(), &named()).verdict,
        Verdict::Invalid
    );
}

#[test]
fn a_record_signed_again_by_an_unknown_key_is_invalid() {
    let genuine = object(
        &samples::denied()
            .sign(&samples::key())
            .unwrap()
            .into_bytes(),
    );
    let forged = sign_anything(genuine.clone(), &samples::other_key());
    let found = check_invalid(&forged, "unknown key");
    assert_eq!(
        (found.signature, found.key),
        (Check::NotChecked, Check::Failed)
    );
    assert_eq!(found.key_id.as_ref(), Some(samples::other_key().id()));

    // The forger's signature under the genuine key's name.
    let mut forged = forged;
    forged.insert("key_id", samples::key().id().as_str());
    let found = check_invalid(&forged, "other key's signature");
    assert_eq!((found.signature, found.key), (Check::Failed, Check::Ok));
    assert_eq!(
        found.reason.unwrap(),
        "the signature does not fit the record"
    );

    // The genuine signature under the name of another known key.
    let mut keys = named();
    keys.insert(
        samples::other_key().public_key().clone().into(),
        Trust::Named,
    );
    let mut forged = genuine;
    forged.insert("key_id", samples::other_key().id().as_str());
    let found = verify(forged.to_canonical().as_bytes(), &keys);
    assert_eq!(
        (found.verdict, found.signature),
        (Verdict::Invalid, Check::Failed)
    );
}

#[test]
fn a_key_that_only_the_file_brought_is_never_valid() {
    let bytes = samples::denied()
        .sign(&samples::key())
        .unwrap()
        .into_bytes();
    let found = verify(&bytes, &samples::keys(Trust::FromFile));
    assert_eq!(found.verdict, Verdict::Consistent);
    assert_eq!((found.signature, found.key), (Check::Ok, Check::NotChecked));
    assert!(!found.is_valid());
    assert!(
        found
            .reason
            .unwrap()
            .starts_with("consistent, signer not known to you")
    );

    let found = verify(&bytes, &KeySet::new());
    assert_eq!(
        (found.verdict, found.key),
        (Verdict::Invalid, Check::Failed)
    );

    // A tampered one is not even consistent.
    let mut forged = object(&bytes);
    forged.insert("decision", "allow");
    let found = verify(
        forged.to_canonical().as_bytes(),
        &samples::keys(Trust::FromFile),
    );
    assert_eq!(
        (found.verdict, found.signature),
        (Verdict::Invalid, Check::Failed)
    );
}
