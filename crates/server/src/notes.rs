//! What a request's handler tells the log line that is written at its end

use std::sync::{Mutex, PoisonError};

/// Kept beside a request from its first byte to its answer. Ids and words, never payloads or
/// secrets.
#[derive(Debug)]
pub(crate) struct Notes {
    /// The request's id.
    pub(crate) request_id: String,
    noted: Mutex<Noted>,
}

/// What was noted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Noted {
    /// The path's template.
    pub(crate) route: Option<String>,
    /// The caller's organization.
    pub(crate) organization: Option<String>,
    /// The caller: `agent:<uuid>` or `user:<uuid>`.
    pub(crate) caller: Option<String>,
    /// What came of a call.
    pub(crate) decision: Option<&'static str>,
    /// The receipt that it left.
    pub(crate) receipt_id: Option<String>,
    /// Whether an earlier answer was given again.
    pub(crate) replayed: bool,
}

impl Notes {
    pub(crate) fn new(request_id: String) -> Self {
        Self {
            request_id,
            noted: Mutex::default(),
        }
    }

    /// Adds to the notes.
    pub(crate) fn note(&self, add: impl FnOnce(&mut Noted)) {
        add(&mut self.noted.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What was noted so far.
    pub(crate) fn noted(&self) -> Noted {
        self.noted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
