//! Texts with places to fill in: `/deals/{id}`, `{payload.amount}`.

use relynt_json::Value;

use crate::resource_form::ResourceForm;

/// A piece of a text as written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Raw<'s> {
    Literal(&'s str),
    Name(&'s str),
}

/// Splits a text into literals and `{names}`.
pub(crate) fn pieces(source: &str) -> Result<Vec<Raw<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = source;
    while !rest.is_empty() {
        let (literal, after) = rest.split_once('{').unwrap_or((rest, ""));
        if literal.contains('}') {
            return Err("has a `}` without its `{`".to_owned());
        }
        if !literal.is_empty() {
            pieces.push(Raw::Literal(literal));
        }
        if literal.len() == rest.len() {
            break;
        }
        let (name, after) = after
            .split_once('}')
            .ok_or_else(|| "has a `{` without its `}`".to_owned())?;
        if name.contains('{') {
            return Err("has a `{` inside of another".to_owned());
        }
        pieces.push(Raw::Name(name));
        rest = after;
    }
    Ok(pieces)
}

/// Whether a text is a name of a part: a lower-case letter, then letters, digits and `_`.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && text.len() <= 64
}

/// A text to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(pub(crate) Vec<Piece>);

/// A piece of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// As it stands.
    Literal(String),
    /// A part of the resource.
    Part(String),
    /// A field of the payload; without names the payload itself.
    Payload(Vec<String>),
}

/// Where values come from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sources<'a> {
    pub(crate) parts: &'a [(&'a str, &'a str)],
    pub(crate) payload: Option<&'a Value>,
}

impl Template {
    pub(crate) fn parse(source: &str, form: &ResourceForm) -> Result<Self, String> {
        let mut parsed = Vec::new();
        for piece in pieces(source)? {
            parsed.push(match piece {
                Raw::Literal(text) => Piece::Literal(text.to_owned()),
                Raw::Name(name) => Piece::parse(name, form)?,
            });
        }
        Ok(Self(parsed))
    }

    /// The payload's field that the whole text stands for, if it is nothing else.
    pub(crate) fn field(&self) -> Option<&[String]> {
        match self.0.as_slice() {
            [Piece::Payload(path)] => Some(path),
            _ => None,
        }
    }
}

impl Piece {
    fn parse(name: &str, form: &ResourceForm) -> Result<Self, String> {
        if name == "payload" {
            return Ok(Self::Payload(Vec::new()));
        }
        if let Some(path) = name.strip_prefix("payload.") {
            let path: Vec<String> = path.split('.').map(str::to_owned).collect();
            if path.iter().any(String::is_empty) || path.len() > 16 {
                return Err(format!("`{{{name}}}` names no field of the payload"));
            }
            return Ok(Self::Payload(path));
        }
        if form.has(name) {
            return Ok(Self::Part(name.to_owned()));
        }
        Err(format!(
            "`{{{name}}}` is neither in `resource` nor `payload.…`"
        ))
    }

    /// How messages call it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Literal(text) => text.clone(),
            Self::Part(name) => format!("`{name}` of the resource"),
            Self::Payload(path) if path.is_empty() => "`payload`".to_owned(),
            Self::Payload(path) => format!("`payload.{}`", path.join(".")),
        }
    }

    /// Its text.
    ///
    /// # Errors
    /// The payload has no such field, or it is no text, number or truth value.
    pub(crate) fn text(&self, sources: Sources<'_>) -> Result<String, String> {
        match self {
            Self::Literal(text) => Ok(text.clone()),
            Self::Part(name) => sources
                .parts
                .iter()
                .find(|(part, _)| part == name)
                .map(|(_, value)| (*value).to_owned())
                .ok_or_else(|| format!("{} is missing", self.shown())),
            Self::Payload(path) => match field(sources.payload, path) {
                Some(Value::String(text)) => Ok(text.clone()),
                Some(Value::Number(number)) => Ok(number.as_str().to_owned()),
                Some(Value::Bool(value)) => Ok(value.to_string()),
                None | Some(Value::Null) => Err(format!("{} is missing", self.shown())),
                Some(other) => Err(format!("{} is {}", self.shown(), other.kind())),
            },
        }
    }
}

/// The field at a path of the payload.
pub(crate) fn field<'v>(payload: Option<&'v Value>, path: &[String]) -> Option<&'v Value> {
    path.iter()
        .try_fold(payload?, |value, name| value.get(name))
}
