//! What belongs to one process, and is made anew in a forked child.

use std::sync::OnceLock;

/// A value for this process. In a child that was forked off it is made again: sockets, locks and
/// runtimes of the parent cannot be used there. Those of the parent are never even dropped in
/// the child, since that would reach into kernel objects which both share.
pub struct PerProcess<T> {
    here: OnceLock<Made<T>>,
}

struct Made<T> {
    process: u32,
    value: Option<Box<T>>,
    child: Box<PerProcess<T>>,
}

impl<T> PerProcess<T> {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self {
            here: OnceLock::new(),
        }
    }

    /// This process's value, made on first use.
    pub fn get(&self, make: impl Fn() -> T) -> &T {
        let process = std::process::id();
        let mut level = self;
        loop {
            let owned = level.here.get_or_init(|| Made {
                process,
                value: Some(Box::new(make())),
                child: Box::new(PerProcess::new()),
            });
            match &owned.value {
                Some(value) if owned.process == process => return value,
                _ => level = &owned.child,
            }
        }
    }

    /// This process's value, if it was ever made.
    pub fn peek(&self) -> Option<&T> {
        let process = std::process::id();
        let mut level = self;
        loop {
            let made = level.here.get()?;
            match &made.value {
                Some(value) if made.process == process => return Some(value),
                _ => level = &made.child,
            }
        }
    }
}

impl<T> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for Made<T> {
    fn drop(&mut self) {
        if self.process != std::process::id()
            && let Some(value) = self.value.take()
        {
            std::mem::forget(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::PerProcess;

    #[test]
    fn value_is_made_once_in_one_process() {
        let made = AtomicU32::new(0);
        let value = PerProcess::new();
        assert!(value.peek().is_none());
        for _ in 0..3 {
            assert_eq!(*value.get(|| made.fetch_add(1, Ordering::Relaxed)), 0);
        }
        assert_eq!(value.peek(), Some(&0));
    }
}
