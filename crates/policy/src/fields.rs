//! Which of the fields that a policy forbids a payload has.

use std::collections::HashMap;

use relynt_json::Value;

use crate::limits::MAX_DOTTED_PARTS;
use crate::text::fold_name;
use crate::vocabulary::Words;

/// The names that the rules of one policy forbid, folded.
///
/// A payload has the field `a.b` if a key by itself is called so, at any depth, or if the keys on
/// the way from the top to a value, joined with dots, spell it; arrays are transparent. A name
/// without a dot needs only the first.
#[derive(Default)]
pub(crate) struct FieldNames {
    names: Words,
    /// The dotted names as a tree of their parts; the first node is the top.
    paths: Vec<Step>,
}

#[derive(Default)]
struct Step {
    name: Option<u32>,
    next: HashMap<Box<str>, usize>,
}

impl FieldNames {
    /// The number of a name.
    ///
    /// # Errors
    /// Why there is none: no path spells the name, or there are too many.
    pub(crate) fn add(&mut self, name: &str) -> Result<u32, String> {
        let name = fold_name(name);
        let dotted = name.contains('.');
        if dotted && name.split('.').any(str::is_empty) {
            return Err("has an empty part between dots".to_owned());
        }
        if dotted && self.paths.len() >= MAX_DOTTED_PARTS {
            return Err(format!(
                "is too much: dotted names of one policy have at most {MAX_DOTTED_PARTS} parts"
            ));
        }
        let number = self.names.add(&name);
        if dotted {
            self.add_path(&name, number);
        }
        Ok(number)
    }

    fn add_path(&mut self, name: &str, number: u32) {
        if self.paths.is_empty() {
            self.paths.push(Step::default());
        }
        let mut at = 0;
        for part in name.split('.') {
            let new = self.paths.len();
            let Some(step) = self.paths.get_mut(at) else {
                return;
            };
            at = *step.next.entry(part.into()).or_insert(new);
            if at == new {
                self.paths.push(Step::default());
            }
        }
        if let Some(step) = self.paths.get_mut(at) {
            step.name = Some(number);
        }
    }

    /// The numbers of the names that the payload has, ascending.
    pub(crate) fn present_in(&self, payload: &Value) -> Box<[u32]> {
        let mut found = Vec::new();
        // A list of what is left instead of recursion: the depth is the payload's.
        let mut left = vec![(payload, Some(0))];
        while let Some((value, path)) = left.pop() {
            match value {
                Value::Array(items) => left.extend(items.iter().map(|item| (item, path))),
                Value::Object(object) => {
                    for (key, value) in object {
                        let key = fold_name(key);
                        found.extend(self.names.number(&key));
                        let path = path.and_then(|path| self.follow(path, &key));
                        found.extend(path.and_then(|path| self.paths.get(path)?.name));
                        if matches!(value, Value::Array(_) | Value::Object(_)) {
                            left.push((value, path));
                        }
                    }
                }
                _ => {}
            }
        }
        found.sort_unstable();
        found.dedup();
        found.into_boxed_slice()
    }

    /// Where a key leads. It may spell several parts at once.
    fn follow(&self, from: usize, key: &str) -> Option<usize> {
        key.split('.')
            .try_fold(from, |at, part| self.paths.get(at)?.next.get(part).copied())
    }
}
