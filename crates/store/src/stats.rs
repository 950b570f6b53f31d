//! What the store counts of itself.

use std::sync::atomic::{AtomicU64, Ordering};

use relynt_gateway::ports::StoreGauges;

/// Commands that one group may hold.
pub(crate) const MAX_GROUP: usize = 256;

/// Counters, written by the writer's thread and by those who queue for it.
pub(crate) struct Stats {
    queued: AtomicU64,
    groups: AtomicU64,
    commands: AtomicU64,
    sizes: Vec<AtomicU64>,
}

impl Stats {
    pub(crate) fn new() -> Self {
        let mut sizes = Vec::with_capacity(MAX_GROUP + 1);
        sizes.resize_with(MAX_GROUP + 1, AtomicU64::default);
        Self {
            queued: AtomicU64::new(0),
            groups: AtomicU64::new(0),
            commands: AtomicU64::new(0),
            sizes,
        }
    }

    pub(crate) fn queued(&self) {
        self.queued.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn taken(&self, count: usize) {
        self.queued.fetch_sub(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn committed(&self, size: usize) {
        self.groups.fetch_add(1, Ordering::Relaxed);
        self.commands.fetch_add(size as u64, Ordering::Relaxed);
        if let Some(counter) = self.sizes.get(size) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn gauges(&self) -> StoreGauges {
        StoreGauges {
            queue_depth: self.queued.load(Ordering::Relaxed),
            groups: self.groups.load(Ordering::Relaxed),
            commands: self.commands.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn sizes(&self) -> Vec<u64> {
        self.sizes
            .iter()
            .map(|counter| counter.load(Ordering::Relaxed))
            .collect()
    }
}
