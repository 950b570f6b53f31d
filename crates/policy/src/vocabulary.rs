//! The words that the rules of one policy ask for, each with a number: a request's words are
//! looked up once, then every rule compares numbers.

use std::collections::HashMap;

use crate::fields::FieldNames;

/// What a policy asks a request for.
#[derive(Default)]
pub(crate) struct Vocabulary {
    pub(crate) fields: FieldNames,
    pub(crate) stages: Words,
    pub(crate) tags: Words,
}

/// Texts and their numbers.
#[derive(Default)]
pub(crate) struct Words(HashMap<Box<str>, u32>);

impl Words {
    /// The number of a text, a new one if the text is new.
    pub(crate) fn add(&mut self, text: &str) -> u32 {
        if let Some(number) = self.0.get(text) {
            return *number;
        }
        // A policy is bounded far below this.
        let number = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0.insert(text.into(), number);
        number
    }

    /// The number of a text, if the policy has it.
    pub(crate) fn number(&self, text: &str) -> Option<u32> {
        self.0.get(text).copied()
    }
}
