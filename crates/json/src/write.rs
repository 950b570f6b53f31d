//! The canonical writer: RFC 8785.

use crate::object::Object;
use crate::scan::plain_run;
use crate::value::Value;

impl Value {
    /// The canonical form (RFC 8785) as text.
    pub fn to_canonical(&self) -> String {
        let mut out = String::new();
        value(self, &mut out);
        out
    }

    /// Appends the canonical form (RFC 8785).
    pub fn write_canonical(&self, out: &mut Vec<u8>) {
        value(self, out);
    }
}

impl Object {
    /// The canonical form (RFC 8785) as text.
    pub fn to_canonical(&self) -> String {
        let mut out = String::new();
        object(self, &mut out);
        out
    }

    /// Appends the canonical form (RFC 8785).
    pub fn write_canonical(&self, out: &mut Vec<u8>) {
        object(self, out);
    }
}

/// Appends one string, quoted and escaped as RFC 8785 section 3.2.2.2 says: the two-character
/// escapes where they exist, `\u00xx` for other control characters, everything else as it is.
pub fn write_canonical_str(text: &str, out: &mut Vec<u8>) {
    string(text, out);
}

/// Where text goes, so that one writer serves both kinds of buffer.
trait Sink {
    fn put(&mut self, text: &str);
}

impl Sink for String {
    fn put(&mut self, text: &str) {
        self.push_str(text);
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, text: &str) {
        self.extend_from_slice(text.as_bytes());
    }
}

fn value<S: Sink>(of: &Value, out: &mut S) {
    match of {
        Value::Null => out.put("null"),
        Value::Bool(true) => out.put("true"),
        Value::Bool(false) => out.put("false"),
        Value::Number(number) => out.put(number.as_str()),
        Value::String(text) => string(text, out),
        Value::Array(elements) => {
            out.put("[");
            for (position, element) in elements.iter().enumerate() {
                if position > 0 {
                    out.put(",");
                }
                value(element, out);
            }
            out.put("]");
        }
        Value::Object(members) => object(members, out),
    }
}

fn object<S: Sink>(of: &Object, out: &mut S) {
    out.put("{");
    for (position, (key, member)) in of.iter().enumerate() {
        if position > 0 {
            out.put(",");
        }
        string(key, out);
        out.put(":");
        value(member, out);
    }
    out.put("}");
}

fn string<S: Sink>(text: &str, out: &mut S) {
    out.put("\"");
    let mut rest = text;
    loop {
        // A special byte is ASCII, so both cuts fall between characters.
        let (plain, tail) = rest
            .split_at_checked(plain_run(rest.as_bytes()))
            .unwrap_or((rest, ""));
        out.put(plain);
        let Some(special) = tail.chars().next() else {
            break;
        };
        escape(special, out);
        rest = tail.get(1..).unwrap_or_default();
    }
    out.put("\"");
}

fn escape<S: Sink>(special: char, out: &mut S) {
    match special {
        '"' => out.put("\\\""),
        '\\' => out.put("\\\\"),
        '\u{8}' => out.put("\\b"),
        '\t' => out.put("\\t"),
        '\n' => out.put("\\n"),
        '\u{c}' => out.put("\\f"),
        '\r' => out.put("\\r"),
        control => {
            let code = u32::from(control);
            out.put(if code < 0x10 { "\\u000" } else { "\\u001" });
            let mut digit = [0; 4];
            let digit_char = char::from_digit(code % 16, 16).unwrap_or_default();
            out.put(digit_char.encode_utf8(&mut digit));
        }
    }
}
