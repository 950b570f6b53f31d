//! Reading a management body: every fault at once, each with its place

use std::fmt::Display;

use relynt_domain::{Fault, Timestamp, nearest};
use relynt_json::{Object, Value};

use crate::error::Refusal;

/// A body that is being read. Fields are taken out one by one; what is left is unknown.
pub(crate) struct Fields {
    object: Object,
    known: Vec<&'static str>,
    faults: Vec<Fault>,
}

impl Fields {
    /// Begins to read a body, which is one JSON object.
    ///
    /// # Errors
    /// 400: it is none.
    pub(crate) fn of(body: Value) -> Result<Self, Refusal> {
        match body {
            Value::Object(object) => Ok(Self {
                object,
                known: Vec::new(),
                faults: Vec::new(),
            }),
            _ => Err(Refusal::faults(vec![Fault::new(
                "",
                "the body must be a JSON object",
            )])),
        }
    }

    /// A field as it is; null counts as absent.
    pub(crate) fn value(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.object.remove(name).filter(|value| !value.is_null())
    }

    /// The same, where it has to be there.
    pub(crate) fn required_value(&mut self, name: &'static str) -> Option<Value> {
        let value = self.value(name);
        if value.is_none() {
            self.fault(name, format!("`{name}` is missing"));
        }
        value
    }

    /// Whether a field is there, null or not: what a PATCH changes.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    /// A text as it is: what it may be, the gateway checks.
    pub(crate) fn string(&mut self, name: &'static str) -> Option<String> {
        self.text(name, |text| Ok::<_, &str>(text.to_owned()))
    }

    /// The same, where it has to be there.
    pub(crate) fn required_string(&mut self, name: &'static str) -> Option<String> {
        self.required_text(name, |text| Ok::<_, &str>(text.to_owned()))
    }

    /// A text that is taken by `read`.
    pub(crate) fn text<T, E: Display>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let value = self.value(name)?;
        self.read_text(name, &value, read)
    }

    /// The same, where it has to be there.
    pub(crate) fn required_text<T, E: Display>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let value = self.required_value(name)?;
        self.read_text(name, &value, read)
    }

    fn read_text<T, E: Display>(
        &mut self,
        name: &'static str,
        value: &Value,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let Some(text) = value.as_str() else {
            self.fault(name, format!("`{name}` must be a string"));
            return None;
        };
        match read(text) {
            Ok(value) => Some(value),
            Err(why) => {
                self.fault(name, format!("`{name}` {why}"));
                None
            }
        }
    }

    /// A list of texts.
    pub(crate) fn texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        let value = self.value(name)?;
        let texts = value.as_array().and_then(|items| {
            items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect()
        });
        if texts.is_none() {
            self.fault(name, format!("`{name}` must be a list of strings"));
        }
        texts
    }

    /// True or false.
    pub(crate) fn boolean(&mut self, name: &'static str) -> Option<bool> {
        let value = self.value(name)?;
        if value.as_bool().is_none() {
            self.fault(name, format!("`{name}` must be true or false"));
        }
        value.as_bool()
    }

    /// A whole number within bounds.
    pub(crate) fn number(&mut self, name: &'static str, least: u32, most: u32) -> Option<u32> {
        let value = self.value(name)?;
        let number = value
            .as_u64()
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.fault(
                name,
                format!("`{name}` must be a whole number from {least} to {most}"),
            );
        }
        number
    }

    /// A time.
    pub(crate) fn time(&mut self, name: &'static str) -> Option<Timestamp> {
        self.text(name, |text| {
            Timestamp::parse(text).map_err(|error| format!("is {error}"))
        })
    }

    /// A remark for people: at most so many characters, no control characters but line ends.
    pub(crate) fn remark(&mut self, name: &'static str, most: usize) -> Option<String> {
        let text = self.text(name, |text| {
            if text.chars().count() > most {
                Err(format!("is longer than {most} characters"))
            } else if text
                .chars()
                .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
            {
                Err("has a control character".to_owned())
            } else {
                Ok(text.to_owned())
            }
        })?;
        (!text.trim().is_empty()).then_some(text)
    }

    /// Adds what is wrong with a field.
    pub(crate) fn fault(&mut self, name: &str, detail: impl Into<String>) {
        self.faults.push(Fault::new(format!("/{name}"), detail));
    }

    /// Ends the reading with what was made of the fields.
    ///
    /// # Errors
    /// 400 with everything that is wrong, unknown fields included.
    pub(crate) fn end<T>(mut self, made: Option<T>) -> Result<T, Refusal> {
        for name in self.object.keys() {
            let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            let detail = match nearest(name, &self.known) {
                Some(known) => format!("this field is not known here; did you mean `{known}`?"),
                None => "this field is not known here".to_owned(),
            };
            self.faults.push(Fault::new(pointer, detail));
        }
        match made {
            Some(made) if self.faults.is_empty() => Ok(made),
            _ if self.faults.is_empty() => {
                Err(Refusal::bad_request("the body is not as described"))
            }
            _ => Err(Refusal::faults(self.faults)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Fields;
    use crate::error::Refusal;

    fn fields(text: &str) -> Fields {
        Fields::of(relynt_json::parse(text.as_bytes()).unwrap()).unwrap()
    }

    fn told(refusal: &Refusal) -> Vec<String> {
        refusal
            .faults
            .iter()
            .map(|fault| format!("{}: {}", fault.pointer, fault.detail))
            .collect()
    }

    #[test]
    fn every_fault_is_told_with_its_place_and_no_value() {
        let mut fields = fields(
            r#"{"name":7,"tags":["a",1],"overlap_second":3,"expires_at":"soon","more/x":1,"yes":2}"#,
        );
        let name = fields.required_text("name", |text| Ok::<_, String>(text.to_owned()));
        fields.texts("tags");
        fields.number("overlap_seconds", 0, 9);
        fields.time("expires_at");
        fields.boolean("yes");
        fields.required_value("role");
        let refusal = fields.end(name).unwrap_err();
        assert_eq!(
            told(&refusal),
            [
                "/name: `name` must be a string",
                "/tags: `tags` must be a list of strings",
                "/expires_at: `expires_at` is not an RFC 3339 time such as `2026-01-31T09:30:00.000Z`",
                "/yes: `yes` must be true or false",
                "/role: `role` is missing",
                "/more~1x: this field is not known here",
                "/overlap_second: this field is not known here; did you mean `overlap_seconds`?",
            ]
        );
    }

    #[test]
    fn null_is_absent_and_bounds_hold() {
        let mut all = fields(r#"{"a":null,"b":10,"c":1.5,"d":"\u0007"}"#);
        assert_eq!(all.number("a", 0, 9), None);
        assert_eq!(all.number("b", 0, 9), None);
        assert_eq!(all.number("c", 0, 9), None);
        assert_eq!(all.remark("d", 9), None);
        assert_eq!(all.end(Some(())).unwrap_err().faults.len(), 3);
        assert!(fields("{}").end(Some(())).is_ok());
        assert!(Fields::of(relynt_json::parse(b"[]").unwrap()).is_err());
    }
}
