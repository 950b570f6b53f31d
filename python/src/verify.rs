//! Offline verification, as the command line does it.

#![expect(
    clippy::needless_pass_by_value,
    reason = "arguments from Python are handed over by value"
)]

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::PathBuf;

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use relynt_ledger::{
    KeyId, KeySet, Line, RECORD_MAX, Record, Summary, Trust, Verdict, Verification,
    verify_document, verify_lines,
};

use crate::exit;

/// A document up to this long may be one record that somebody has reformatted.
const DOCUMENT_MAX: usize = 16 * RECORD_MAX;
/// So many faults are told; all are counted.
const FAULTS_MAX: usize = 100;

/// Line, id of the record, reason.
type Fault = (Option<u64>, Option<String>, String);
/// Verdict; valid, consistent and invalid records; faults.
type Found = (&'static str, u64, u64, u64, Vec<Fault>);

/// Verifies a receipt or an export in memory.
#[pyfunction]
pub(crate) fn verify_bytes(
    py: Python<'_>,
    document: &[u8],
    key_sets: Vec<Vec<u8>>,
    key_ids: Vec<String>,
) -> PyResult<Found> {
    let keys = named_keys(&key_sets, &key_ids)?;
    exit::detached(py, || verify_reader(document, &keys)).map_err(unreadable)
}

/// Verifies a receipt or an export in a file, in bounded memory.
#[pyfunction]
pub(crate) fn verify_file(
    py: Python<'_>,
    path: PathBuf,
    key_sets: Vec<Vec<u8>>,
    key_ids: Vec<String>,
) -> PyResult<Found> {
    let keys = named_keys(&key_sets, &key_ids)?;
    exit::detached(py, || {
        let file = BufReader::with_capacity(256 * 1024, File::open(path)?);
        verify_reader(file, &keys)
    })
    .map_err(unreadable)
}

fn unreadable(error: io::Error) -> PyErr {
    match error.raw_os_error() {
        // The error number picks the subclass, such as `FileNotFoundError`.
        Some(number) => PyOSError::new_err((number, error.to_string())),
        None => PyOSError::new_err(error.to_string()),
    }
}

fn named_keys(key_sets: &[Vec<u8>], key_ids: &[String]) -> PyResult<KeySet> {
    let mut keys = KeySet::new();
    for key_set in key_sets {
        match keys.add_jwks(key_set, Trust::Named) {
            Ok(0) => return Err(PyValueError::new_err("keys: there is no Ed25519 key in it")),
            Ok(_) => {}
            Err(error) => return Err(PyValueError::new_err(format!("keys: {error}"))),
        }
    }
    for key_id in key_ids {
        let id = KeyId::parse(key_id)
            .map_err(|error| PyValueError::new_err(format!("key_ids: {error}")))?;
        keys.name(id);
    }
    Ok(keys)
}

fn verify_reader(mut input: impl BufRead, keys: &KeySet) -> io::Result<Found> {
    let mut start = Vec::new();
    let limit = u64::try_from(DOCUMENT_MAX).unwrap_or(u64::MAX) + 1;
    input.by_ref().take(limit).read_to_end(&mut start)?;
    let mut faults = Vec::new();
    if start.len() <= DOCUMENT_MAX && is_one_record(&start) {
        let verification = verify_document(&start, keys);
        add(&mut faults, None, &verification);
        let mut summary = Summary::default();
        match verification.verdict {
            Verdict::Valid => summary.valid = 1,
            Verdict::Consistent => summary.consistent = 1,
            Verdict::Invalid => summary.invalid = 1,
        }
        return Ok(found(summary, faults));
    }
    let lines = Cursor::new(start).chain(input);
    let summary = verify_lines(lines, keys.clone(), |number, line| match line {
        Line::Blank | Line::Keys(_) => {}
        Line::Record(verification) => add(&mut faults, Some(number), verification),
        Line::BadKeys(error) => faults.push((Some(number), None, error.to_string())),
        Line::TooLong => faults.push((Some(number), None, "the line is too long".to_owned())),
    })?;
    faults.truncate(FAULTS_MAX);
    Ok(found(summary, faults))
}

/// Whether the document is one record, perhaps on several lines, and no export.
fn is_one_record(bytes: &[u8]) -> bool {
    relynt_json::parse(bytes).is_ok_and(|value| value.get("keys").is_none())
}

fn add(faults: &mut Vec<Fault>, line: Option<u64>, verification: &Verification) {
    if verification.verdict == Verdict::Invalid && faults.len() < FAULTS_MAX {
        let id = verification.record.as_ref().map(|record| match record {
            Record::Receipt(receipt) => receipt.record().receipt_id.clone(),
            Record::Admin(record) => record.record().record_id.clone(),
        });
        let reason = verification.reason.clone();
        let reason = reason.unwrap_or_else(|| "the signature does not hold".to_owned());
        faults.push((line, id, reason));
    }
}

/// A document without a record proves nothing, and that is not what its user thinks it does.
fn found(summary: Summary, faults: Vec<Fault>) -> Found {
    let word = match summary.verdict() {
        Some(Verdict::Valid) => "valid",
        Some(Verdict::Consistent) => "consistent",
        Some(Verdict::Invalid) | None => "invalid",
    };
    let Summary {
        valid,
        consistent,
        invalid,
        ..
    } = summary;
    (word, valid, consistent, invalid, faults)
}
