//! The form of a resource that a route takes: `crm:deal:{id}`.

use crate::template::{Raw, is_name, pieces};

/// A form with its named parts. Each colon-separated piece has at most one, so that there is only one
/// way to read a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResourceForm {
    source: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Part {
        before: String,
        name: String,
        after: String,
    },
}

impl ResourceForm {
    pub(crate) fn parse(source: &str) -> Result<Self, String> {
        if source.is_empty() || source.chars().count() > 512 {
            return Err("must have 1 to 512 characters".to_owned());
        }
        let mut names: Vec<String> = Vec::new();
        let mut parsed = Vec::new();
        for piece in source.split(':') {
            let piece = match pieces(piece)?.as_slice() {
                [] => return Err("has an empty part between two colons".to_owned()),
                [Raw::Literal(text)] => Piece::Literal((*text).to_owned()),
                [Raw::Name(name)] => part("", name, ""),
                [Raw::Literal(before), Raw::Name(name)] => part(before, name, ""),
                [Raw::Name(name), Raw::Literal(after)] => part("", name, after),
                [Raw::Literal(before), Raw::Name(name), Raw::Literal(after)] => {
                    part(before, name, after)
                }
                _ => return Err("has two names between two colons".to_owned()),
            };
            if let Piece::Part { name, .. } = &piece {
                if !is_name(name) || name == "payload" {
                    return Err(format!(
                        "`{{{name}}}` is no name: use lower-case letters, digits and `_`, and not `payload`"
                    ));
                }
                if names.contains(name) {
                    return Err(format!("`{{{name}}}` is there twice"));
                }
                names.push(name.clone());
            }
            parsed.push(piece);
        }
        Ok(Self {
            source: source.to_owned(),
            pieces: parsed,
        })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.source
    }

    pub(crate) fn has(&self, part: &str) -> bool {
        self.pieces
            .iter()
            .any(|piece| matches!(piece, Piece::Part { name, .. } if name == part))
    }

    /// The parts of a resource that fits completely; none is empty or has a colon.
    pub(crate) fn read<'r>(&'r self, resource: &'r str) -> Option<Vec<(&'r str, &'r str)>> {
        let mut parts = Vec::new();
        let mut texts = resource.split(':');
        for piece in &self.pieces {
            let text = texts.next()?;
            match piece {
                Piece::Literal(literal) if literal == text => {}
                Piece::Literal(_) => return None,
                Piece::Part {
                    before,
                    name,
                    after,
                } => {
                    let value = text
                        .strip_prefix(before.as_str())?
                        .strip_suffix(after.as_str())?;
                    if value.is_empty() {
                        return None;
                    }
                    parts.push((name.as_str(), value));
                }
            }
        }
        texts.next().is_none().then_some(parts)
    }
}

fn part(before: &str, name: &str, after: &str) -> Piece {
    Piece::Part {
        before: before.to_owned(),
        name: name.to_owned(),
        after: after.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::ResourceForm;

    fn read(form: &str, resource: &str) -> Option<String> {
        let form = ResourceForm::parse(form).unwrap();
        let parts = form.read(resource)?;
        Some(
            parts
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join(" "),
        )
    }

    #[test]
    fn a_resource_fits_completely_or_not_at_all() {
        for (form, resource, parts) in [
            ("crm:deal:{id}", "crm:deal:123", Some("id=123")),
            ("crm:deal:{id}", "crm:deal:", None),
            ("crm:deal:{id}", "crm:deal", None),
            ("crm:deal:{id}", "crm:deal:1:2", None),
            ("crm:deal:{id}", "xcrm:deal:1", None),
            ("crm:deal:{id}", "crm:deal:1:", None),
            ("crm:deal:{id}", ":crm:deal:1", None),
            ("crm:deal:{id}", "CRM:deal:1", None),
            ("{kind}:{id}", "deal:7", Some("kind=deal id=7")),
            ("deal-{id}-eu:x", "deal-7-eu:x", Some("id=7")),
            ("deal-{id}-eu", "deal--eu", None),
            ("aa{id}aa", "aaa", None),
            ("everything", "everything", Some("")),
            ("everything", "something", None),
        ] {
            assert_eq!(read(form, resource).as_deref(), parts, "{form} {resource}");
        }
    }

    #[test]
    fn a_form_that_could_be_read_in_two_ways_is_refused() {
        for form in [
            "",
            "crm::{id}",
            "crm:deal:",
            "{a}{b}",
            "crm:{a}-{b}",
            "{id}:{id}",
            "{payload}",
            "{}",
            "{Id}",
            "{a b}",
            "{a",
            "a}",
            "{{a}}",
            "{payload.id}",
        ] {
            assert!(ResourceForm::parse(form).is_err(), "{form}");
        }
    }
}
