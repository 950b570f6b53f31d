//! Receipts: their bytes, their signatures, and how anybody checks them.
//!
//! A signed format is a promise. This crate owns it and knows nothing else of Relynt than its
//! JSON, so that an auditor can depend on it alone. What is written here is described for readers
//! with other tools in `docs/receipt-format.md`.
//!
//! ```
//! use relynt_ledger::{KeySet, SigningKey, Trust, Verdict, verify};
//! # use relynt_ledger::AdminRecord;
//! # let record = AdminRecord {
//! #     record_id: "018f3a4e-0000-7000-8000-000000000001".into(),
//! #     created_at: "2026-01-31T09:30:00.000Z".into(),
//! #     organization_id: "018f3a4e-0000-7000-8000-000000000002".into(),
//! #     actor: "system".into(),
//! #     act: "policy.activate".into(),
//! #     subject: Some("v2".into()),
//! #     detail: relynt_json::Object::new(),
//! #     request_id: None,
//! # };
//!
//! let key = SigningKey::from_seed(&[7; 32])?;
//! let signed = record.sign(&key)?;
//!
//! let mut keys = KeySet::new();
//! keys.insert(key.public_key().clone().into(), Trust::Named);
//! assert_eq!(verify(signed.bytes(), &keys).verdict, Verdict::Valid);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod admin;
mod digest;
mod fields;
mod key;
mod key_set;
mod leaf;
mod lines;
mod members;
mod receipt;
mod signed;
mod verify;
mod words;

pub use admin::AdminRecord;
pub use digest::{Sha256, policy_digest, request_digest, request_hash, sha256, sha256_text};
pub use fields::FormatError;
pub use key::{KeyError, KeyId, PublicKey, Signature, SigningKey};
pub use key_set::{KeySet, KeySetError, PublishedKey, Trust};
pub use leaf::{leaf_data, leaf_hash};
pub use lines::{LINE_MAX, Line, LineVerifier, Summary, verify_lines};
pub use receipt::{Approver, ConnectorRef, Execution, Receipt};
pub use signed::{RECORD_MAX, SignError, Signed, SignedAdminRecord, SignedReceipt};
pub use verify::{Check, Record, Verdict, Verification, verify, verify_document};
pub use words::{
    Channel, Decision, Event, ExecutionDetail, ExecutionStatus, PerformedBy, PolicyVerdict,
    ResponseState, RiskLevel, UnknownWord, Vote,
};
