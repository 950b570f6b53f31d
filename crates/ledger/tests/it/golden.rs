//! The golden vectors: files that Rust, Python and the documentation share. If a test fails here,
//! the signed format has changed, and every receipt that was ever given out with it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use relynt_json::{Object, Value};
use relynt_ledger::{
    AdminRecord, Receipt, Trust, leaf_data, leaf_hash, policy_digest, request_digest, request_hash,
    sha256_text, verify,
};

use crate::samples;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

fn golden(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// The export: keys first, then one record a line.
fn export() -> String {
    let mut text = samples::keys(Trust::Named).to_value().to_canonical();
    text.push('\n');
    for (_, bytes) in samples::signed() {
        text.push_str(std::str::from_utf8(&bytes).unwrap());
        text.push('\n');
    }
    text
}

/// What belongs to each line, one canonical object a line.
fn expected() -> String {
    let mut lines = Vec::new();
    let key = samples::key();
    for (name, bytes) in samples::signed() {
        let text = String::from_utf8(bytes.clone()).unwrap();
        let at = text.find(",\"signature\":").unwrap();
        let end = at + text[at + 1..].find("\",").unwrap() + 2;
        let schema = if name == "activated" {
            AdminRecord::SCHEMA
        } else {
            Receipt::SCHEMA
        };
        let line: Object = [
            ("name", Value::from(name)),
            ("key_id", key.id().as_str().into()),
            (
                "unsigned_sha256",
                sha256_text(format!("{}{}", &text[..at], &text[end..]).as_bytes()).into(),
            ),
            ("signature", text[at + 14..end - 1].into()),
            ("signed_sha256", sha256_text(&bytes).into()),
            (
                "leaf_data",
                String::from_utf8(leaf_data(schema, &bytes)).unwrap().into(),
            ),
            ("leaf_hash", hex(&leaf_hash(schema, &bytes)).into()),
        ]
        .into_iter()
        .collect();
        lines.push(line.to_canonical());
    }
    lines.join("\n") + "\n"
}

fn check(name: &str, now: &str) {
    let golden = fs::read_to_string(folder().join(name)).unwrap_or_default();
    assert!(
        golden == now,
        "{name} is not what the code writes now:\n{now}"
    );
}

#[test]
fn the_signed_records_are_byte_for_byte_those_of_the_vectors() {
    check("export.jsonl", &export());
}

#[test]
fn hashes_and_signatures_are_those_of_the_vectors() {
    check("expected.jsonl", &expected());
}

#[test]
fn the_key_set_is_that_of_the_vectors() {
    let set = samples::keys(Trust::Named).to_value().to_canonical();
    check("keys.json", &format!("{set}\n"));
}

#[test]
fn requests_and_rules_hash_as_documented() {
    let payload = samples::payload();
    assert_eq!(
        request_hash("crm.update_record", "run\\2", Some(&payload), "crm:deal:Ä/\"1\""),
        sha256_text(
            concat!(
                r#"{"action":"crm.update_record","instance_id":"run\\2","payload":{"amount":125000.5,"#,
                r#""note":"Müller & Söhne 😂","stage":"closed_won"},"resource":"crm:deal:Ä/\"1\""}"#
            )
            .as_bytes()
        )
    );
    assert_eq!(
        request_hash("a", "i", None, "r"),
        sha256_text(br#"{"action":"a","instance_id":"i","payload":null,"resource":"r"}"#)
    );
    assert_eq!(
        request_digest("a", None, "r"),
        sha256_text(br#"{"action":"a","payload":null,"resource":"r"}"#)
    );
    assert_eq!(
        request_hash("a", "i", Some(&Value::Null), "r"),
        request_hash("a", "i", None, "r")
    );
    assert_eq!(
        policy_digest(samples::RULES),
        sha256_text(samples::RULES.as_bytes())
    );
    assert_eq!(
        sha256_text(b"abc"),
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}

#[test]
fn a_leaf_is_hashed_as_rfc_6962_says() {
    let data = leaf_data("relynt.receipt/1", b"abc");
    assert_eq!(
        data,
        b"relynt.receipt/1 sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    let mut leaf = vec![0];
    leaf.extend(data);
    assert_eq!(
        format!("sha256:{}", hex(&leaf_hash("relynt.receipt/1", b"abc"))),
        sha256_text(&leaf)
    );
}

#[test]
fn every_record_of_the_vectors_is_valid_under_the_named_key() {
    let keys = samples::keys(Trust::Named);
    for line in golden("export.jsonl").lines().skip(1) {
        let found = verify(line.as_bytes(), &keys);
        assert!(found.is_valid(), "{:?}", found.reason);
    }
}

#[test]
fn the_documentation_shows_the_vectors() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/receipt-format.md");
    let page = fs::read_to_string(page).unwrap();
    for name in ["export.jsonl", "expected.jsonl"] {
        for line in golden(name).lines() {
            assert!(
                page.contains(line),
                "docs/receipt-format.md lacks a line of {name}"
            );
        }
    }
    let recipe = golden("verify.py");
    assert!(
        page.contains(recipe.trim_end()),
        "docs/receipt-format.md has another recipe"
    );
}
