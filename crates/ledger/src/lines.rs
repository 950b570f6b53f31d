//! Verification of an export: JSON Lines, one at a time.

use std::io::{self, BufRead, Read};

use relynt_json::parse;

use crate::key_set::{KeySet, KeySetError, Trust};
use crate::verify::{Verdict, Verification, verify};

/// The longest line that is read, in bytes; a longer one is passed over.
pub const LINE_MAX: usize = 1024 * 1024;

/// What a line of an export was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Nothing, or spaces.
    Blank,
    /// Keys; so many.
    Keys(usize),
    /// A record, verified.
    Record(Box<Verification>),
    /// A key set that cannot be used. Records that need it will not verify.
    BadKeys(KeySetError),
    /// Longer than [`LINE_MAX`]; counts as invalid.
    TooLong,
}

/// Verifies the lines of an export in their order. A line that holds keys is an object with a
/// member `keys` (a JWK set); any other is a record, exactly as it is stored. Keys count for the
/// lines that follow, and as [`Trust::FromFile`] unless the user named them.
#[derive(Debug, Clone)]
pub struct LineVerifier {
    keys: KeySet,
    summary: Summary,
}

/// How many lines were what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records signed by a key that the user named.
    pub valid: u64,
    /// Records signed by a key that only the file brought.
    pub consistent: u64,
    /// Records that did not verify, and lines that are nothing known.
    pub invalid: u64,
    /// Keys that the file brought.
    pub keys: u64,
}

impl Summary {
    /// The worst verdict; none if there was no record: then nothing is proven.
    pub fn verdict(&self) -> Option<Verdict> {
        if self.invalid > 0 {
            Some(Verdict::Invalid)
        } else if self.consistent > 0 {
            Some(Verdict::Consistent)
        } else if self.valid > 0 {
            Some(Verdict::Valid)
        } else {
            None
        }
    }
}

impl LineVerifier {
    /// Starts with the keys that the user named.
    pub fn new(named: KeySet) -> Self {
        Self {
            keys: named,
            summary: Summary::default(),
        }
    }

    /// Takes the next line, without its line end.
    pub fn line(&mut self, line: &[u8]) -> Line {
        let line = line.trim_ascii();
        let found = self.look_at(line);
        match &found {
            Line::Blank => {}
            Line::Keys(count) => {
                let count = u64::try_from(*count).unwrap_or(u64::MAX);
                self.summary.keys = self.summary.keys.saturating_add(count);
            }
            Line::Record(verification) => match verification.verdict {
                Verdict::Valid => self.summary.valid += 1,
                Verdict::Consistent => self.summary.consistent += 1,
                Verdict::Invalid => self.summary.invalid += 1,
            },
            Line::BadKeys(_) | Line::TooLong => self.summary.invalid += 1,
        }
        found
    }

    /// What was found so far.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    fn look_at(&mut self, line: &[u8]) -> Line {
        if line.is_empty() {
            return Line::Blank;
        }
        // Every record begins with `act` or `action`, so that only other lines are read twice.
        if !line.starts_with(b"{\"act")
            && let Ok(value) = parse(line)
            && value.get("keys").is_some()
            && value.get("schema").is_none()
        {
            let added = self.keys.add_jwks_value(&value, Trust::FromFile);
            return added.map_or_else(Line::BadKeys, Line::Keys);
        }
        Line::Record(Box::new(verify(line, &self.keys)))
    }
}

/// Verifies an export from a reader, in bounded memory. `each` is told the number of every line,
/// from 1, and what it was.
///
/// # Errors
/// Reading failed; what was found until then went to `each`.
pub fn verify_lines(
    mut input: impl BufRead,
    named: KeySet,
    mut each: impl FnMut(u64, &Line),
) -> io::Result<Summary> {
    let mut verifier = LineVerifier::new(named);
    let mut line = Vec::new();
    let mut number = 0;
    let limit = u64::try_from(LINE_MAX)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    loop {
        line.clear();
        if input.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
            return Ok(verifier.summary());
        }
        number += 1;
        if line.len() > LINE_MAX {
            if line.last() != Some(&b'\n') {
                input.skip_until(b'\n')?;
            }
            verifier.summary.invalid += 1;
            each(number, &Line::TooLong);
        } else {
            each(number, &verifier.line(&line));
        }
    }
}
