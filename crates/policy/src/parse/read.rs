//! Reading members of an object: present or not, known or not, of the right kind.

use relynt_domain::{AgentId, nearest};
use relynt_json::{Object, Value};

use super::fault::{At, Faults};
use crate::limits::MAX_LIST_ITEMS;
use crate::text::{is_blank, longer_than, shown, unprintable};
use crate::vocabulary::Vocabulary;

/// What is needed while rules are read, and what comes of it beside the rules.
pub(crate) struct Reader<'a> {
    pub(crate) faults: Faults,
    pub(crate) vocabulary: Vocabulary,
    pub(crate) agent_exists: &'a dyn Fn(&AgentId) -> bool,
}

/// There was a fault; it has been noted.
pub(crate) struct Refused;

/// The keys of one kind of object.
pub(crate) struct Keys {
    pub(crate) known: &'static [&'static str],
    /// Part of the language and not built yet.
    pub(crate) later: &'static [&'static str],
}

impl Reader<'_> {
    /// Notes a fault.
    pub(crate) fn refuse<T>(
        &mut self,
        at: At<'_>,
        detail: impl Into<String>,
    ) -> Result<T, Refused> {
        self.faults.add(at, detail);
        Err(Refused)
    }

    pub(crate) fn object<'v>(
        &mut self,
        value: &'v Value,
        at: At<'_>,
    ) -> Result<&'v Object, Refused> {
        match value.as_object() {
            Some(object) => Ok(object),
            None => self.refuse(at, format!("must be an object, not {}", value.kind())),
        }
    }

    /// Refuses the keys that an object may not have: what is mistyped must not silently protect
    /// nothing.
    pub(crate) fn keys(&mut self, object: &Object, keys: &Keys, at: At<'_>) -> Result<(), Refused> {
        const KEY_CHARS: usize = 64;
        let mut result = Ok(());
        for key in object.keys().filter(|key| !keys.known.contains(key)) {
            if self.faults.is_full() {
                return Err(Refused);
            }
            let detail = if keys.later.contains(&key) {
                "is not supported yet".to_owned()
            } else {
                let all: Vec<&str> = keys.known.iter().chain(keys.later).copied().collect();
                match nearest(key, &all) {
                    Some(known) => format!("is not a known key; did you mean `{known}`?"),
                    None => format!("is not a known key; known are {}", keys.known.join(", ")),
                }
            };
            result = if longer_than(key, KEY_CHARS) {
                self.refuse(at, format!("{} {detail}", shown(key)))
            } else {
                self.refuse(at.key(key), detail)
            };
        }
        result
    }

    /// Reads a member if it is there.
    pub(crate) fn optional<T>(
        &mut self,
        object: &Object,
        key: &str,
        at: At<'_>,
        read: impl FnOnce(&mut Self, &Value, At<'_>) -> Result<T, Refused>,
    ) -> Result<Option<T>, Refused> {
        object
            .get(key)
            .map(|value| read(self, value, at.key(key)))
            .transpose()
    }

    /// Reads a member that must be there.
    pub(crate) fn required<T>(
        &mut self,
        object: &Object,
        key: &str,
        at: At<'_>,
        read: impl FnOnce(&mut Self, &Value, At<'_>) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        match object.get(key) {
            Some(value) => read(self, value, at.key(key)),
            None => self.refuse(at.key(key), "is required"),
        }
    }

    pub(crate) fn string<'v>(&mut self, value: &'v Value, at: At<'_>) -> Result<&'v str, Refused> {
        match value.as_str() {
            Some(text) => Ok(text),
            None => self.refuse(at, format!("must be a string, not {}", value.kind())),
        }
    }

    /// One line of visible text without blanks around it.
    pub(crate) fn line<'v>(
        &mut self,
        value: &'v Value,
        max_chars: usize,
        at: At<'_>,
    ) -> Result<&'v str, Refused> {
        let text = self.string(value, at)?;
        if text.is_empty() {
            self.refuse(at, "must not be empty")
        } else if longer_than(text, max_chars) {
            self.refuse(at, format!("has more than {max_chars} characters"))
        } else if let Some(fault) = unprintable(text) {
            self.refuse(at, fault)
        } else if text.starts_with(is_blank) || text.ends_with(is_blank) {
            self.refuse(at, "must not begin or end with a blank")
        } else {
            Ok(text)
        }
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(
        &mut self,
        value: &Value,
        words: &[(&'static str, T)],
        at: At<'_>,
    ) -> Result<T, Refused> {
        let text = self.string(value, at)?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(*meaning);
        }
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let hint = match nearest(text, &words) {
            Some(word) => format!("did you mean `{word}`?"),
            None => format!("must be one of {}", words.join(", ")),
        };
        self.refuse(at, format!("{} is not known; {hint}", shown(text)))
    }

    /// A list of lines: not empty, since a list that names nothing would do nothing.
    pub(crate) fn lines<T>(
        &mut self,
        value: &Value,
        max_chars: usize,
        at: At<'_>,
        mut read: impl FnMut(&mut Self, &str, At<'_>) -> Result<T, Refused>,
    ) -> Result<Vec<T>, Refused> {
        let Some(items) = value.as_array() else {
            return self.refuse(at, format!("must be a list, not {}", value.kind()));
        };
        if items.is_empty() {
            return self.refuse(at, "must not be an empty list");
        }
        if items.len() > MAX_LIST_ITEMS {
            return self.refuse(at, format!("has more than {MAX_LIST_ITEMS} entries"));
        }
        let mut out = Vec::with_capacity(items.len());
        let mut result = Ok(());
        for (index, item) in items.iter().enumerate() {
            let at = at.index(index);
            let item = self
                .line(item, max_chars, at)
                .and_then(|line| read(self, line, at));
            match item {
                Ok(item) => out.push(item),
                Err(refused) => result = Err(refused),
            }
        }
        result.map(|()| out)
    }
}
