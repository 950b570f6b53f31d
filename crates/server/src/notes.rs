//! What a request's handler tells the log line that is written at its end

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use axum::extract::MatchedPath;
use relynt_domain::{AgentId, OrganizationId, UserId};

/// Kept beside a request from its first byte to its answer. Ids and words, never payloads or
/// secrets.
#[derive(Debug)]
pub(crate) struct Notes {
    /// The request's id.
    pub(crate) request_id: String,
    noted: Mutex<Noted>,
}

/// What was noted.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    /// The path's template, if the router found it.
    pub(crate) route: Option<MatchedPath>,
    /// The caller's organization.
    pub(crate) organization: Option<OrganizationId>,
    /// The caller.
    pub(crate) caller: Option<CallerId>,
    /// What came of a call.
    pub(crate) decision: Option<&'static str>,
    /// The receipt that it left.
    pub(crate) receipt_id: Option<String>,
    /// Whether an earlier answer was given again.
    pub(crate) replayed: bool,
}

/// Who called: `agent:<uuid>` or `user:<uuid>`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CallerId {
    Agent(AgentId),
    Person(UserId),
}

impl fmt::Display for CallerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(agent) => write!(f, "agent:{agent}"),
            Self::Person(user) => write!(f, "user:{user}"),
        }
    }
}

impl Notes {
    pub(crate) fn new(request_id: String) -> Self {
        Self {
            request_id,
            noted: Mutex::default(),
        }
    }

    /// Reads the notes or adds to them.
    pub(crate) fn note<T>(&self, work: impl FnOnce(&mut Noted) -> T) -> T {
        work(&mut self.noted.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
