//! Receipts as the store keeps them.

use relynt_domain::{AgentId, ApprovalId, Decision, InstanceId, ReceiptId, RiskLevel, Timestamp};
use relynt_ledger::SignedReceipt;
use zeroize::Zeroizing;

/// A receipt to be stored: the signed bytes, and what they say in columns to find them by.
#[derive(Debug, Clone)]
pub struct NewReceipt {
    /// Its id.
    pub id: ReceiptId,
    /// When it was signed.
    pub created_at: Timestamp,
    /// Whose call it is about.
    pub agent: AgentId,
    /// In which run.
    pub instance_id: String,
    /// The approval it belongs to.
    pub approval: Option<ApprovalId>,
    /// What was asked.
    pub action: String,
    /// Of what.
    pub resource: String,
    /// What came of it.
    pub decision: Decision,
    /// How bad it would be.
    pub risk_level: RiskLevel,
    /// What is stored and served, byte for byte.
    pub signed: SignedReceipt,
}

/// A stored receipt with its columns, for comparing the two.
#[derive(Debug, Clone)]
pub struct StoredReceipt {
    /// The signed bytes as stored.
    pub bytes: Vec<u8>,
    /// Column.
    pub id: ReceiptId,
    /// Column.
    pub created_at: Timestamp,
    /// Column.
    pub agent: AgentId,
    /// Column.
    pub instance_id: String,
    /// Column.
    pub approval: Option<ApprovalId>,
    /// Column.
    pub action: String,
    /// Column.
    pub resource: String,
    /// Column, as stored.
    pub decision: String,
    /// Column, as stored.
    pub risk_level: String,
}

/// A signing key as stored. `Debug` shows no seed.
#[derive(Clone)]
pub struct StoredSigningKey {
    /// The 32-byte Ed25519 seed.
    pub seed: Zeroizing<[u8; 32]>,
    /// From when it signs.
    pub not_before: Timestamp,
    /// Until when it signed.
    pub not_after: Option<Timestamp>,
}

impl std::fmt::Debug for StoredSigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredSigningKey")
            .field("not_before", &self.not_before)
            .finish_non_exhaustive()
    }
}

/// Which receipts: those for which everything that is given holds.
#[derive(Debug, Clone, Default)]
pub struct ReceiptFilter {
    /// What came of it.
    pub decision: Option<Decision>,
    /// How bad it would be.
    pub risk_level: Option<RiskLevel>,
    /// Whose.
    pub agent: Option<AgentId>,
    /// In which run.
    pub instance_id: Option<InstanceId>,
    /// Of which approval.
    pub approval: Option<ApprovalId>,
    /// What was asked, exactly.
    pub action: Option<String>,
    /// Signed at or after.
    pub from: Option<Timestamp>,
    /// Signed before.
    pub to: Option<Timestamp>,
    /// Case-insensitive part of action, resource or receipt id.
    pub search: Option<String>,
}

/// A part of a list ordered by (`created_at`, id) descending.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// Only what comes after this item.
    pub after: Option<(Timestamp, [u8; 16])>,
    /// At most so many.
    pub limit: u32,
}

/// Some receipts, each as its signed bytes.
#[derive(Debug, Clone, Default)]
pub struct ReceiptPage {
    /// The signed bytes, newest first.
    pub receipts: Vec<Vec<u8>>,
    /// Where to go on: after this item. A bounded search may end with fewer receipts than asked
    /// for, none even, and still have more.
    pub next: Option<(Timestamp, [u8; 16])>,
}
