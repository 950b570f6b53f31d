//! Requests as bytes, with places for what differs from one sending to the next

use anyhow::{Context, Result};
use memchr::memmem;

use crate::ids::Keys;
use crate::sample::UNIQUE;

const KEY: &str = "kkkkkkkk-kkkk-kkkk-kkkk-kkkkkkkkkkkk";

/// Requests in a row, sent over and over.
#[derive(Debug)]
pub struct Templates {
    all: Vec<Template>,
    /// One key for each, or fresh ones.
    listed: Option<Vec<String>>,
    keys: Keys,
    next: usize,
    unique: u64,
}

#[derive(Debug)]
struct Template {
    bytes: Vec<u8>,
    key_at: Option<usize>,
    unique_at: Option<usize>,
}

/// What every request has in common.
#[derive(Debug)]
pub struct Common<'a> {
    /// Such as `POST`.
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// Further headers, as `name: value`.
    pub headers: &'a [String],
    /// Secrets of agents that take turns; none of them is in the headers then.
    pub credentials: &'a [String],
    /// Whether each has an idempotency key.
    pub keyed: bool,
}

impl Templates {
    /// Requests with these bodies; one without a body if there are none.
    pub fn new(
        common: &Common<'_>,
        bodies: &[String],
        listed: Option<Vec<String>>,
        keys: Keys,
    ) -> Result<Self> {
        let mut all = Vec::with_capacity(bodies.len().max(1));
        // Each body in turn for each of the agents, so that all of them are asked for alike.
        for (number, body) in bodies.iter().enumerate() {
            all.push(Template::new(common, number, Some(body))?);
        }
        if all.is_empty() {
            all.push(Template::new(common, 0, None)?);
        }
        if let Some(listed) = &listed {
            anyhow::ensure!(
                listed.len() >= all.len(),
                "there are fewer keys than bodies"
            );
            anyhow::ensure!(
                listed.iter().all(|key| key.len() == KEY.len()),
                "a key is no UUID"
            );
        }
        let start = Keys::new(crate::ids::Order::Ordered).next_bytes();
        let unique = u64::from_be_bytes(*start.first_chunk().context("16 bytes")?) >> 16;
        // Begins at the present time, so that two runs do not repeat each other's payloads.
        Ok(Self {
            all,
            listed,
            keys,
            next: 0,
            unique: (unique % 100_000_000) * 10_000,
        })
    }

    /// Puts the next request into `out`.
    pub fn write(&mut self, out: &mut Vec<u8>) {
        out.clear();
        // A stride without a common factor: neighbours in time are no neighbours in the list.
        let at = self.next.wrapping_mul(7919) % self.all.len();
        self.next = self.next.wrapping_add(1);
        let Some(template) = self.all.get(at) else {
            return;
        };
        out.extend_from_slice(&template.bytes);
        if let Some(place) = template
            .key_at
            .and_then(|at| out.get_mut(at..at + KEY.len()))
        {
            match self.listed.as_ref().and_then(|keys| keys.get(at)) {
                Some(key) => place.copy_from_slice(key.as_bytes()),
                None => self.keys.write(place),
            }
        }
        if let Some(place) = template
            .unique_at
            .and_then(|at| out.get_mut(at..at + UNIQUE.len()))
        {
            self.unique += 1;
            let mut left = self.unique;
            for digit in place.iter_mut().rev() {
                *digit = b'0' + (left % 10) as u8;
                left /= 10;
            }
        }
    }
}

impl Template {
    fn new(common: &Common<'_>, number: usize, body: Option<&String>) -> Result<Self> {
        let mut bytes = format!(
            "{} {} HTTP/1.1\r\nhost: 127.0.0.1\r\n",
            common.method, common.path
        );
        let own = (common.credentials)
            .get(number % common.credentials.len().max(1))
            .map(|secret| format!("authorization: Bearer {secret}"));
        for header in common.headers.iter().chain(&own) {
            anyhow::ensure!(
                header.contains(": ") && !header.contains(['\r', '\n']),
                "a header is not `name: value`"
            );
            bytes.push_str(header);
            bytes.push_str("\r\n");
        }
        if common.keyed {
            bytes.push_str("idempotency-key: ");
            bytes.push_str(KEY);
            bytes.push_str("\r\n");
        }
        if let Some(body) = body {
            let length = body.len().to_string();
            bytes.push_str("content-type: application/json\r\ncontent-length: ");
            bytes.push_str(&length);
            bytes.push_str("\r\n\r\n");
            bytes.push_str(body);
        } else {
            bytes.push_str("\r\n");
        }
        let bytes = bytes.into_bytes();
        Ok(Self {
            key_at: memmem::find(&bytes, KEY.as_bytes()),
            unique_at: memmem::find(&bytes, UNIQUE.as_bytes()),
            bytes,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Common, Templates};
    use crate::ids::{Keys, Order};

    /// One request without a body.
    pub(crate) fn plain() -> Templates {
        let common = Common {
            method: "GET",
            path: "/",
            headers: &[],
            credentials: &[],
            keyed: false,
        };
        Templates::new(&common, &[], None, Keys::new(Order::Ordered)).unwrap()
    }

    #[test]
    fn agents_take_turns() {
        let common = Common {
            method: "POST",
            path: "/x",
            headers: &[],
            credentials: &["one".to_owned(), "two".to_owned(), "three".to_owned()],
            keyed: false,
        };
        let bodies: Vec<String> = (0..30).map(|number| number.to_string()).collect();
        let mut templates =
            Templates::new(&common, &bodies, None, Keys::new(Order::Ordered)).unwrap();
        let mut request = Vec::new();
        let mut seen = std::collections::BTreeMap::<String, usize>::new();
        for _ in 0..30 {
            templates.write(&mut request);
            let text = String::from_utf8(request.clone()).unwrap();
            let secret = text.split("Bearer ").nth(1).unwrap();
            *seen
                .entry(secret.lines().next().unwrap().to_owned())
                .or_default() += 1;
        }
        assert_eq!(seen.values().copied().collect::<Vec<_>>(), [10, 10, 10]);
    }

    #[test]
    fn no_two_requests_have_the_same_key_or_payload() {
        let common = Common {
            method: "POST",
            path: "/x",
            headers: &["a: b".to_owned()],
            credentials: &[],
            keyed: true,
        };
        let bodies = [r#"{"u":"@@@@@@@@@@@@"}"#.to_owned()];
        let mut templates =
            Templates::new(&common, &bodies, None, Keys::new(Order::Ordered)).unwrap();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        templates.write(&mut first);
        templates.write(&mut second);
        let text = String::from_utf8(first.clone()).unwrap();
        assert!(
            text.starts_with("POST /x HTTP/1.1\r\nhost: 127.0.0.1\r\na: b\r\nidempotency-key: 0")
        );
        assert!(text.contains("content-length: 20\r\n\r\n{\"u\":\""));
        assert!(!text.contains('@') && !text.contains("kkkk"));
        assert_ne!(first, second);
    }
}
