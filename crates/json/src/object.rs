//! Objects: unique keys, always in canonical order.

use std::cmp::Ordering;
use std::fmt;

use crate::value::Value;

/// A JSON object. Keys are unique and kept sorted by their UTF-16 code units (RFC 8785 section
/// 3.2.3), so that writing needs no sorting and two equal objects are equal whatever their order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Object {
    // INVARIANT: strictly ascending by `utf16_order`.
    members: Vec<(String, Value)>,
}

impl Object {
    /// An object without members.
    pub const fn new() -> Self {
        Self {
            members: Vec::new(),
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let at = self.position(key).ok()?;
        self.members.get(at).map(|(_, value)| value)
    }

    /// The value of a key, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        let at = self.position(key).ok()?;
        self.members.get_mut(at).map(|(_, value)| value)
    }

    /// Whether the key is there, null or not.
    pub fn contains_key(&self, key: &str) -> bool {
        self.position(key).is_ok()
    }

    /// The members in canonical order.
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.members.iter())
    }

    /// The keys in canonical order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> + DoubleEndedIterator {
        self.members.iter().map(|(key, _)| key.as_str())
    }

    /// The values in the order of their keys.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Value> + DoubleEndedIterator {
        self.members.iter().map(|(_, value)| value)
    }

    /// The values in the order of their keys, to change them.
    pub fn values_mut(&mut self) -> impl ExactSizeIterator<Item = &mut Value> {
        self.members.iter_mut().map(|(_, value)| value)
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Sets a key; the value it replaces comes back.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<Value>) -> Option<Value> {
        let (key, value) = (key.into(), value.into());
        match self.position(&key) {
            Ok(at) => self
                .members
                .get_mut(at)
                .map(|(_, old)| std::mem::replace(old, value)),
            Err(at) => {
                self.members.insert(at, (key, value));
                None
            }
        }
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let at = self.position(key).ok()?;
        Some(self.members.remove(at).1)
    }

    /// Takes members in any order. `Err` if a key occurs twice.
    pub(crate) fn from_members(mut members: Vec<(String, Value)>) -> Result<Self, RepeatedKey> {
        let ascending = |left: &(String, Value), right: &(String, Value)| {
            utf16_order(&left.0, &right.0) == Ordering::Less
        };
        if !members.is_sorted_by(ascending) {
            members.sort_unstable_by(|left, right| utf16_order(&left.0, &right.0));
            if !members.is_sorted_by(ascending) {
                return Err(RepeatedKey);
            }
        }
        Ok(Self { members })
    }

    fn position(&self, key: &str) -> Result<usize, usize> {
        // Most insertions come in order: look at the end first.
        match self.members.last() {
            Some((last, _)) if utf16_order(last, key) == Ordering::Less => Err(self.members.len()),
            _ => self
                .members
                .binary_search_by(|(present, _)| utf16_order(present, key)),
        }
    }
}

/// A key occurs twice among the members.
pub(crate) struct RepeatedKey;

/// Compares by UTF-16 code units without converting.
///
/// UTF-8 bytes compare like code points, and so do UTF-16 code units, with one exception: a
/// character above U+FFFF (lead byte from F0) begins with a surrogate (D800 to DFFF) and so comes
/// before U+E000 to U+FFFF (lead bytes EE and EF).
pub(crate) fn utf16_order(left: &str, right: &str) -> Ordering {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    for (&a, &b) in left.iter().zip(right) {
        if a != b {
            return if a >= 0xee && b >= 0xee && (a >= 0xf0) != (b >= 0xf0) {
                b.cmp(&a)
            } else {
                a.cmp(&b)
            };
        }
    }
    left.len().cmp(&right.len())
}

impl<K: Into<String>, V: Into<Value>> FromIterator<(K, V)> for Object {
    /// The last value of a repeated key wins.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(members: I) -> Self {
        let mut object = Self::new();
        object.extend(members);
        object
    }
}

impl<K: Into<String>, V: Into<Value>> Extend<(K, V)> for Object {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, members: I) {
        for (key, value) in members {
            self.insert(key, value);
        }
    }
}

/// The members of an [`Object`] in canonical order, borrowed.
#[derive(Clone)]
pub struct Iter<'a>(std::slice::Iter<'a, (String, Value)>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(key, value)| (key.as_str(), value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a Object {
    type Item = (&'a str, &'a Value);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The members of an [`Object`] in canonical order, owned.
pub struct IntoIter(std::vec::IntoIter<(String, Value)>);

impl Iterator for IntoIter {
    type Item = (String, Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for IntoIter {}

impl IntoIterator for Object {
    type Item = (String, Value);
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        IntoIter(self.members.into_iter())
    }
}

/// Shows keys and kinds, never values: they may be a payload's.
impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_that_of_utf16_code_units() {
        let texts = [
            "",
            "\u{0}",
            "a",
            "ab",
            "b",
            "\u{7f}",
            "\u{80}",
            "é",
            "\u{7ff}",
            "\u{800}",
            "\u{d7ff}",
            "\u{e000}",
            "\u{ffff}",
            "\u{fb33}",
            "\u{10000}",
            "😂",
            "\u{10ffff}",
            "a\u{ffff}",
            "a\u{10000}",
            "😂a",
            "😂\u{e000}",
            "😂\u{10000}",
        ];
        for left in texts {
            for right in texts {
                let expected = left.encode_utf16().cmp(right.encode_utf16());
                assert_eq!(utf16_order(left, right), expected, "{left:?} {right:?}");
            }
        }
    }
}
