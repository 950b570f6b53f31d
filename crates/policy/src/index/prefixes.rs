//! A set of texts that finds every one of them that another text starts with.

use std::collections::VecDeque;
use std::ops::Range;

/// The texts as a compressed tree of bytes: the way from the root down to a node, label after
/// label, spells a beginning that some of the texts have in common.
#[derive(Debug)]
pub(crate) struct Prefixes<T> {
    /// The root first; the children of a node stand together.
    nodes: Box<[Node<T>]>,
    /// The labels of all nodes, one after the other.
    labels: Box<[u8]>,
}

#[derive(Debug)]
struct Node<T> {
    label: Range<usize>,
    /// What is filed under the text that ends here, if one does.
    value: Option<T>,
    // INVARIANT: ascending by `first`, which is different for each.
    children: Range<usize>,
    /// The first byte of the label.
    first: u8,
}

impl<T> Prefixes<T> {
    /// Texts in ascending order, each once.
    pub(crate) fn new(sorted: Vec<(&str, T)>) -> Self {
        let (texts, mut values): (Vec<&[u8]>, Vec<Option<T>>) = sorted
            .into_iter()
            .map(|(text, value)| (text.as_bytes(), Some(value)))
            .unzip();
        let (mut nodes, mut labels) = (Vec::new(), Vec::new());
        // What each node is made of: texts, and how much of them stands above it.
        let mut left = VecDeque::from_iter((!texts.is_empty()).then_some((0..texts.len(), 0)));
        let mut made = left.len();
        while let Some((range, above)) = left.pop_front() {
            let (Some(first), Some(last)) =
                (texts.get(range.start), texts.get(range.end.wrapping_sub(1)))
            else {
                break;
            };
            // Sorted, so what the first and the last have in common all have.
            let common = first.iter().zip(*last).take_while(|(a, b)| a == b).count();
            let label = first.get(above..common).unwrap_or_default();
            let ends_here = first.len() == common;
            let value = values.get_mut(range.start).filter(|_| ends_here);
            let mut rest = range.start + usize::from(ends_here)..range.end;
            let children = made;
            while let Some(byte) = texts.get(rest.start).filter(|_| !rest.is_empty()) {
                let byte = byte.get(common);
                let group = texts.get(rest.clone()).unwrap_or_default();
                let group = group.partition_point(|text| text.get(common) == byte);
                left.push_back((rest.start..rest.start + group, common));
                rest.start += group;
                made += 1;
            }
            nodes.push(Node {
                label: labels.len()..labels.len() + label.len(),
                value: value.and_then(Option::take),
                children: children..made,
                first: label.first().copied().unwrap_or_default(),
            });
            labels.extend_from_slice(label);
        }
        Self {
            nodes: nodes.into_boxed_slice(),
            labels: labels.into_boxed_slice(),
        }
    }

    /// What is filed under the beginnings of the text, the shortest first.
    pub(crate) fn of<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a T> {
        let mut rest = text.as_bytes();
        let mut next = self.nodes.first();
        std::iter::from_fn(move || {
            loop {
                let node = next?;
                rest = rest.strip_prefix(self.labels.get(node.label.clone())?)?;
                next = rest.first().and_then(|byte| {
                    let children = self.nodes.get(node.children.clone())?;
                    let at = children.binary_search_by_key(byte, |child| child.first);
                    children.get(at.ok()?)
                });
                if node.value.is_some() {
                    return node.value.as_ref();
                }
            }
        })
        .fuse()
    }
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
            let expected: Vec<&String> =
                texts.iter().filter(|entry| text.starts_with(entry.as_str())).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
