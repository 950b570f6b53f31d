//! A set of texts that finds every one of them that another text starts with.

/// The texts, sorted, each knowing the longest other one that it starts with.
///
/// The beginnings of a text that are in the set are all beginnings of the last entry that is not
/// above it: whatever sorts between a text's beginning and the text starts with that beginning.
#[derive(Debug)]
pub(crate) struct Prefixes<T> {
    entries: Box<[Entry<T>]>,
}

#[derive(Debug)]
struct Entry<T> {
    text: Box<str>,
    shorter: Option<usize>,
    value: T,
}

impl<T> Prefixes<T> {
    /// Texts in ascending order, each once.
    pub(crate) fn new(sorted: Vec<(&str, T)>) -> Self {
        let mut entries: Vec<Entry<T>> = Vec::with_capacity(sorted.len());
        for (text, value) in sorted {
            let mut shorter = entries.len().checked_sub(1);
            while let Some(entry) = shorter.and_then(|at| entries.get(at)) {
                if text.starts_with(&*entry.text) {
                    break;
                }
                shorter = entry.shorter;
            }
            entries.push(Entry {
                text: text.into(),
                shorter,
                value,
            });
        }
        Self {
            entries: entries.into_boxed_slice(),
        }
    }

    /// What is filed under the beginnings of the text, the longest first.
    pub(crate) fn of(&self, text: &str) -> impl Iterator<Item = &T> + use<'_, T> {
        let last = self
            .entries
            .partition_point(|entry| *entry.text <= *text)
            .checked_sub(1);
        let last = last.and_then(|at| self.entries.get(at));
        let common = last.map_or(0, |entry| common_bytes(&entry.text, text));
        std::iter::successors(last, |entry| {
            entry.shorter.and_then(|at| self.entries.get(at))
        })
        .skip_while(move |entry| entry.text.len() > common)
        .map(|entry| &entry.value)
    }
}

fn common_bytes(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_what_asking_every_entry_finds(
            texts in prop::collection::btree_set("[aé]{0,3}[ab:]{0,4}", 0..40),
            text in "[aé]{0,3}[ab:]{0,6}",
        ) {
            let texts: BTreeSet<String> = texts;
            let prefixes = Prefixes::new(texts.iter().map(|t| (t.as_str(), t.clone())).collect());
            let found: Vec<&String> = prefixes.of(&text).collect();
            let mut expected: Vec<&String> =
                texts.iter().filter(|entry| text.starts_with(entry.as_str())).collect();
            expected.reverse();
            prop_assert_eq!(found, expected);
        }
    }
}
