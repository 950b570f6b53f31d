//! Calls under way in this process: a second call with the same key waits for the first.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use relynt_domain::AgentId;
use tokio::sync::watch;

/// How many may wait for one key.
const MAX_WAITING_PER_KEY: usize = 256;
/// How many of one agent may wait.
const MAX_WAITING_PER_AGENT: usize = 1024;

type Key = (AgentId, Vec<u8>);

#[derive(Default)]
struct State {
    calls: HashMap<Key, First>,
    waiting: HashMap<AgentId, usize>,
}

struct First {
    /// Dropped when the first call ends, which wakes everyone who waits for it.
    ended: watch::Sender<()>,
    waiting: usize,
}

/// The keys under way.
#[derive(Default, Clone)]
pub(crate) struct Running(Arc<Mutex<State>>);

/// How a call with a key stands to the others.
pub(crate) enum Entered {
    /// Nobody else has it under way.
    First(FirstGuard),
    /// Somebody has: wait for its end, then ask again.
    Later(LaterGuard),
    /// Too many wait already.
    Full,
}

impl Running {
    pub(crate) fn enter(&self, agent: AgentId, key: Vec<u8>) -> Entered {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State { calls, waiting } = &mut *state;
        match calls.entry((agent, key)) {
            Entry::Vacant(entry) => {
                let key = entry.key().clone();
                entry.insert(First {
                    ended: watch::Sender::new(()),
                    waiting: 0,
                });
                Entered::First(FirstGuard {
                    running: self.clone(),
                    key,
                })
            }
            Entry::Occupied(mut entry) => {
                let of_agent = waiting.entry(agent).or_default();
                let first = entry.get_mut();
                if first.waiting >= MAX_WAITING_PER_KEY || *of_agent >= MAX_WAITING_PER_AGENT {
                    return Entered::Full;
                }
                first.waiting += 1;
                *of_agent += 1;
                Entered::Later(LaterGuard {
                    ended: first.ended.subscribe(),
                    running: self.clone(),
                    agent,
                })
            }
        }
    }
}

/// The first call with a key; dropping it lets the others go on.
pub(crate) struct FirstGuard {
    running: Running,
    key: Key,
}

impl Drop for FirstGuard {
    fn drop(&mut self) {
        let mut state = self
            .running
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        state.calls.remove(&self.key);
    }
}

/// A later call with the same key.
pub(crate) struct LaterGuard {
    ended: watch::Receiver<()>,
    running: Running,
    agent: AgentId,
}

impl LaterGuard {
    /// Ends when the first call has ended, however.
    pub(crate) async fn ended(&mut self) {
        while self.ended.changed().await.is_ok() {}
    }
}

impl Drop for LaterGuard {
    fn drop(&mut self) {
        let mut state = self
            .running
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut entry) = state.waiting.entry(self.agent) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(n: u8) -> AgentId {
        AgentId::from_bytes([n; 16])
    }

    #[test]
    fn waiting_is_bounded_by_key_and_by_agent_and_given_back() {
        let running = Running::default();
        let first = running.enter(agent(1), vec![1]);
        assert!(matches!(first, Entered::First(_)));
        let mut later = Vec::new();
        for key in 1..=4u8 {
            let held = running.enter(agent(1), vec![key]);
            for _ in 0..MAX_WAITING_PER_KEY {
                later.push(running.enter(agent(1), vec![key]));
            }
            later.push(held);
        }
        let full = later.iter().filter(|e| matches!(e, Entered::Full)).count();
        // Key 1 had its first before, so one more waits for it and is the one too many.
        assert_eq!(full, 1);
        assert!(matches!(running.enter(agent(1), vec![2]), Entered::Full));
        let other_agent = running.enter(agent(2), vec![9]);
        assert!(matches!(other_agent, Entered::First(_)));
        drop(later);
        drop(first);
        assert!(matches!(
            running.enter(agent(1), vec![1]),
            Entered::First(_)
        ));
        assert!(running.0.lock().unwrap().waiting.is_empty());
    }
}
