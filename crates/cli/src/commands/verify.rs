//! `relynt verify`: offline, with nothing but the files and the keys that the user names.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use relynt_ledger::{
    Check, KeyId, KeySet, Line, RECORD_MAX, Summary, Trust, Verdict, Verification, verify_document,
    verify_lines,
};
use serde_json::{Value, json};

use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::text::inert;

/// A file up to this long may be one record that somebody has reformatted.
const DOCUMENT_MAX: usize = 16 * RECORD_MAX;
const KEYS_MAX: u64 = 1024 * 1024;
/// So many faults of a file are told; all are counted.
const FAULTS_MAX: usize = 100;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Receipts or exports, as JSON or JSON Lines (`-`: standard input)
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Trust the keys of this JWK set, as a gateway serves it at /.well-known/relynt-keys.json;
    /// may be repeated
    #[arg(long = "keys", value_name = "FILE")]
    key_sets: Vec<PathBuf>,
    /// Trust the key with this id (RFC 7638 thumbprint), wherever it comes from; may be repeated
    #[arg(long = "key", value_name = "KID", value_parser = key_id)]
    keys: Vec<KeyId>,
}

/// What was found in one file.
struct Found {
    summary: Summary,
    faults: Vec<Fault>,
}

struct Fault {
    line: Option<u64>,
    receipt_id: Option<String>,
    reason: String,
}

pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<Exit, Failure> {
    let keys = named_keys(arguments)?;
    let mut worst: Option<Verdict> = None;
    let mut files = Vec::new();
    for path in &arguments.files {
        let found = verify_file(path, &keys)
            .map_err(|error| Failure::file("read", path.display(), &error))?;
        let verdict = found.verdict();
        worst = Some(worst.map_or(verdict, |worst| worst.min(verdict)));
        if output.is_json() {
            files.push(found.to_json(path));
        } else {
            found.tell(path, output)?;
        }
    }
    let verdict = worst.unwrap_or(Verdict::Invalid);
    if output.is_json() {
        output.value(&json!({ "verdict": word(verdict), "files": files }))?;
    }
    Ok(match verdict {
        Verdict::Valid => Exit::Done,
        Verdict::Consistent => Exit::Consistent,
        Verdict::Invalid => Exit::No,
    })
}

fn named_keys(arguments: &Arguments) -> Result<KeySet, Failure> {
    let mut keys = KeySet::new();
    for path in &arguments.key_sets {
        let name = path.display();
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(KEYS_MAX).read_to_end(&mut bytes))
            .map_err(|error| Failure::file("read", name, &error))?;
        let name = path.display();
        let count = keys.add_jwks(&bytes, Trust::Named).map_err(|error| {
            Failure::usage(format!("`{name}` is no set of public keys: {error}"))
        })?;
        if count == 0 {
            return Err(Failure::usage(format!("`{name}` holds no Ed25519 key")));
        }
    }
    for key in &arguments.keys {
        keys.name(key.clone());
    }
    Ok(keys)
}

fn verify_file(path: &Path, keys: &KeySet) -> io::Result<Found> {
    let input: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path)?)
    };
    let mut input = BufReader::with_capacity(256 * 1024, input);
    let mut start = Vec::new();
    let limit = u64::try_from(DOCUMENT_MAX).unwrap_or(u64::MAX) + 1;
    input.by_ref().take(limit).read_to_end(&mut start)?;
    if start.len() <= DOCUMENT_MAX && is_one_record(&start) {
        return Ok(verify_one(&start, keys));
    }
    verify_export(Cursor::new(start).chain(input), keys)
}

/// Whether the file is one record, perhaps on several lines, and no export.
fn is_one_record(bytes: &[u8]) -> bool {
    relynt_json::parse(bytes).is_ok_and(|value| value.get("keys").is_none())
}

fn verify_one(bytes: &[u8], keys: &KeySet) -> Found {
    let verification = verify_document(bytes, keys);
    let mut found = Found::new();
    match verification.verdict {
        Verdict::Valid => found.summary.valid = 1,
        Verdict::Consistent => found.summary.consistent = 1,
        Verdict::Invalid => found.summary.invalid = 1,
    }
    found.add(None, &verification);
    found
}

fn verify_export(input: impl BufRead, keys: &KeySet) -> io::Result<Found> {
    let mut found = Found::new();
    let summary = verify_lines(input, keys.clone(), |number, line| match line {
        Line::Blank | Line::Keys(_) => {}
        Line::Record(verification) => found.add(Some(number), verification),
        Line::BadKeys(error) => found.fault(Some(number), None, error.to_string()),
        Line::TooLong => found.fault(Some(number), None, "the line is too long".to_owned()),
    })?;
    found.summary = summary;
    Ok(found)
}

impl Found {
    fn new() -> Self {
        Self {
            summary: Summary::default(),
            faults: Vec::new(),
        }
    }

    fn add(&mut self, line: Option<u64>, verification: &Verification) {
        if verification.verdict != Verdict::Invalid {
            return;
        }
        let failed = |check: Check| check == Check::Failed;
        let reason = verification.reason.clone().unwrap_or_else(|| {
            let what = if failed(verification.key) {
                "key"
            } else {
                "signature"
            };
            format!("the {what} does not hold")
        });
        self.fault(line, record_id(verification), reason);
    }

    fn fault(&mut self, line: Option<u64>, receipt_id: Option<String>, reason: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault {
                line,
                receipt_id,
                reason,
            });
        }
    }

    /// A file without a record proves nothing, and that is not what its user thinks it does.
    fn verdict(&self) -> Verdict {
        self.summary.verdict().unwrap_or(Verdict::Invalid)
    }

    fn records(&self) -> u64 {
        self.summary.valid + self.summary.consistent + self.summary.invalid
    }

    fn to_json(&self, path: &Path) -> Value {
        let faults: Vec<Value> = self
            .faults
            .iter()
            .map(|fault| {
                json!({ "line": fault.line, "id": fault.receipt_id, "reason": fault.reason })
            })
            .collect();
        json!({
            "file": path.display().to_string(),
            "verdict": word(self.verdict()),
            "records": self.records(),
            "valid": self.summary.valid,
            "consistent": self.summary.consistent,
            "invalid": self.summary.invalid,
            "faults": faults,
            "checked": ["form", "signature", "key"],
            "not_checked": ["columns", "log"],
        })
    }

    fn tell(&self, path: &Path, output: &mut Output) -> Result<(), Failure> {
        let file = inert(&path.display().to_string());
        for fault in &self.faults {
            let place = fault
                .line
                .map(|line| format!(":{line}"))
                .unwrap_or_default();
            let id = fault
                .receipt_id
                .as_deref()
                .map(|id| format!("{} ", inert(id)));
            let id = id.unwrap_or_default();
            output.line(&format!(
                "{file}{place}: {id}not valid: {}",
                inert(&fault.reason)
            ))?;
        }
        let records = match self.records() {
            1 => "1 record".to_owned(),
            count => format!("{count} records"),
        };
        let text = match self.verdict() {
            Verdict::Valid => format!("{records}, signed by keys that you named"),
            Verdict::Consistent => format!(
                "{records}, {} signed by keys that only the file itself brings; name the key with \
                 `--key` or `--keys` if you know it from elsewhere",
                self.summary.consistent
            ),
            Verdict::Invalid if self.records() == 0 => "there is no record in it".to_owned(),
            Verdict::Invalid => format!("{} of {records}", self.summary.invalid),
        };
        output.line(&format!("{file}: {}: {text}", headline(self.verdict())))?;
        output.line(&format!(
            "{file}: checked: form, signature, key; not checked: that nothing is missing"
        ))
    }
}

fn record_id(verification: &Verification) -> Option<String> {
    use relynt_ledger::Record;
    Some(match verification.record.as_ref()? {
        Record::Receipt(receipt) => receipt.record().receipt_id.clone(),
        Record::Admin(record) => record.record().record_id.clone(),
    })
}

const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "valid",
        Verdict::Consistent => "consistent",
        Verdict::Invalid => "invalid",
    }
}

const fn headline(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "valid",
        Verdict::Consistent => "consistent, signer not known to you",
        Verdict::Invalid => "not valid",
    }
}

fn key_id(text: &str) -> Result<KeyId, String> {
    KeyId::parse(text).map_err(|error| error.to_string())
}
