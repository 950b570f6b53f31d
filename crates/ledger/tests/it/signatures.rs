//! Ed25519 as RFC 8032 defines it, and signatures that only look right.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use relynt_ledger::{PublicKey, Signature, SigningKey, Trust, verify};

use crate::samples;

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    std::array::from_fn(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
}

fn signature(bytes: &[u8]) -> Signature {
    Signature::parse(&format!("ed25519:{}", URL_SAFE_NO_PAD.encode(bytes))).unwrap()
}

#[test]
fn signatures_are_those_of_rfc_8032() {
    // Section 7.1, TEST 1 to 3.
    for (seed, public, text, expected) in [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            &b""[..],
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            b"\x72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            b"\xaf\x82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ] {
        let key = SigningKey::from_seed(&bytes(seed)).unwrap();
        assert_eq!(key.public_key().as_bytes(), &bytes(public));
        let made = key.sign(text).unwrap();
        assert_eq!(made.as_bytes(), &bytes::<64>(expected));
        let public = PublicKey::from_bytes(&bytes(public)).unwrap();
        assert!(public.verifies(text, &made));
        assert!(!public.verifies(b"other", &made));
    }
}

#[test]
fn a_signature_has_one_text() {
    let text = samples::key().sign(b"x").unwrap().to_string();
    assert!(Signature::parse(&text).is_some());
    let raw = *Signature::parse(&text).unwrap().as_bytes();
    // 86 characters hold 516 bits: four of them are no part of the 64 bytes.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (start, last) = text.split_at(text.len() - 1);
    for other in alphabet.chars().filter(|other| last != other.to_string()) {
        let changed = format!("{start}{other}");
        assert!(Signature::parse(&changed).is_none_or(|found| *found.as_bytes() != raw));
    }
    for other in [
        String::new(),
        "ed25519:".to_owned(),
        text.replace("ed25519:", ""),
        text.replace("ed25519:", "Ed25519:"),
        text.replace("ed25519:", "ed25519: "),
        text.replace("ed25519:", "ed25519ph:"),
        format!("ed25519:{}", URL_SAFE.encode(raw)),
        format!("{text}="),
        format!("{text}=="),
        format!("{text}\n"),
        format!("{text}A"),
        format!("ed25519:{}", URL_SAFE_NO_PAD.encode(&raw[..63])),
        format!(
            "ed25519:{}",
            URL_SAFE_NO_PAD.encode([&raw[..], &[0]].concat())
        ),
        format!(
            "ed25519:{}",
            URL_SAFE_NO_PAD.encode([&raw[..], &raw[..]].concat())
        ),
        format!("ed25519:{}", STANDARD.encode([0xfb; 64])),
    ] {
        assert!(Signature::parse(&other).is_none(), "{other:?}");
    }
}

#[test]
fn a_signature_with_another_s_of_the_same_residue_is_refused() {
    // RFC 8032 section 5.1.7: S must be below the group's order L.
    let order: [u8; 32] = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let key = samples::key();
    let mut raw = *key.sign(b"text").unwrap().as_bytes();
    assert!(key.public_key().verifies(b"text", &signature(&raw)));
    let mut carry = 0;
    for (at, add) in order.iter().enumerate() {
        let sum = u16::from(raw[32 + at]) + u16::from(*add) + carry;
        raw[32 + at] = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    assert!(!key.public_key().verifies(b"text", &signature(&raw)));
}

#[test]
fn degenerate_signatures_are_refused() {
    let key = samples::key();
    let genuine = *key.sign(b"text").unwrap().as_bytes();
    let mut identity = [0; 64];
    identity[0] = 1;
    let mut swapped = genuine;
    swapped.rotate_left(32);
    let mut zero_s = genuine;
    zero_s[32..].fill(0);
    let mut zero_r = genuine;
    zero_r[..32].fill(0);
    for forged in [[0; 64], [0xff; 64], identity, swapped, zero_s, zero_r] {
        assert!(!key.public_key().verifies(b"text", &signature(&forged)));
    }
    for bit in 0..512 {
        let mut flipped = genuine;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!key.public_key().verifies(b"text", &signature(&flipped)));
    }
}

#[test]
fn a_receipt_with_its_signature_written_otherwise_is_invalid() {
    let keys = samples::keys(Trust::Named);
    let signed = samples::denied().sign(&samples::key()).unwrap();
    let text = String::from_utf8(signed.bytes().to_vec()).unwrap();
    let genuine = signed.signature().to_string();
    for other in [
        URL_SAFE.encode(signed.signature().as_bytes()),
        STANDARD.encode(signed.signature().as_bytes()),
        format!("ed25519:{}", URL_SAFE.encode(signed.signature().as_bytes())),
        genuine.to_uppercase(),
        String::new(),
    ] {
        let forged = text.replace(&genuine, &other);
        let found = verify(forged.as_bytes(), &keys);
        assert_eq!(
            found.reason.unwrap(),
            "the field `signature` is not a signature"
        );
    }
}
