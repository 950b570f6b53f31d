//! Exports: JSON Lines that verify by themselves.

use std::io::{BufReader, Cursor};

use relynt_ledger::{KeySet, LINE_MAX, Line, LineVerifier, Summary, Trust, Verdict, verify_lines};

use crate::samples;

fn export() -> String {
    let mut text = samples::keys(Trust::Named).to_value().to_canonical() + "\n";
    for (_, bytes) in samples::signed() {
        text += std::str::from_utf8(&bytes).unwrap();
        text += "\n";
    }
    text
}

fn read(text: impl AsRef<[u8]>, named: KeySet) -> (Summary, Vec<(u64, Line)>) {
    let mut lines = Vec::new();
    // A small buffer, so that no line comes in one piece.
    let reader = BufReader::with_capacity(7, Cursor::new(text.as_ref()));
    let summary = verify_lines(reader, named, |number, line| {
        lines.push((number, line.clone()));
    })
    .unwrap();
    (summary, lines)
}

#[test]
fn an_export_is_consistent_by_itself_and_valid_under_a_named_key() {
    let (summary, lines) = read(export(), KeySet::new());
    assert_eq!(
        summary,
        Summary {
            consistent: 7,
            keys: 1,
            ..Summary::default()
        }
    );
    assert_eq!(summary.verdict(), Some(Verdict::Consistent));
    assert_eq!(lines[0], (1, Line::Keys(1)));
    assert_eq!(lines.last().unwrap().0, 8);

    let (summary, _) = read(export(), samples::keys(Trust::Named));
    assert_eq!(
        summary,
        Summary {
            valid: 7,
            keys: 1,
            ..Summary::default()
        }
    );
    assert_eq!(summary.verdict(), Some(Verdict::Valid));

    let mut by_id = KeySet::new();
    by_id.name(samples::key().id().clone());
    assert_eq!(read(export(), by_id).0.verdict(), Some(Verdict::Valid));

    // Another key that the user named does not vouch for this one.
    let mut other = KeySet::new();
    other.insert(
        samples::other_key().public_key().clone().into(),
        Trust::Named,
    );
    assert_eq!(read(export(), other).0.verdict(), Some(Verdict::Consistent));
}

#[test]
fn one_bad_record_makes_the_whole_invalid() {
    let tampered = export().replacen("\"risk_level\":\"high\"", "\"risk_level\":\"low\"", 1);
    let (summary, lines) = read(tampered, samples::keys(Trust::Named));
    assert_eq!((summary.valid, summary.invalid), (6, 1));
    assert_eq!(summary.verdict(), Some(Verdict::Invalid));
    match &lines[3] {
        (4, Line::Record(found)) => {
            assert_eq!(
                found.reason.as_deref(),
                Some("the signature does not fit the record")
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_count_for_the_lines_that_follow() {
    let text = export();
    let (keys, records) = text.split_once('\n').unwrap();
    let (summary, _) = read(format!("{records}{keys}\n"), KeySet::new());
    assert_eq!((summary.invalid, summary.keys), (7, 1));
    let (summary, _) = read(records, samples::keys(Trust::Named));
    assert_eq!(
        summary,
        Summary {
            valid: 7,
            ..Summary::default()
        }
    );
}

#[test]
fn a_forger_who_brings_a_key_is_consistent_at_best() {
    let mut keys = KeySet::new();
    keys.insert(
        samples::other_key().public_key().clone().into(),
        Trust::Named,
    );
    let mut text = export() + &keys.to_value().to_canonical() + "\n";
    let forged = samples::denied().sign(&samples::other_key()).unwrap();
    text += std::str::from_utf8(forged.bytes()).unwrap();
    let (summary, _) = read(text, samples::keys(Trust::Named));
    assert_eq!((summary.valid, summary.consistent), (7, 1));
    assert_eq!(summary.verdict(), Some(Verdict::Consistent));
}

#[test]
fn lines_that_are_nothing_known_are_invalid() {
    for bad in [
        "x",
        "{}",
        "[]",
        "{\"schema\":\"relynt.receipt/2\"}",
        "{\"keys\":1}",
        "{\"keys\":[{}]}",
        "{\"keys\":[]",
        "null",
    ] {
        let text = format!("{}{bad}\n", export());
        let (summary, _) = read(&text, samples::keys(Trust::Named));
        assert_eq!((summary.valid, summary.invalid), (7, 1), "{bad}");
    }
}

#[test]
fn blank_lines_and_line_ends_do_not_matter() {
    let text = export().replace('\n', "\r\n\r\n");
    let (summary, lines) = read(text.trim_end(), KeySet::new());
    assert_eq!(summary.verdict(), Some(Verdict::Consistent));
    assert_eq!(lines[1], (2, Line::Blank));
}

#[test]
fn without_a_record_nothing_is_proven() {
    for text in ["", "\n\n", "{\"keys\":[]}"] {
        assert_eq!(read(text, KeySet::new()).0.verdict(), None, "{text:?}");
    }
}

#[test]
fn a_line_without_end_does_not_fill_the_memory() {
    let mut text = "x".repeat(3 * LINE_MAX);
    text.push('\n');
    text += &export();
    let (summary, lines) = {
        let mut lines = Vec::new();
        let summary = verify_lines(
            Cursor::new(text.as_bytes()),
            KeySet::new(),
            |number, line| {
                lines.push((number, line.clone()));
            },
        )
        .unwrap();
        (summary, lines)
    };
    assert_eq!(lines[0], (1, Line::TooLong));
    assert_eq!(lines[1], (2, Line::Keys(1)));
    assert_eq!((summary.invalid, summary.consistent), (1, 7));
}

#[test]
fn lines_can_be_given_one_by_one() {
    let mut verifier = LineVerifier::new(samples::keys(Trust::Named));
    for line in export().lines() {
        verifier.line(line.as_bytes());
    }
    assert_eq!(verifier.summary().valid, 7);
}
