//! What is wrong with a body, and where.

/// One thing wrong with what a caller sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// JSON Pointer into the body (RFC 6901), such as `/rules/1/action`; empty for the whole.
    pub pointer: String,
    /// What is wrong and what to do, in lower case, without values that may be secret.
    pub detail: String,
}

impl Fault {
    /// A fault at this place.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            detail: detail.into(),
        }
    }
}
