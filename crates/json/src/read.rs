//! The strict reader.

use std::collections::HashSet;

use crate::error::{ParseError, ParseErrorKind};
use crate::number::{self, MAX_SAFE, Number};
use crate::object::Object;
use crate::scan::plain_run;
use crate::value::Value;

/// How deep objects and arrays may be nested; the outermost counts as 1.
pub const MAX_DEPTH: usize = 64;

/// A pointer longer than this is cut to the nearest enclosing place that fits.
const POINTER_MAX: usize = 1024;

/// Reads one JSON text (RFC 8259), strictly.
///
/// Refused are: anything but UTF-8, a byte order mark, a key that occurs twice in one object
/// (compared after unescaping), lone surrogates, nesting deeper than [`MAX_DEPTH`], anything after
/// the value, and numbers that a double cannot carry: without fraction or exponent those outside
/// ±(2^53−1), and any number whose decimal value differs from that of the shortest text, as
/// ECMAScript writes it, of the nearest double. Numbers are kept as that text; `-0` is `0`.
/// Strings are taken as they are, Unicode noncharacters included.
///
/// Time and memory are linear in the text.
///
/// # Errors
/// The first fault, with its place.
pub fn parse(bytes: &[u8]) -> Result<Value, ParseError> {
    read(bytes, Integers::Safe)
}

/// Reads a text that has to be canonical already (RFC 8785): bytes that were stored or signed.
///
/// Differs from [`parse`] in that any other form of the same value is refused, and that an integer
/// of up to 21 digits is taken if ECMAScript writes it so: `1e20` is canonically
/// `100000000000000000000`, which [`parse`] refuses from a caller.
///
/// # Errors
/// As [`parse`], and [`ParseErrorKind::NotCanonical`] with the first byte that differs.
pub fn parse_canonical(bytes: &[u8]) -> Result<Value, ParseError> {
    let value = read(bytes, Integers::AsEcmaScript)?;
    let mut canonical = Vec::with_capacity(bytes.len());
    value.write_canonical(&mut canonical);
    if canonical == bytes {
        return Ok(value);
    }
    let same = canonical.iter().zip(bytes).take_while(|(a, b)| a == b);
    Err(ParseError {
        kind: ParseErrorKind::NotCanonical,
        offset: same.count(),
        pointer: String::new(),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Integers {
    Safe,
    AsEcmaScript,
}

fn read(bytes: &[u8], integers: Integers) -> Result<Value, ParseError> {
    let whole = |kind, offset| ParseError {
        kind,
        offset,
        pointer: String::new(),
    };
    let text = std::str::from_utf8(bytes)
        .map_err(|error| whole(ParseErrorKind::InvalidUtf8, error.valid_up_to()))?;
    if text.starts_with('\u{feff}') {
        return Err(whole(ParseErrorKind::ByteOrderMark, 0));
    }
    let mut reader = Reader {
        text,
        at: 0,
        depth: 0,
        integers,
    };
    let value = reader.value().map_err(|fault| fault.into_error())?;
    reader.skip_space();
    if reader.peek().is_some() {
        return Err(whole(ParseErrorKind::TrailingCharacters, reader.at));
    }
    Ok(value)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    integers: Integers,
}

/// Boxed, so that the way of success carries no more than a value.
struct Fault {
    kind: ParseErrorKind,
    offset: usize,
    /// Keys and indexes, innermost first: gathered on the way out, at no cost before.
    path: Vec<String>,
}

type Read<T> = Result<T, Box<Fault>>;

impl Fault {
    fn into_error(self) -> ParseError {
        let mut pointer = String::new();
        for step in self.path.iter().rev() {
            let escaped = step.replace('~', "~0").replace('/', "~1");
            if pointer.len() + 1 + escaped.len() > POINTER_MAX {
                break;
            }
            pointer.push('/');
            pointer.push_str(&escaped);
        }
        ParseError {
            kind: self.kind,
            offset: self.offset,
            pointer,
        }
    }
}

#[cold]
fn fault<T>(kind: ParseErrorKind, offset: usize) -> Read<T> {
    Err(Box::new(Fault {
        kind,
        offset,
        path: Vec::new(),
    }))
}

/// The same fault, seen from one level further out.
#[cold]
fn within<T>(step: String, mut fault: Box<Fault>) -> Read<T> {
    fault.path.push(step);
    Err(fault)
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    #[cold]
    fn unexpected<T>(&self) -> Read<T> {
        let kind = match self.peek() {
            Some(_) => ParseErrorKind::UnexpectedCharacter,
            None => ParseErrorKind::UnexpectedEnd,
        };
        fault(kind, self.at)
    }

    fn value(&mut self) -> Read<Value> {
        self.skip_space();
        match self.peek() {
            Some(b'"') => self.string().map(Value::String),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => self.unexpected(),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Read<Value> {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        if rest.starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(value);
        }
        let same = rest.iter().zip(word.as_bytes()).take_while(|(a, b)| a == b);
        self.at += same.count();
        self.unexpected()
    }

    /// The limit holds before descending: the stack is bounded whatever the text.
    fn nested(&mut self, inner: fn(&mut Self) -> Read<Value>) -> Read<Value> {
        if self.depth == MAX_DEPTH {
            return fault(ParseErrorKind::TooDeep, self.at);
        }
        self.depth += 1;
        self.at += 1;
        let value = inner(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn array(&mut self) -> Read<Value> {
        let mut elements = Vec::new();
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(elements));
        }
        loop {
            match self.value() {
                Ok(element) => elements.push(element),
                Err(fault) => return within(elements.len().to_string(), fault),
            }
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    give_back(&mut elements);
                    return Ok(Value::Array(elements));
                }
                _ => return self.unexpected(),
            }
        }
    }

    fn object(&mut self) -> Read<Value> {
        let start = self.at;
        let mut members = Vec::new();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(Object::new()));
        }
        loop {
            let key = self.key()?;
            match self.value() {
                Ok(value) => members.push((key, value)),
                Err(fault) => return within(key, fault),
            }
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    give_back(&mut members);
                    return match Object::from_members(members) {
                        Ok(object) => Ok(Value::Object(object)),
                        Err(_) => self.repeated_key(start),
                    };
                }
                _ => return self.unexpected(),
            }
        }
    }

    /// A key and its colon.
    fn key(&mut self) -> Read<String> {
        self.skip_space();
        if self.peek() != Some(b'"') {
            return self.unexpected();
        }
        let key = self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return self.unexpected().or_else(|fault| within(key, fault));
        }
        self.at += 1;
        Ok(key)
    }

    /// Reads the object again, up to the key that is there a second time. Happens at most once a
    /// text: it ends in an error.
    #[cold]
    fn repeated_key(&mut self, start: usize) -> Read<Value> {
        self.at = start;
        let mut seen = HashSet::new();
        loop {
            self.skip_space();
            let offset = self.at;
            let key = self.key()?;
            if seen.contains(&key) {
                return fault(ParseErrorKind::DuplicateKey, offset)
                    .or_else(|fault| within(key, fault));
            }
            seen.insert(key);
            self.value()?;
            self.skip_space();
            if self.peek() != Some(b',') {
                return fault(ParseErrorKind::DuplicateKey, start);
            }
            self.at += 1;
        }
    }

    /// A string, from its opening quote on.
    fn string(&mut self) -> Read<String> {
        let start = self.at + 1;
        let rest = self.text.get(start..).unwrap_or_default();
        let run = plain_run(rest.as_bytes());
        self.at = start + run;
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                Ok(rest.get(..run).unwrap_or_default().to_owned())
            }
            Some(b'\\') => self.escaped_string(start),
            _ => self.broken_string(),
        }
    }

    #[cold]
    fn broken_string<T>(&self) -> Read<T> {
        let kind = match self.peek() {
            Some(_) => ParseErrorKind::ControlCharacter,
            None => ParseErrorKind::UnexpectedEnd,
        };
        fault(kind, self.at)
    }

    /// The same for a string with escapes; `self.at` is at the first of them.
    fn escaped_string(&mut self, start: usize) -> Read<String> {
        let mut out = self.text.get(start..self.at).unwrap_or_default().to_owned();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                _ => return self.broken_string(),
            }
            let rest = self.text.get(self.at..).unwrap_or_default();
            let run = plain_run(rest.as_bytes());
            out.push_str(rest.get(..run).unwrap_or_default());
            self.at += run;
        }
    }

    fn escape(&mut self) -> Read<char> {
        let start = self.at;
        self.at += 1;
        let character = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape(start);
            }
            Some(_) => return fault(ParseErrorKind::InvalidEscape, start),
            None => return self.unexpected(),
        };
        self.at += 1;
        Ok(character)
    }

    fn unicode_escape(&mut self, start: usize) -> Read<char> {
        let first = self.hex4(start)?;
        let code = match first {
            0xd800..=0xdbff => {
                let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
                if !rest.starts_with(b"\\u") {
                    return fault(ParseErrorKind::LoneSurrogate, start);
                }
                let second_start = self.at;
                self.at += 2;
                let second = self.hex4(second_start)?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return fault(ParseErrorKind::LoneSurrogate, start);
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            other => other,
        };
        match char::from_u32(code) {
            Some(character) => Ok(character),
            None => fault(ParseErrorKind::LoneSurrogate, start),
        }
    }

    fn hex4(&mut self, start: usize) -> Read<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(byte) = self.peek() else {
                return self.unexpected();
            };
            let Some(digit) = char::from(byte).to_digit(16) else {
                return fault(ParseErrorKind::InvalidEscape, start);
            };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }

    fn number(&mut self) -> Read<Number> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let integer = self.digits(start)?;
        if integer.len > 1 && integer.leading_zero {
            return fault(ParseErrorKind::InvalidNumber, start);
        }
        let mut plain = true;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits(start)?;
            plain = false;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits(start)?;
            plain = false;
        }
        let text = self.text.as_bytes().get(start..self.at).unwrap_or_default();
        if plain && self.integers == Integers::Safe {
            // Sixteen digits always fit into the sum, and no safe integer has more.
            return if integer.len > 16 || integer.sum > MAX_SAFE {
                fault(ParseErrorKind::IntegerOutOfRange, start)
            } else if integer.sum == 0 {
                Ok(Number::ZERO)
            } else {
                Ok(Number::from_ecmascript(text).unwrap_or(Number::ZERO))
            };
        }
        match number::exact(text) {
            Some(number) => Ok(number),
            None => fault(ParseErrorKind::NumberNotExact, start),
        }
    }

    /// At least one digit.
    fn digits(&mut self, start: usize) -> Read<Digits> {
        let first = self.at;
        let mut sum = 0_u64;
        while let Some(byte @ b'0'..=b'9') = self.peek() {
            sum = sum.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            self.at += 1;
        }
        if self.at == first {
            return match self.peek() {
                Some(_) => fault(ParseErrorKind::InvalidNumber, start),
                None => self.unexpected(),
            };
        }
        Ok(Digits {
            len: self.at - first,
            leading_zero: self.text.as_bytes().get(first) == Some(&b'0'),
            sum,
        })
    }
}

struct Digits {
    len: usize,
    leading_zero: bool,
    /// Exact up to 19 digits.
    sum: u64,
}

/// Keeps what a hostile text can make us hold near its own size: growing by halves leaves room
/// that thousands of tiny objects would multiply.
fn give_back<T>(items: &mut Vec<T>) {
    if items.len() <= items.capacity() / 4 {
        items.shrink_to_fit();
    }
}
