//! What a route sends.

use relynt_json::{Object, Value};

use crate::reading::{Faults, below, text};
use crate::resource_form::ResourceForm;
use crate::template::{Sources, Template, field};

const MAX_FIELDS: usize = 100;

/// The body of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Body {
    /// None at all: GET, and DELETE unless it says otherwise.
    None,
    /// Action, resource, payload and ids.
    Envelope,
    /// The payload alone, `{}` if there is none.
    Payload,
    /// Fields taken from the call.
    Mapped(Vec<(String, Template)>),
}

impl Body {
    pub(crate) fn parse(
        value: &Value,
        at: &str,
        form: &ResourceForm,
        faults: &mut Faults,
    ) -> Option<Self> {
        match value {
            Value::String(mode) if mode == "envelope" => Some(Self::Envelope),
            Value::String(mode) if mode == "payload" => Some(Self::Payload),
            Value::Object(object) if object.len() <= MAX_FIELDS => {
                let mut fields = Vec::new();
                for (name, value) in object {
                    let template = text(value).and_then(|text| Template::parse(text, form));
                    if let Some(template) = faults.take(&below(at, name), template) {
                        fields.push((name.to_owned(), template));
                    }
                }
                Some(Self::Mapped(fields))
            }
            _ => {
                faults.push(
                    at,
                    format!(
                        "must be `envelope`, `payload`, or an object of at most {MAX_FIELDS} fields"
                    ),
                );
                None
            }
        }
    }
}

/// The mapped body as canonical JSON. A field that is nothing but `{payload.…}` keeps its type, and
/// is left out if the payload does not have it.
pub(crate) fn mapped(
    fields: &[(String, Template)],
    sources: Sources<'_>,
) -> Result<String, String> {
    let mut object = Object::new();
    for (name, template) in fields {
        if let Some(path) = template.field() {
            if let Some(value) = field(sources.payload, path) {
                object.insert(name.as_str(), value.clone());
            }
            continue;
        }
        let mut text = String::new();
        for piece in &template.0 {
            text.push_str(&piece.text(sources)?);
        }
        object.insert(name.as_str(), text);
    }
    Ok(Value::Object(object).to_canonical())
}
