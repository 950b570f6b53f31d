//! Patterns of actions and resources.

use std::fmt;

use crate::limits::MAX_PATTERN_CHARS;
use crate::text;

/// A pattern: `*` stands for any run of characters, colons included, also none; everything else
/// is literal and case-sensitive; the whole text must match.
///
/// Matching is linear in the text, whatever the pattern.
///
/// ```
/// use relynt_policy::Pattern;
///
/// let deals = Pattern::parse("crm:deal:*").unwrap();
/// assert!(deals.matches("crm:deal:123"));
/// assert!(!deals.matches("crm:deal"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    source: Box<str>,
    form: Form,
}

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing would match it but the empty text, which no request carries.
    #[error("a pattern is not empty")]
    Empty,
    /// More than [`MAX_PATTERN_CHARS`] characters.
    #[error("a pattern has at most {MAX_PATTERN_CHARS} characters")]
    TooLong,
    /// Control or format characters, line separators, or text that is not NFC: no request may
    /// carry them, so the pattern could never match.
    #[error("{0}, so no request could match the pattern")]
    Unmatchable(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// No star.
    Exact,
    /// One star, at the end. Holds what is before it.
    Prefix(Box<str>),
    /// Stars elsewhere. Between two stars stands a part that is found from the left.
    Parts {
        prefix: Box<str>,
        middle: Box<[Box<str>]>,
        suffix: Box<str>,
    },
}

/// How the index files a pattern: a text that matches the pattern equals `Exact` or starts with
/// `Prefix`. The contrary holds only if the pattern [is its key](Pattern::is_its_key).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key<'a> {
    Exact(&'a str),
    Prefix(&'a str),
}

impl Pattern {
    /// Reads a pattern of 1 to [`MAX_PATTERN_CHARS`] characters.
    ///
    /// # Errors
    /// [`PatternError`] if it is empty, too long, or could never match a request.
    pub fn parse(source: &str) -> Result<Self, PatternError> {
        if source.is_empty() {
            return Err(PatternError::Empty);
        }
        if text::longer_than(source, MAX_PATTERN_CHARS) {
            return Err(PatternError::TooLong);
        }
        if let Some(fault) = text::unprintable(source) {
            return Err(PatternError::Unmatchable(fault));
        }
        if !text::is_nfc(source) {
            return Err(PatternError::Unmatchable(
                "the text is not in Unicode form NFC",
            ));
        }
        Ok(Self {
            source: source.into(),
            form: Form::of(source),
        })
    }

    /// Whether the whole text matches. A `*` in the text is a plain character.
    pub fn matches(&self, text: &str) -> bool {
        match &self.form {
            Form::Exact => *self.source == *text,
            Form::Prefix(prefix) => text.starts_with(&**prefix),
            Form::Parts {
                prefix,
                middle,
                suffix,
            } => {
                // Taken off one after the other, so that they never overlap. The leftmost find of
                // each part leaves the most for the next ones: no part is ever looked for twice.
                let Some(mut rest) = text
                    .strip_prefix(&**prefix)
                    .and_then(|rest| rest.strip_suffix(&**suffix))
                else {
                    return false;
                };
                for part in middle {
                    let Some((_, after)) = rest.split_once(&**part) else {
                        return false;
                    };
                    rest = after;
                }
                true
            }
        }
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether every text that fits the key matches the pattern.
    pub(crate) fn is_its_key(&self) -> bool {
        !matches!(self.form, Form::Parts { .. })
    }

    pub(crate) fn key(&self) -> Key<'_> {
        match &self.form {
            Form::Exact => Key::Exact(&self.source),
            Form::Prefix(prefix) | Form::Parts { prefix, .. } => Key::Prefix(prefix),
        }
    }
}

impl Form {
    fn of(source: &str) -> Self {
        let Some((prefix, rest)) = source.split_once('*') else {
            return Self::Exact;
        };
        let (middle, suffix) = rest.rsplit_once('*').unwrap_or(("", rest));
        let middle: Box<[Box<str>]> = middle
            .split('*')
            .filter(|part| !part.is_empty())
            .map(Box::from)
            .collect();
        if middle.is_empty() && suffix.is_empty() {
            Self::Prefix(prefix.into())
        } else {
            Self::Parts {
                prefix: prefix.into(),
                middle,
                suffix: suffix.into(),
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}
