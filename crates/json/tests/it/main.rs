//! What the reader takes and refuses, and what the writer writes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod decimals;
mod numbers;
mod properties;
mod refusals;
mod values;
mod vectors;

use relynt_json::{ParseErrorKind, parse};

/// The canonical form of a text that is accepted.
fn canonical(text: &str) -> String {
    parse(text.as_bytes())
        .unwrap_or_else(|error| panic!("{text:.200}: {error}"))
        .to_canonical()
}

/// Kind, offset and pointer of a refusal.
fn refused(text: impl AsRef<[u8]>) -> (ParseErrorKind, usize, String) {
    let text = text.as_ref();
    match parse(text) {
        Ok(_) => panic!("accepted: {:.200}", String::from_utf8_lossy(text)),
        Err(error) => (error.kind, error.offset, error.pointer),
    }
}
