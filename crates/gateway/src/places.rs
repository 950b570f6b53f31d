//! A bound on the decisions that are under way at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many decisions may be under way, from the reading of a call until its first commit has
/// answered. What comes beyond is refused at once: a queue would only make all of them late.
#[derive(Debug)]
pub struct Places {
    most: usize,
    taken: AtomicUsize,
}

impl Places {
    /// So many at once.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            taken: AtomicUsize::new(0),
        })
    }

    /// A place, unless all are taken.
    pub fn take(self: &Arc<Self>) -> Option<Place> {
        self.count_one().then(|| Place {
            places: Some(Arc::clone(self)),
            held: true,
        })
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    fn count_one(&self) -> bool {
        // Nothing but the count itself depends on its order.
        self.taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                (taken < self.most).then_some(taken + 1)
            })
            .is_ok()
    }
}

/// A place among the decisions under way, given back when it is dropped or left.
#[derive(Debug)]
pub struct Place {
    places: Option<Arc<Places>>,
    held: bool,
}

impl Place {
    /// A place where nothing bounds them: for tools and tests that bound themselves.
    pub fn unbounded() -> Self {
        Self {
            places: None,
            held: false,
        }
    }

    /// Gives it back: what follows waits for something that has a bound of its own.
    pub(crate) fn leave(&mut self) {
        if let (Some(places), true) = (&self.places, self.held) {
            places.taken.fetch_sub(1, Ordering::Relaxed);
            self.held = false;
        }
    }

    /// Takes one again after it was left; false if all are taken.
    pub(crate) fn take_again(&mut self) -> bool {
        if let (Some(places), false) = (&self.places, self.held) {
            self.held = places.count_one();
            return self.held;
        }
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Places};

    #[test]
    fn places_are_bounded_and_come_back_once() {
        let places = Places::new(2);
        let mut first = places.take().unwrap();
        let second = places.take().unwrap();
        assert!(places.take().is_none());
        first.leave();
        first.leave();
        assert_eq!(places.taken(), 1);
        let third = places.take().unwrap();
        assert!(!first.take_again(), "all are taken");
        drop(second);
        assert!(first.take_again() && first.take_again());
        assert_eq!(places.taken(), 2);
        drop((first, third));
        assert_eq!(places.taken(), 0);
    }

    #[test]
    fn a_panic_gives_its_place_back() {
        let places = Places::new(1);
        let place = places.take().unwrap();
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _place = place;
            panic!("half-way");
        }));
        assert!(panicked.is_err());
        assert_eq!(places.taken(), 0);
    }

    #[test]
    fn an_unbounded_place_can_always_be_taken_again() {
        let mut place = Place::unbounded();
        place.leave();
        assert!(place.take_again());
    }
}
