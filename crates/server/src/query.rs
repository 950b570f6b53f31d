//! Query strings, strictly: what is not known or said twice is refused by name

use std::{collections::BTreeMap, str::FromStr};

use crate::error::Refusal;

/// The parameters of a request.
#[derive(Debug, Default)]
pub(crate) struct Query(BTreeMap<String, String>);

impl Query {
    /// Reads a query string that may have these parameters, each at most once.
    ///
    /// # Errors
    /// 400 naming the parameter; its value is not repeated.
    pub(crate) fn read(query: Option<&str>, known: &[&str]) -> Result<Self, Refusal> {
        let mut read = BTreeMap::new();
        let query = query.unwrap_or_default();
        if !is_utf8(query) {
            return Err(Refusal::bad_request("the query string is not UTF-8"));
        }
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if !known.contains(&&*name) {
                return Err(Refusal::bad_request(match known {
                    [] => format!(
                        "the query parameter `{}` is not known: there are none here",
                        shown(&name)
                    ),
                    _ => format!("the query parameter `{}` is not known", shown(&name)),
                }));
            }
            if read.insert(name.to_string(), value.into_owned()).is_some() {
                return Err(Refusal::bad_request(format!(
                    "the query parameter `{}` is given twice",
                    shown(&name)
                )));
            }
        }
        Ok(Self(read))
    }

    /// A parameter as its text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A parameter, read.
    ///
    /// # Errors
    /// 400 naming the parameter and what it should be.
    pub(crate) fn get<T: FromStr>(
        &self,
        name: &str,
        should_be: &str,
    ) -> Result<Option<T>, Refusal> {
        self.read_with(name, should_be, |text| text.parse().ok())
    }

    /// A parameter, read by `read`.
    ///
    /// # Errors
    /// 400 naming the parameter and what it should be.
    pub(crate) fn read_with<T>(
        &self,
        name: &str,
        should_be: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Refusal> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        match read(text) {
            Some(value) => Ok(Some(value)),
            None => Err(Refusal::bad_request(format!(
                "the query parameter `{name}` must be {should_be}"
            ))),
        }
    }

    /// A whole number within bounds, written plainly.
    ///
    /// # Errors
    /// 400 naming the parameter and its bounds.
    pub(crate) fn number(&self, name: &str, least: u32, most: u32) -> Result<Option<u32>, Refusal> {
        self.read_with(name, &format!("a number from {least} to {most}"), |text| {
            let number: u32 = text.parse().ok()?;
            (text.bytes().all(|byte| byte.is_ascii_digit()) && (least..=most).contains(&number))
                .then_some(number)
        })
    }
}

/// A name from outside, cut and made harmless for a message.
pub(crate) fn shown(name: &str) -> String {
    name.chars()
        .take(64)
        .map(|c| {
            if c.is_ascii_graphic() && c != '`' || c.is_alphanumeric() {
                c
            } else {
                '?'
            }
        })
        .collect()
}

/// Whether what the percent codes stand for is UTF-8: the parser would put a replacement character
/// in the place of what is not.
fn is_utf8(query: &str) -> bool {
    let mut bytes = Vec::with_capacity(query.len());
    let mut rest = query;
    while let Some(at) = rest.find('%') {
        let (before, code) = rest.split_at(at);
        bytes.extend_from_slice(before.as_bytes());
        let byte = code
            .get(1..3)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(b'%'));
        let taken = if byte.is_some() { 3 } else { 1 };
        rest = code.get(taken..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    std::str::from_utf8(&bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::Query;

    fn refused(query: &str) -> String {
        Query::read(Some(query), &["limit", "cursor"])
            .and_then(|query| query.number("limit", 1, 200))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, detail) in [
            ("limits=1", "the query parameter `limits` is not known"),
            (
                "limit=1&limit=1",
                "the query parameter `limit` is given twice",
            ),
            (
                "%6cimit=1&limit=1",
                "the query parameter `limit` is given twice",
            ),
            ("limit=%ff", "the query string is not UTF-8"),
            (
                "limit=0",
                "the query parameter `limit` must be a number from 1 to 200",
            ),
            (
                "limit=201",
                "the query parameter `limit` must be a number from 1 to 200",
            ),
            (
                "limit=+7",
                "the query parameter `limit` must be a number from 1 to 200",
            ),
            (
                "limit=",
                "the query parameter `limit` must be a number from 1 to 200",
            ),
            ("%00%60=1", "the query parameter `??` is not known"),
        ] {
            assert_eq!(refused(query), detail, "{query}");
        }
    }

    #[test]
    fn what_is_right_is_read() {
        let query = Query::read(Some("cursor=a%2Bb&limit=200"), &["limit", "cursor"]).unwrap();
        assert_eq!(query.number("limit", 1, 200).unwrap(), Some(200));
        assert_eq!(query.text("cursor"), Some("a+b"));
        assert!(Query::read(None, &[]).is_ok());
    }
}
