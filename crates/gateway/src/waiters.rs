//! Callers who wait for an approval: ten thousand cause no more store reads than one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use relynt_domain::{ApprovalId, OrganizationId};
use tokio::sync::watch;

use crate::read::ApprovalView;

type Key = (OrganizationId, ApprovalId);

/// One approval that somebody waits for, shared by all who do.
pub(crate) struct Watched {
    pub(crate) state: watch::Sender<Option<Arc<ApprovalView>>>,
    /// Held while its state is read and published, so that an older reading never replaces a
    /// newer one.
    pub(crate) reading: tokio::sync::Mutex<()>,
}

/// The approvals that somebody waits for.
#[derive(Default)]
pub(crate) struct Waiters(Mutex<HashMap<Key, (Arc<Watched>, usize)>>);

impl Waiters {
    /// Joins those who wait for this one.
    pub(crate) fn join(&self, key: Key) -> Waiting<'_> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (watched, count) = all.entry(key).or_insert_with(|| {
            let watched = Watched {
                state: watch::Sender::new(None),
                reading: tokio::sync::Mutex::new(()),
            };
            (Arc::new(watched), 0)
        });
        *count += 1;
        Waiting {
            watched: Arc::clone(watched),
            key,
            waiters: self,
        }
    }

    /// The approvals of an organization that somebody waits for.
    pub(crate) fn waited(&self, organization: OrganizationId) -> Vec<ApprovalId> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.keys()
            .filter(|(of, _)| *of == organization)
            .map(|(_, id)| *id)
            .collect()
    }

    /// Whoever is waited for, if anybody waits.
    pub(crate) fn find(&self, key: Key) -> Option<Arc<Watched>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&key).map(|(watched, _)| Arc::clone(watched))
    }
}

/// One who waits; dropping it stops waiting.
pub(crate) struct Waiting<'a> {
    pub(crate) watched: Arc<Watched>,
    key: Key,
    waiters: &'a Waiters,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut all = self
            .waiters
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((_, count)) = all.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.key);
            }
        }
    }
}
