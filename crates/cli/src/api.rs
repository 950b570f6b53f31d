//! The management API from a terminal: address, token, calls, and what their refusals mean.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use relynt_client::{Environment, Management, Options, OptionsError};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::failure::{Exit, Failure};
use crate::files;
use crate::output::{Column, Output};
use crate::outside::Outside;
use crate::text::inert;

/// Dots too: an id must not climb out of its path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');
/// Longer than the gateway needs for anything that does not wait for a person.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Where the gateway is, and whom to be.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Gateway")]
pub(crate) struct Gateway {
    /// Address of the gateway; default: the variable `RELYNT_API_BASE_URL`
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// File with the access token; default: the variable `RELYNT_ACCESS_TOKEN`
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
}

impl Gateway {
    /// The address, from the command line or the environment.
    pub(crate) fn base_url<'a>(&'a self, outside: &'a Outside) -> Result<&'a str, Failure> {
        let given = self.url.as_deref();
        given
            .or_else(|| outside.variable("RELYNT_API_BASE_URL"))
            .ok_or_else(|| {
                Failure::usage(
                    "no gateway is named: set RELYNT_API_BASE_URL or give `--url`, such as \
                     `http://127.0.0.1:7465`",
                )
            })
    }

    /// The access token, if there is one.
    pub(crate) fn token(
        &self,
        outside: &Outside,
    ) -> Result<Option<zeroize::Zeroizing<String>>, Failure> {
        match &self.token_file {
            Some(path) => files::read_token(path).map(Some),
            None => Ok(outside
                .variable("RELYNT_ACCESS_TOKEN")
                .map(|token| token.to_owned().into())),
        }
    }

    /// A way to the gateway as the person whose token it is.
    pub(crate) fn api(&self, outside: &Outside) -> Result<Api, Failure> {
        let token = self.token(outside)?.ok_or_else(|| {
            Failure::usage(
                "no access token is given: set RELYNT_ACCESS_TOKEN or give `--token-file`",
            )
        })?;
        Api::new(self.base_url(outside)?, &token)
    }
}

/// A gateway and a token.
pub(crate) struct Api {
    base_url: String,
    management: Management,
}

/// A page of a list.
pub(crate) struct Page {
    /// Its items, as they were served.
    pub(crate) items: Vec<Box<RawValue>>,
    /// Where the next page begins.
    pub(crate) next: Option<String>,
}

impl Api {
    pub(crate) fn new(base_url: &str, token: &str) -> Result<Self, Failure> {
        let options = Options::new(base_url, token)
            .timeout(TIMEOUT)
            .user_agent(concat!("relynt-cli/", env!("CARGO_PKG_VERSION")))
            .environment(Environment::of_process());
        let management = Management::new(&options).map_err(|error| unusable(&error))?;
        Ok(Self {
            base_url: base_url.to_owned(),
            management,
        })
    }

    /// Whether the token crosses a network unencrypted.
    pub(crate) fn is_exposed(&self) -> bool {
        self.management.is_exposed()
    }

    /// Whatever the gateway answers.
    pub(crate) fn reply(&self, path: &str) -> Result<relynt_client::Reply, Failure> {
        self.management
            .request("GET", path, None)
            .map_err(|broken| self.unreachable(&broken.to_string()))
    }

    pub(crate) fn get(&self, path: &str) -> Result<String, Failure> {
        self.call("GET", path, None)
    }

    /// As [`Self::get`], for an answer that may be held for so long.
    pub(crate) fn get_within(&self, path: &str, held: Duration) -> Result<String, Failure> {
        let reply = self
            .management
            .request_within("GET", path, None, TIMEOUT + held)
            .map_err(|broken| self.unreachable(&broken.to_string()))?;
        accept(reply.status, &reply.body)
    }

    pub(crate) fn post(&self, path: &str, body: &impl Serialize) -> Result<String, Failure> {
        self.call("POST", path, Some(&to_json(body)?))
    }

    /// Sends JSON that is text already.
    pub(crate) fn send(&self, method: &str, path: &str, body: &str) -> Result<String, Failure> {
        self.call(method, path, Some(body.as_bytes()))
    }

    pub(crate) fn delete(&self, path: &str) -> Result<String, Failure> {
        self.call("DELETE", path, None)
    }

    /// One page of a list.
    pub(crate) fn page(&self, query: &Query, plural: &str) -> Result<Page, Failure> {
        let text = self.get(&query.text())?;
        let strange = || self.strange();
        let members: BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(&text).map_err(|_| strange())?;
        let read = |name: &str| members.get(name).map(|value| value.get());
        let items = read(plural).ok_or_else(strange)?;
        Ok(Page {
            items: serde_json::from_str(items).map_err(|_| strange())?,
            next: serde_json::from_str(read("next_cursor").unwrap_or("null"))
                .map_err(|_| strange())?,
        })
    }

    /// Pages through a list until its end, or until there are `most` items; then the cursor says
    /// where it goes on.
    pub(crate) fn pages(
        &self,
        mut query: Query,
        plural: &str,
        most: usize,
    ) -> Result<Page, Failure> {
        let mut all = Page {
            items: Vec::new(),
            next: None,
        };
        loop {
            let page = self.page(&query, plural)?;
            all.items.extend(page.items);
            all.next = page.next;
            match &all.next {
                Some(cursor) if all.items.len() < most => query.set("cursor", cursor),
                _ => return Ok(all),
            }
        }
    }

    /// Shows a whole list.
    pub(crate) fn show_list(
        &self,
        query: Query,
        plural: &str,
        columns: &[Column],
        output: &mut Output,
    ) -> Result<Exit, Failure> {
        let all = self.pages(query, plural, usize::MAX)?;
        output.list(plural, &all.items, all.next.as_deref(), columns)?;
        Ok(Exit::Done)
    }

    fn call(&self, method: &str, path: &str, body: Option<&[u8]>) -> Result<String, Failure> {
        let reply = self
            .management
            .request(method, path, body)
            .map_err(|broken| self.unreachable(&broken.to_string()))?;
        accept(reply.status, &reply.body)
    }

    fn unreachable(&self, why: &str) -> Failure {
        Failure::new(
            Exit::Unavailable,
            format!(
                "the gateway at `{}` cannot be reached: {why}; check that it runs there",
                self.base_url
            ),
        )
    }

    /// An answer that is not what the API describes.
    pub(crate) fn strange(&self) -> Failure {
        Failure::new(
            Exit::Unavailable,
            format!(
                "what answers at `{}` is no Relynt gateway, or one of another version; check the \
                 address",
                self.base_url
            ),
        )
    }
}

/// A path with a query.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    path: String,
    parameters: Vec<(&'static str, String)>,
}

impl Query {
    pub(crate) fn new(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            parameters: Vec::new(),
        }
    }

    /// Adds a parameter, if it has a value.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        if let Some(value) = value {
            self.set(name, value.to_string());
        }
        self
    }

    fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.parameters.retain(|(other, _)| *other != name);
        self.parameters.push((name, value.into()));
    }

    pub(crate) fn text(&self) -> String {
        let mut text = self.path.clone();
        for (at, (name, value)) in self.parameters.iter().enumerate() {
            text.push(if at == 0 { '?' } else { '&' });
            text.push_str(name);
            text.push('=');
            text.extend(utf8_percent_encode(value, SEGMENT));
        }
        text
    }
}

/// A path whose last parts come from people: each stays one segment.
pub(crate) fn path(prefix: &str, parts: &[&str]) -> String {
    let mut text = prefix.to_owned();
    for part in parts {
        text.push('/');
        text.extend(utf8_percent_encode(part, SEGMENT));
    }
    text
}

/// The value of a member that is a text.
pub(crate) fn member(text: &str, pointer: &str) -> Option<String> {
    let value: Value = serde_json::from_str(text).ok()?;
    value.pointer(pointer)?.as_str().map(str::to_owned)
}

fn to_json(body: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(body).map_err(|_| Failure::usage("the request could not be written as JSON"))
}

fn unusable(error: &OptionsError) -> Failure {
    let text = match error {
        OptionsError::BaseUrl | OptionsError::BaseUrlExtras => {
            "the gateway's address must be `http://` or `https://`, a host and nothing secret: \
             check RELYNT_API_BASE_URL or `--url`"
                .to_owned()
        }
        OptionsError::Credential => "the access token is not one: check RELYNT_ACCESS_TOKEN or \
                                     `--token-file`"
            .to_owned(),
        other => other.to_string(),
    };
    Failure::usage(text)
}

/// The body of a success; anything else is a failure that says what to do.
fn accept(status: u16, body: &[u8]) -> Result<String, Failure> {
    let text = String::from_utf8_lossy(body).into_owned();
    if (200..300).contains(&status) {
        return Ok(text);
    }
    Err(refusal(status, &text))
}

fn refusal(status: u16, body: &str) -> Failure {
    let problem: Value = serde_json::from_str(body).unwrap_or_default();
    let part = |name: &str| problem.get(name).and_then(Value::as_str);
    let detail = part("detail").or_else(|| part("title"));
    let mut text = match detail {
        Some(detail) => inert(detail),
        None => format!("the gateway answered {status} without saying why"),
    };
    let faults = problem.get("errors").and_then(Value::as_array);
    for fault in faults.into_iter().flatten() {
        let part = |name: &str| inert(fault.get(name).and_then(Value::as_str).unwrap_or_default());
        text = format!("{text}; {}: {}", part("pointer"), part("detail"));
    }
    match status {
        401 => text.push_str("; check RELYNT_ACCESS_TOKEN or `--token-file`"),
        403 => text.push_str("; use a token whose role and scopes allow it"),
        503 => text.push_str("; try again in a moment"),
        _ => {}
    }
    let code = part("code").map_or_else(|| format!("http_{status}"), inert);
    let request = part("request_id").map(|id| format!(", request {}", inert(id)));
    let text = format!("{text} ({code}{})", request.unwrap_or_default());
    let exit = match status {
        429 | 500.. => Exit::Unavailable,
        _ => Exit::No,
    };
    Failure::new(exit, text)
}

#[cfg(test)]
mod tests {
    use super::{Query, accept, path, refusal};
    use crate::failure::Exit;

    #[test]
    fn ids_and_values_stay_in_their_place() {
        assert_eq!(
            path("/v1/agents", &["../x?y", "rotate"]),
            "/v1/agents/%2E%2E%2Fx%3Fy/rotate"
        );
        let query = Query::new("/v1/receipts")
            .with("search", Some("a&b=c"))
            .with("action", None::<&str>)
            .with("limit", Some(5));
        assert_eq!(query.text(), "/v1/receipts?search=a%26b%3Dc&limit=5");
    }

    #[test]
    fn a_refusal_names_fields_code_and_request_on_one_line() {
        let body = r#"{"detail":"the policy is not right","code":"bad_request","request_id":"r1",
            "errors":[{"pointer":"/rules/1/decision","detail":"must be one of `allow`"}]}"#;
        let failure = refusal(400, body);
        assert_eq!(failure.exit, Exit::No);
        assert_eq!(
            failure.text,
            "the policy is not right; /rules/1/decision: must be one of `allow` \
             (bad_request, request r1)"
        );
    }

    #[test]
    fn what_may_work_later_has_its_own_exit_code() {
        for (status, exit) in [
            (400, Exit::No),
            (401, Exit::No),
            (404, Exit::No),
            (409, Exit::No),
            (429, Exit::Unavailable),
            (500, Exit::Unavailable),
            (503, Exit::Unavailable),
        ] {
            assert_eq!(refusal(status, "").exit, exit, "{status}");
        }
        assert_eq!(accept(201, b"{}").unwrap(), "{}");
        assert!(accept(302, b"").is_err());
    }
}
