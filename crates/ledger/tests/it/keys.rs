//! Keys, their ids, and key sets.

use relynt_json::{Object, Value, parse};
use relynt_ledger::{KeyError, KeyId, KeySet, KeySetError, PublicKey, SigningKey, Trust};

use crate::samples;

#[test]
fn a_key_id_is_the_thumbprint_of_rfc_7638() {
    // RFC 8037, Appendix A.1 to A.3.
    let key = PublicKey::from_x("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
    assert_eq!(
        key.id().as_str(),
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    );
    assert_eq!(key.x(), "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    assert_eq!(KeyId::parse(key.id().as_str()).unwrap(), *key.id());
}

#[test]
fn keys_and_ids_have_one_text_each() {
    let good = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    for bad in [
        String::new(),
        format!("{good}="),
        format!("{good}A"),
        good[..42].to_owned(),
        format!(" {good}"),
        good.replace('_', "/"),
        // The last character has two bits that no byte holds.
        good.replace("URo", "URp"),
        format!("{good}\n"),
    ] {
        assert_eq!(
            PublicKey::from_x(&bad).unwrap_err(),
            KeyError::Encoding,
            "{bad:?}"
        );
        assert_eq!(KeyId::parse(&bad).unwrap_err(), KeyError::KeyId, "{bad:?}");
    }
}

#[test]
fn keys_that_make_forgery_easy_are_refused() {
    let p_plus = |low: u8, last: u8| {
        let mut bytes = [0xff; 32];
        bytes[0] = low;
        bytes[31] = last;
        bytes
    };
    let mut refused = vec![
        [0; 32],
        p_plus(0xec, 0x7f),
        p_plus(0xed, 0x7f),
        p_plus(0xee, 0x7f),
    ];
    refused.push(std::array::from_fn(|at| u8::from(at == 0)));
    for hex in [
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ] {
        refused.push(std::array::from_fn(|at| {
            u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()
        }));
    }
    for mut bytes in refused {
        assert_eq!(
            PublicKey::from_bytes(&bytes).unwrap_err(),
            KeyError::Unusable
        );
        bytes[31] |= 0x80;
        assert_eq!(
            PublicKey::from_bytes(&bytes).unwrap_err(),
            KeyError::Unusable
        );
    }
}

#[test]
fn nothing_verifies_under_what_is_no_point_of_the_curve() {
    let no_point = std::array::from_fn(|at| if at == 0 { 2 } else { 0 });
    let genuine = samples::key().sign(b"text").unwrap();
    assert!(PublicKey::from_bytes(&no_point).is_ok_and(|key| !key.verifies(b"text", &genuine)));
}

#[test]
fn debug_shows_no_private_key() {
    let key = SigningKey::from_seed(&[0xab; 32]).unwrap();
    let shown = format!("{key:?}");
    assert_eq!(shown, format!("SigningKey({:?})", key.id().as_str()));
    assert!(!shown.contains("abab") && !shown.contains("171, 171"));
}

#[test]
fn a_key_set_is_read_back_from_what_is_published() {
    let keys = samples::keys(Trust::Named);
    let text = keys.to_value().to_canonical();
    let mut read = KeySet::new();
    assert_eq!(read.add_jwks(text.as_bytes(), Trust::Named), Ok(1));
    assert_eq!(read, keys);
    let (published, trust) = read.get(samples::key().id()).unwrap();
    assert_eq!(trust, Trust::Named);
    assert_eq!(
        published.not_before.as_deref(),
        Some("2026-01-01T00:00:00.000Z")
    );
    assert_eq!(published.not_after, None);
    assert_eq!(
        (read.len(), read.is_empty(), read.iter().count()),
        (1, false, 1)
    );
}

fn jwk() -> Object {
    let set = samples::keys(Trust::Named).to_value();
    set.get("keys").unwrap().as_array().unwrap()[0]
        .as_object()
        .unwrap()
        .clone()
}

fn add(jwk: &Object) -> Result<usize, KeySetError> {
    let set = format!("{{\"keys\":[{}]}}", jwk.to_canonical());
    KeySet::new().add_jwks(set.as_bytes(), Trust::Named)
}

#[test]
fn a_key_set_with_anything_wrong_in_an_ed25519_key_is_refused() {
    let changed = |member: &str, value: Value| {
        let mut changed = jwk();
        changed.insert(member, value);
        add(&changed)
    };
    assert_eq!(add(&jwk()), Ok(1));
    assert_eq!(
        changed("kid", "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k".into()),
        Err(KeySetError::KeyId(0))
    );
    assert_eq!(changed("d", "secret".into()), Err(KeySetError::Private(0)));
    assert_eq!(
        changed("x", "AAAA".into()),
        Err(KeySetError::Key(0, KeyError::Encoding))
    );
    let zero = "A".repeat(43);
    assert_eq!(
        changed("x", zero.into()),
        Err(KeySetError::Key(0, KeyError::Unusable))
    );
    assert_eq!(
        changed("alg", "ES256".into()),
        Err(KeySetError::Member(0, "alg"))
    );
    assert_eq!(
        changed("use", "enc".into()),
        Err(KeySetError::Member(0, "use"))
    );
    assert_eq!(changed("x", 1_u32.into()), Err(KeySetError::Member(0, "x")));
    assert_eq!(
        changed("not_after", 1_u32.into()),
        Err(KeySetError::Member(0, "not_after"))
    );
    let mut without = jwk();
    without.remove("kid");
    assert_eq!(add(&without), Err(KeySetError::Member(0, "kid")));

    for other in ["{}", "[]", "{\"keys\":{}}", "{\"keys\":[1]}"] {
        let found = KeySet::new().add_jwks(other.as_bytes(), Trust::Named);
        assert_eq!(found, Err(KeySetError::NotAKeySet), "{other}");
    }
    assert!(matches!(
        KeySet::new().add_jwks(b"{", Trust::Named),
        Err(KeySetError::Json(_))
    ));

    // Nothing is added from a set that is refused.
    let mut keys = KeySet::new();
    let set = format!(
        "{{\"keys\":[{},{}]}}",
        jwk().to_canonical(),
        without.to_canonical()
    );
    keys.add_jwks(set.as_bytes(), Trust::Named).unwrap_err();
    assert!(keys.is_empty());
}

#[test]
fn keys_of_other_types_and_unknown_members_are_passed_over() {
    let mut more = jwk();
    more.insert("key_ops", vec![Value::from("verify")]);
    let set = format!(
        r#"{{"keys":[{{"kty":"RSA","crv":"","n":"x","e":"AQAB"}},{{"kty":"OKP","crv":"Ed448","x":"x"}},{}],"more":1}}"#,
        more.to_canonical()
    );
    let mut keys = KeySet::new();
    assert_eq!(keys.add_jwks(set.as_bytes(), Trust::FromFile), Ok(1));
}

#[test]
fn trust_only_grows_and_a_named_id_names_its_key() {
    let id = samples::key().id().clone();
    let trust = |keys: &KeySet| keys.get(&id).unwrap().1;
    let mut keys = samples::keys(Trust::Named);
    keys.insert(samples::published(), Trust::FromFile);
    assert_eq!(trust(&keys), Trust::Named);

    let mut keys = samples::keys(Trust::FromFile);
    assert_eq!(trust(&keys), Trust::FromFile);
    keys.insert(samples::published(), Trust::Named);
    assert_eq!(trust(&keys), Trust::Named);

    let mut before = KeySet::new();
    before.name(id.clone());
    assert!(before.is_empty());
    before.insert(samples::published(), Trust::FromFile);
    assert_eq!(trust(&before), Trust::Named);

    let mut after = samples::keys(Trust::FromFile);
    after.name(id.clone());
    assert_eq!(trust(&after), Trust::Named);
    // Naming one names no other.
    after.insert(
        samples::other_key().public_key().clone().into(),
        Trust::FromFile,
    );
    assert_eq!(
        after.get(samples::other_key().id()).unwrap().1,
        Trust::FromFile
    );
}

#[test]
fn published_keys_hold_nothing_private() {
    let text = samples::keys(Trust::Named).to_value().to_canonical();
    let value = parse(text.as_bytes()).unwrap();
    let members: Vec<String> = value.get("keys").unwrap().as_array().unwrap()[0]
        .as_object()
        .unwrap()
        .keys()
        .map(str::to_owned)
        .collect();
    assert_eq!(
        members,
        [
            "alg",
            "crv",
            "kid",
            "kty",
            "not_after",
            "not_before",
            "use",
            "x"
        ]
    );
}
