use crate::run::{assert_error, relynt, relynt_with};

const EXPORT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../ledger/testdata/export.jsonl"
);
const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../ledger/testdata/keys.json");

fn golden() -> Vec<String> {
    let text = std::fs::read_to_string(EXPORT).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn key_id() -> String {
    let keys: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(KEYS).unwrap()).unwrap();
    keys["keys"][0]["kid"].as_str().unwrap().to_owned()
}

fn verify(input: &str, options: &[&str]) -> crate::run::Ended {
    let arguments = [&["verify", "-"], options].concat();
    relynt_with(&arguments, &[], input)
}

#[test]
fn an_export_is_valid_under_named_keys() {
    let count = golden().len() - 1;
    for options in [["--keys", KEYS], ["--key", &key_id()]] {
        let ended = relynt(&[&["verify", EXPORT][..], &options].concat());
        assert_eq!(
            ended.stdout,
            format!(
                "{EXPORT}: valid: {count} records, signed by keys that you named\n\
                 {EXPORT}: checked: form, signature, key; not checked: that nothing is missing\n"
            )
        );
        assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
    }
}

#[test]
fn an_export_alone_is_consistent_and_never_valid() {
    let ended = relynt(&["verify", EXPORT]);
    assert_eq!(ended.code, 3);
    let headline = format!("{EXPORT}: consistent, signer not known to you: ");
    assert!(ended.stdout.starts_with(&headline), "{ended:?}");
    let json = relynt(&["verify", EXPORT, "--json"]);
    assert_eq!(json.code, 3);
    assert_eq!(json.json()["verdict"], "consistent");
    assert_eq!(json.json()["files"][0]["valid"], 0);
    assert_eq!(
        json.json()["files"][0]["not_checked"],
        serde_json::json!(["columns", "log"])
    );
}

#[test]
fn one_receipt_may_be_reformatted() {
    let lines = golden();
    assert_eq!(verify(&lines[1], &["--keys", KEYS]).code, 0);
    let value: serde_json::Value = serde_json::from_str(&lines[1]).unwrap();
    let pretty = serde_json::to_string_pretty(&value).unwrap();
    assert_eq!(verify(&pretty, &["--keys", KEYS]).code, 0);
    // Without any key there is nothing to verify with.
    assert_eq!(verify(&pretty, &[]).code, 1);
}

#[test]
fn every_altered_field_of_every_record_is_found() {
    for line in &golden()[1..] {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        for field in record.as_object().unwrap().keys() {
            let mut altered = record.clone();
            altered[field] = "altered".into();
            let ended = verify(&altered.to_string(), &["--keys", KEYS]);
            assert_eq!(ended.code, 1, "{field}: {ended:?}");
        }
    }
}

#[test]
fn one_bad_line_makes_the_file_invalid_and_is_named() {
    let mut lines = golden();
    lines[2] = lines[2].replacen("\"action\":\"", "\"action\":\"x", 1);
    let ended = verify(&lines.join("\n"), &["--keys", KEYS]);
    assert_eq!(ended.code, 1);
    let records = lines.len() - 1;
    assert!(
        ended
            .stdout
            .contains(&format!("-: not valid: 1 of {records} records\n")),
        "{ended:?}"
    );
    assert!(ended.stdout.starts_with("-:3: "), "{ended:?}");
    let json = verify(&lines.join("\n"), &["--keys", KEYS, "--json"]).json();
    assert_eq!(json["files"][0]["faults"][0]["line"], 3);
    assert_eq!(json["files"][0]["invalid"], 1);
}

#[test]
fn a_file_without_records_proves_nothing() {
    for input in ["", "\n\n", &golden()[0], "{}", "hello"] {
        let ended = verify(input, &["--keys", KEYS]);
        assert_eq!(ended.code, 1, "{input:?}: {ended:?}");
    }
}

#[test]
fn a_key_of_the_file_cannot_pass_for_a_named_one() {
    let other = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
    assert_eq!(relynt(&["verify", EXPORT, "--key", other]).code, 3);
}

#[test]
fn the_worst_file_decides() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.json");
    std::fs::write(&bad, "{}").unwrap();
    let bad = bad.to_str().unwrap();
    assert_eq!(relynt(&["verify", EXPORT, bad, "--keys", KEYS]).code, 1);
    assert_eq!(relynt(&["verify", bad, EXPORT, "--keys", KEYS]).code, 1);
    assert_eq!(relynt(&["verify", EXPORT, EXPORT, "--keys", KEYS]).code, 0);
}

#[test]
fn wrong_usage_is_code_2() {
    assert_error(
        &relynt(&["verify", "/nowhere.jsonl"]),
        2,
        "cannot read `/nowhere.jsonl`: there is no such file",
    );
    let ended = relynt(&["verify", EXPORT, "--keys", EXPORT]);
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(
        ended.stderr.contains("is no set of public keys"),
        "{ended:?}"
    );
    let ended = relynt(&["verify", EXPORT, "--key", "short"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    let ended = relynt(&["verify"]);
    assert_eq!(
        (ended.code, ended.stderr.lines().count()),
        (2, 1),
        "{ended:?}"
    );
}
