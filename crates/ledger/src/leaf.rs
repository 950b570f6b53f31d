//! What a record is in the log: a leaf of an RFC 6962 Merkle tree.

use crate::digest::{Sha256, digest_text, sha256};

/// The leaf's data: the schema, one space, and the SHA-256 of the canonical signed record as
/// `sha256:<hex>`; ASCII, no line end. For example
/// `relynt.receipt/1 sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`.
///
/// It holds no field of the record, so that a log may be public and outlive its receipts.
pub fn leaf_data(schema: &str, signed: &[u8]) -> Vec<u8> {
    let digest = digest_text(&sha256(signed));
    [schema.as_bytes(), b" ", digest.as_bytes()].concat()
}

/// The leaf's hash, RFC 6962 section 2.1: SHA-256 of a zero byte and [`leaf_data`].
pub fn leaf_hash(schema: &str, signed: &[u8]) -> Sha256 {
    sha256(&[&[0], leaf_data(schema, signed).as_slice()].concat())
}
