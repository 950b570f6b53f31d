//! A connector as a person writes it.

use std::collections::BTreeMap;

use relynt_domain::{ConnectorDefinition, Fault, HeaderValues, Label, OrganizationId};
use relynt_egress::{AddressRules, PlainHttp};
use relynt_json::{Object, Value};
use relynt_policy::Pattern;

use crate::base_url::BaseUrl;
use crate::headers;
use crate::reading::{Faults, below, given, integer, text};
use crate::route::Route;

/// What stands in place of a header's value; sent back, it keeps the value.
pub const MASK: &str = "********";

const KNOWN: [&str; 8] = [
    "name",
    "position",
    "action",
    "resource_pattern",
    "base_url",
    "headers",
    "timeout_ms",
    "routes",
];
const MAX_ROUTES: usize = 200;
const MAX_POSITION: u32 = 1_000_000;
const DEFAULT_TIMEOUT_MS: u32 = 10_000;
const LONG_TIMEOUT_MS: u32 = 25_000;

/// What definitions are checked against.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ground<'a> {
    pub(crate) organization: OrganizationId,
    pub(crate) rules: &'a AddressRules,
    pub(crate) plain: PlainHttp,
}

impl Ground<'_> {
    pub(crate) fn check(self, base: &BaseUrl) -> Result<(), String> {
        base.check(self.plain, self.rules, self.organization)
    }
}

/// Reads a definition: whole, or what changes of `current`.
pub(crate) fn check(
    body: &Value,
    current: Option<&ConnectorDefinition>,
    ground: Ground<'_>,
) -> Result<ConnectorDefinition, Vec<Fault>> {
    let Some(object) = body.as_object() else {
        return Err(vec![Fault::new("", "the body must be a JSON object")]);
    };
    let mut faults = Faults::default();
    faults.unknown("", object, &KNOWN, &[]);
    let mut reader = Reader { object, faults };
    let name = reader.text("name", current.map(|c| &c.name), |text| {
        Label::new(text, 128)
            .map(|_| ())
            .map_err(|why| why.to_string())
    });
    let action = reader.text("action", current.map(|c| &c.action), pattern);
    let resource_pattern = reader.text(
        "resource_pattern",
        current.map(|c| &c.resource_pattern),
        pattern,
    );
    let base_url = reader.text("base_url", current.map(|c| &c.base_url), |text| {
        BaseUrl::parse(text).and_then(|base| ground.check(&base))
    });
    let position = reader.integer(
        "position",
        current.map_or(0, |c| c.position),
        0,
        MAX_POSITION,
    );
    let timeout_ms = reader.integer(
        "timeout_ms",
        current.map_or(DEFAULT_TIMEOUT_MS, |c| c.timeout_ms),
        100,
        60_000,
    );
    if timeout_ms.is_some_and(|timeout| timeout > LONG_TIMEOUT_MS) {
        tracing::warn!(
            organization = %ground.organization,
            timeout_ms,
            "a connector may take longer than the 25 s in which agents get their answer: the SDK itself waits 30 s"
        );
    }
    let mut faults = reader.faults;
    // A secret belongs to the origin that it was entered for.
    let kept = current
        .filter(|current| {
            let origin = |url: &str| BaseUrl::parse(url).ok().map(|base| base.origin);
            base_url
                .as_deref()
                .and_then(origin)
                .is_some_and(|new| Some(new) == origin(&current.base_url))
        })
        .map(|current| &current.headers);
    let headers = match given(object, "headers") {
        Some(value) => headers::parse(value, kept, &mut faults),
        None => Some(kept.cloned().unwrap_or_default()),
    };
    let none = Value::Object(Object::new());
    let routes = given(object, "routes")
        .or(current.map(|current| &current.routes))
        .unwrap_or(&none);
    read_routes(routes, action.as_deref(), &mut faults);
    let definition = || {
        Some(ConnectorDefinition {
            name: name?,
            position: position?,
            action: action?,
            resource_pattern: resource_pattern?,
            base_url: base_url?,
            headers: headers.unwrap_or_else(HeaderValues::default),
            timeout_ms: timeout_ms?,
            routes: routes.clone(),
        })
    };
    let definition = definition();
    faults.into_result(definition)
}

/// The routes by action. With `pattern` given, each has to be of an action that the connector
/// performs: a mistyped one would silently be sent as an envelope.
pub(crate) fn read_routes(
    routes: &Value,
    pattern: Option<&str>,
    faults: &mut Faults,
) -> BTreeMap<String, Route> {
    let mut read = BTreeMap::new();
    let Some(object) = routes
        .as_object()
        .filter(|object| object.len() <= MAX_ROUTES)
    else {
        faults.push(
            "/routes",
            format!("must be an object of at most {MAX_ROUTES} routes, by action"),
        );
        return read;
    };
    let pattern = pattern.and_then(|pattern| Pattern::parse(pattern).ok());
    for (action, value) in object {
        let at = below("/routes", action);
        if action.contains('*') {
            faults.push(
                &at,
                "a route is for one action: patterns are not taken here",
            );
        } else if Label::new(action, 256).is_err() {
            faults.push(&at, "is no action");
        } else if pattern
            .as_ref()
            .is_some_and(|pattern| !pattern.matches(action))
        {
            faults.push(&at, "the connector's `action` does not match this one");
        }
        if let Some(route) = Route::parse(value, &at, faults) {
            read.insert(action.to_owned(), route);
        }
    }
    read
}

fn pattern(text: &str) -> Result<(), String> {
    Pattern::parse(text)
        .map(|_| ())
        .map_err(|why| why.to_string())
}

struct Reader<'v> {
    object: &'v Object,
    faults: Faults,
}

impl Reader<'_> {
    fn text(
        &mut self,
        key: &str,
        current: Option<&String>,
        check: impl FnOnce(&str) -> Result<(), String>,
    ) -> Option<String> {
        let pointer = below("", key);
        match (self.object.get(key), current) {
            (Some(value), _) => {
                let checked = text(value).and_then(|text| check(text).map(|()| text.to_owned()));
                self.faults
                    .take(&pointer, checked.map_err(|why| format!("`{key}`: {why}")))
            }
            (None, Some(current)) => Some(current.clone()),
            (None, None) => {
                self.faults.push(pointer, format!("`{key}` is missing"));
                None
            }
        }
    }

    fn integer(&mut self, key: &str, default: u32, from: u32, to: u32) -> Option<u32> {
        match given(self.object, key) {
            None => Some(default),
            Some(value) => {
                let number = integer(value, from, to).map_err(|why| format!("`{key}` {why}"));
                self.faults.take(&below("", key), number)
            }
        }
    }
}
