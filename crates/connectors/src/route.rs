//! How one action is sent: resource form, method, path, query, body.

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use relynt_json::{Object, Value};
use unicode_general_category::{GeneralCategory, get_general_category};
use url::Url;

use crate::base_url::BaseUrl;
use crate::body::{self, Body};
use crate::reading::{Faults, below, given, integer, text};
use crate::resource_form::ResourceForm;
use crate::template::{Piece, Sources, Template, field};

/// Everything but the unreserved characters of RFC 3986, section 2.3.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

const MAX_URL: usize = 8192;
const MAX_QUERY: usize = 50;
const KNOWN: [&str; 7] = [
    "resource",
    "method",
    "path",
    "query",
    "body",
    "idempotent",
    "not_executed",
];
const LATER: [&str; 3] = ["preview", "precondition", "reconcile"];

/// A checked route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) form: ResourceForm,
    pub(crate) method: Method,
    path: Template,
    query: Vec<(String, Template)>,
    pub(crate) body: Body,
    pub(crate) idempotent: bool,
    pub(crate) not_executed: Vec<u16>,
}

impl Route {
    /// Reads the route at `at`.
    pub(crate) fn parse(value: &Value, at: &str, faults: &mut Faults) -> Option<Self> {
        let Some(object) = value.as_object() else {
            faults.push(at, "must be an object");
            return None;
        };
        faults.unknown(at, object, &KNOWN, &LATER);
        let form = required(object, "resource", at, faults).and_then(|value| {
            faults.take(
                &below(at, "resource"),
                text(value).and_then(ResourceForm::parse),
            )
        });
        let method = required(object, "method", at, faults)
            .and_then(|value| faults.take(&below(at, "method"), text(value).and_then(method)));
        let path = required(object, "path", at, faults);
        // What follows names parts of the resource: without its form nothing can be said about it.
        let form = form?;
        let path = path.and_then(|value| {
            faults.take(
                &below(at, "path"),
                text(value).and_then(|text| path_template(text, &form)),
            )
        });
        let query = query(object, at, &form, faults);
        let body = body(object, at, &form, method.as_ref(), faults);
        let idempotent = match given(object, "idempotent") {
            None => Some(false),
            Some(Value::Bool(value)) => Some(*value),
            Some(_) => {
                faults.push(below(at, "idempotent"), "must be true or false");
                None
            }
        };
        let not_executed = given(object, "not_executed").map_or(Some(Vec::new()), |value| {
            statuses(value, &below(at, "not_executed"), faults)
        });
        Some(Self {
            form,
            method: method?,
            path: path?,
            query: query?,
            body: body?,
            idempotent: idempotent?,
            not_executed: not_executed?,
        })
    }

    /// The parts of the resource.
    ///
    /// # Errors
    /// It does not have this route's form.
    pub(crate) fn parts<'r>(
        &'r self,
        resource: &'r str,
    ) -> Result<Vec<(&'r str, &'r str)>, String> {
        self.form.read(resource).ok_or_else(|| {
            format!(
                "`resource` must have the form `{}` for this action",
                self.form.as_str()
            )
        })
    }

    /// Whether a call fits this route: what is checked before anything is decided.
    ///
    /// # Errors
    /// Why not, for a 400; names fields, never their values.
    pub(crate) fn check(
        &self,
        base: &BaseUrl,
        resource: &str,
        payload: Option<&Value>,
    ) -> Result<(), String> {
        let parts = self.parts(resource)?;
        let sources = Sources {
            parts: &parts,
            payload,
        };
        self.target(base, sources)?;
        if let Body::Mapped(fields) = &self.body {
            body::mapped(fields, sources)?;
        }
        Ok(())
    }

    /// Path and query of the finished address.
    ///
    /// # Errors
    /// A value is missing or could lead somewhere else.
    pub(crate) fn target(&self, base: &BaseUrl, sources: Sources<'_>) -> Result<String, String> {
        let mut path = base.prefix.clone();
        for piece in &self.path.0 {
            match piece {
                Piece::Literal(text) => path.push_str(text),
                value => {
                    let text = value.text(sources)?;
                    path_value(&text).map_err(|why| format!("{} {why}", value.shown()))?;
                    path.extend(utf8_percent_encode(&text, ENCODED));
                }
            }
        }
        let mut query = String::new();
        for (name, template) in &self.query {
            if template
                .field()
                .is_some_and(|path| field(sources.payload, path).is_none_or(Value::is_null))
            {
                continue;
            }
            query.push(if query.is_empty() { '?' } else { '&' });
            query.extend(utf8_percent_encode(name, ENCODED));
            query.push('=');
            for piece in &template.0 {
                query.extend(utf8_percent_encode(&piece.text(sources)?, ENCODED));
            }
        }
        let target = format!("{path}{query}");
        self.read_again(base, &path, &target)?;
        Ok(target)
    }

    /// What a reader of the finished address understands must be what the template says: the same
    /// origin, the same number of segments, each as it was written.
    fn read_again(&self, base: &BaseUrl, path: &str, target: &str) -> Result<(), String> {
        let elsewhere = || "the values lead to another address than the route's".to_owned();
        if target.len() > MAX_URL {
            return Err("the values make the address too long".to_owned());
        }
        let url = Url::parse(&format!("{}{target}", base.origin)).map_err(|_| elsewhere())?;
        let origin = relynt_egress::Origin::of(&url, relynt_egress::PlainHttp::Allowed);
        let written = match url.query() {
            None => url.path().to_owned(),
            Some(query) => format!("{}?{query}", url.path()),
        };
        let segments = base.prefix.matches('/').count() + self.segments();
        let same = origin.as_ref() == Ok(&base.origin)
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && url.path() == path
            && url.path_segments().map(Iterator::count) == Some(segments)
            && written == target;
        if same { Ok(()) } else { Err(elsewhere()) }
    }

    fn segments(&self) -> usize {
        let slashes = |piece: &Piece| match piece {
            Piece::Literal(text) => text.matches('/').count(),
            _ => 0,
        };
        self.path.0.iter().map(slashes).sum()
    }
}

fn required<'v>(object: &'v Object, key: &str, at: &str, faults: &mut Faults) -> Option<&'v Value> {
    let value = given(object, key);
    if value.is_none() {
        faults.push(below(at, key), format!("`{key}` is missing"));
    }
    value
}

fn method(text: &str) -> Result<Method, String> {
    match text {
        "GET" => Ok(Method::GET),
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        "PATCH" => Ok(Method::PATCH),
        "DELETE" => Ok(Method::DELETE),
        _ => Err("must be `GET`, `POST`, `PUT`, `PATCH` or `DELETE`".to_owned()),
    }
}

fn path_template(source: &str, form: &ResourceForm) -> Result<Template, String> {
    if source.len() > 2048 {
        return Err("is longer than 2048 characters".to_owned());
    }
    if !source.starts_with('/') {
        return Err("must begin with `/`".to_owned());
    }
    let template = Template::parse(source, form)?;
    for piece in &template.0 {
        match piece {
            Piece::Literal(text) => {
                let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&b);
                if !text.bytes().all(plain) {
                    return Err(
                        "has a character that cannot stand in a path: the query goes into `query`"
                            .to_owned(),
                    );
                }
            }
            Piece::Payload(path) if path.is_empty() => {
                return Err("`{payload}` cannot stand in a path".to_owned());
            }
            Piece::Part(_) | Piece::Payload(_) => {}
        }
    }
    let mut segments = source.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        // Only the last one may be empty: a path that ends with a slash.
        if matches!(segment, "." | "..") || (segment.is_empty() && segments.peek().is_some()) {
            return Err("has an empty segment, `.` or `..`".to_owned());
        }
    }
    Ok(template)
}

fn query(
    object: &Object,
    at: &str,
    form: &ResourceForm,
    faults: &mut Faults,
) -> Option<Vec<(String, Template)>> {
    let Some(value) = given(object, "query") else {
        return Some(Vec::new());
    };
    let at = below(at, "query");
    let Some(fields) = value.as_object().filter(|fields| fields.len() <= MAX_QUERY) else {
        faults.push(
            at,
            format!("must be an object of at most {MAX_QUERY} parameters"),
        );
        return None;
    };
    let mut query = Vec::new();
    for (name, value) in fields {
        let template = text(value)
            .and_then(|text| Template::parse(text, form))
            .and_then(|template| match template.field() {
                Some([]) => Err("`{payload}` cannot stand in a query".to_owned()),
                _ => Ok(template),
            });
        query.push((name.to_owned(), faults.take(&below(&at, name), template)?));
    }
    Some(query)
}

fn body(
    object: &Object,
    at: &str,
    form: &ResourceForm,
    method: Option<&Method>,
    faults: &mut Faults,
) -> Option<Body> {
    let at = below(at, "body");
    match (given(object, "body"), method?) {
        (None, &Method::GET | &Method::DELETE) => Some(Body::None),
        (None, _) => Some(Body::Envelope),
        (Some(_), &Method::GET) => {
            faults.push(at, "a GET has no body");
            None
        }
        (Some(value), _) => Body::parse(value, &at, form, faults),
    }
}

fn statuses(value: &Value, at: &str, faults: &mut Faults) -> Option<Vec<u16>> {
    let Some(list) = value.as_array().filter(|list| list.len() <= 50) else {
        faults.push(at, "must be a list of at most 50 statuses");
        return None;
    };
    let mut statuses = Vec::new();
    for (index, value) in list.iter().enumerate() {
        // A 2xx is a success, whatever anybody lists.
        let status = integer(value, 300, 599)
            .and_then(|status| u16::try_from(status).map_err(|e| e.to_string()));
        statuses.push(faults.take(&below(at, &index.to_string()), status)?);
    }
    Some(statuses)
}

/// Why a value may not stand in a path.
fn path_value(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    if matches!(text, "." | "..") {
        return Err("is `.` or `..`");
    }
    for c in text.chars() {
        if matches!(c, '/' | '\\' | '%') {
            return Err("has a `/`, `\\` or `%`");
        }
        match get_general_category(c) {
            GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator => {
                return Err("has a character that does not show");
            }
            _ => {}
        }
    }
    Ok(())
}
