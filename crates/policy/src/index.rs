//! Which rules can match a request by name, without asking each of them.
//!
//! Rules are filed under their action and, within that, under their resource: by the whole text
//! where the pattern has no star, else by what stands before the first one. A lookup yields every
//! rule that matches and perhaps some that do not: `a*b` is filed as `a*`, so that the pattern
//! itself has to decide there.

mod prefixes;

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use self::prefixes::Prefixes;
use crate::pattern::{Key, Pattern};

/// The compiled index: positions of rules by action, then by resource.
#[derive(Debug, Default)]
pub(crate) struct RuleIndex {
    actions: Level<Level<Box<[u32]>>>,
}

/// One level: what is filed under whole texts, and what under beginnings.
#[derive(Debug)]
struct Level<T> {
    exact: HashMap<Box<str>, T>,
    prefixes: Prefixes<T>,
}

impl RuleIndex {
    /// Files rules under their positions, given as (action, resource) in order.
    pub(crate) fn new<'a>(rules: impl Iterator<Item = (&'a Pattern, &'a Pattern)>) -> Self {
        let mut actions: BTreeMap<Key<'a>, BTreeMap<Key<'a>, Vec<u32>>> = BTreeMap::new();
        for (position, (action, resource)) in (0..).zip(rules) {
            let resources = actions.entry(action.key()).or_default();
            resources.entry(resource.key()).or_default().push(position);
        }
        let level = |resources: BTreeMap<_, Vec<u32>>| {
            Level::new(
                resources
                    .into_iter()
                    .map(|(key, rules)| (key, rules.into_boxed_slice())),
            )
        };
        Self {
            actions: Level::new(
                actions
                    .into_iter()
                    .map(|(key, resources)| (key, level(resources))),
            ),
        }
    }

    /// The positions of the rules that may match, ascending.
    pub(crate) fn candidates<'a>(&'a self, action: &'a str, resource: &'a str) -> Candidates<'a> {
        let lists = self
            .actions
            .find(action)
            .flat_map(|resources| resources.find(resource))
            .map(|rules| Reverse(&**rules));
        Candidates {
            lists: lists.collect(),
        }
    }
}

/// The merged lists that a lookup found. A rule is in one list only, and lists ascend, so the
/// least list (compared as slices are: by the first element) begins with the next rule.
pub(crate) struct Candidates<'a> {
    lists: BinaryHeap<Reverse<&'a [u32]>>,
}

impl Iterator for Candidates<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let mut least = self.lists.peek_mut()?;
        let (first, rest) = least.0.split_first()?;
        if rest.is_empty() {
            PeekMut::pop(least);
        } else {
            *least = Reverse(rest);
        }
        Some(*first)
    }
}

impl<T> Level<T> {
    /// Keys in ascending order, each once.
    fn new<'k>(entries: impl Iterator<Item = (Key<'k>, T)>) -> Self {
        let mut exact = HashMap::new();
        let mut prefixes = Vec::new();
        for (key, value) in entries {
            match key {
                Key::Exact(text) => drop(exact.insert(text.into(), value)),
                Key::Prefix(text) => prefixes.push((text, value)),
            }
        }
        Self {
            exact,
            prefixes: Prefixes::new(prefixes),
        }
    }

    fn find<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a T> {
        self.exact
            .get(text)
            .into_iter()
            .chain(self.prefixes.of(text))
    }
}

impl<T> Default for Level<T> {
    fn default() -> Self {
        Self::new(std::iter::empty())
    }
}
