//! Why a text was refused, and where.

use std::fmt;

/// A text that [`parse`](crate::parse) refuses. Its `Display` is fit for the `detail` of a 400:
/// it names fields, never values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// Where in the text, in bytes from 0.
    pub offset: usize,
    /// JSON Pointer (RFC 6901) to the offending place; empty for the whole document. A pointer
    /// longer than 1 KiB is cut to the nearest enclosing place that fits.
    pub pointer: String,
}

/// What is wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParseErrorKind {
    /// The bytes are not UTF-8 (RFC 3629; overlong forms and surrogates are not).
    InvalidUtf8,
    /// The text begins with a byte order mark.
    ByteOrderMark,
    /// The text ends too early; an empty text too.
    UnexpectedEnd,
    /// A character that cannot stand here.
    UnexpectedCharacter,
    /// Something follows the value.
    TrailingCharacters,
    /// A control character stands unescaped inside a string.
    ControlCharacter,
    /// An escape that JSON does not know.
    InvalidEscape,
    /// An escaped UTF-16 surrogate without its other half.
    LoneSurrogate,
    /// Not a number as RFC 8259 section 6 writes it.
    InvalidNumber,
    /// An integer outside ±(2^53−1).
    IntegerOutOfRange,
    /// A number whose decimal value is not the one that a double would be written as.
    NumberNotExact,
    /// A key occurs twice in one object.
    DuplicateKey,
    /// Objects and arrays are nested deeper than [`MAX_DEPTH`](crate::MAX_DEPTH).
    TooDeep,
    /// The text is not the canonical form of its value; from
    /// [`parse_canonical`](crate::parse_canonical) alone.
    NotCanonical,
}

impl ParseErrorKind {
    fn text(self) -> &'static str {
        match self {
            Self::InvalidUtf8 => "the body is not valid UTF-8",
            Self::ByteOrderMark => "the body begins with a byte order mark",
            Self::UnexpectedEnd => "the JSON ends too early",
            Self::UnexpectedCharacter => "a character that JSON does not allow here",
            Self::TrailingCharacters => "something follows the JSON value",
            Self::ControlCharacter => "a control character must be escaped inside a string",
            Self::InvalidEscape => "an escape that JSON does not know",
            Self::LoneSurrogate => "a surrogate without its other half",
            Self::InvalidNumber => "not a number as JSON writes it",
            Self::IntegerOutOfRange => "an integer must be within ±9007199254740991",
            Self::NumberNotExact => "a double cannot carry this number exactly as written",
            Self::DuplicateKey => "the key occurs twice",
            Self::TooDeep => "nested deeper than 64 levels",
            Self::NotCanonical => "not in canonical form (RFC 8785)",
        }
    }
}

impl fmt::Display for ParseErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {}", self.kind, self.offset)?;
        if !self.pointer.is_empty() {
            write!(f, ", at `{}`", self.pointer)?;
        }
        f.write_str(")")
    }
}

impl std::error::Error for ParseError {}
