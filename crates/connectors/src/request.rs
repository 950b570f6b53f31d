//! The one request that carries an action out.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use relynt_domain::ToolCall;
use relynt_gateway::ports::PermitRequest;
use relynt_json::write_canonical_str;

use crate::base_url::BaseUrl;
use crate::body::{self, Body};
use crate::route::Route;
use crate::template::Sources;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const RECEIPT_ID: HeaderName = HeaderName::from_static("x-relynt-receipt-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A request that can be sent more than once: only its `traceparent` differs.
#[derive(Debug)]
pub(crate) struct Prepared {
    method: Method,
    target: Uri,
    headers: HeaderMap,
    body: Bytes,
    /// The key that the target tells repetitions by.
    pub(crate) key: String,
}

/// What a connector adds to every request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape<'a> {
    pub(crate) base: &'a BaseUrl,
    pub(crate) route: Option<&'a Route>,
    pub(crate) headers: &'a [(HeaderName, HeaderValue)],
}

impl Prepared {
    /// Builds the request of a permitted call.
    ///
    /// # Errors
    /// The call does not fit the route; it was checked before, so that nothing is sent.
    pub(crate) fn new(shape: Shape<'_>, permit: &PermitRequest) -> Result<Self, String> {
        let call = &permit.call;
        let (method, target, body) = match shape.route {
            None => (
                Method::POST,
                shape.base.path.clone(),
                Some(envelope(permit)),
            ),
            Some(route) => {
                let parts = route.parts(call.resource.as_str())?;
                let sources = Sources {
                    parts: &parts,
                    payload: call.payload.as_ref(),
                };
                let body = match &route.body {
                    Body::None => None,
                    Body::Envelope => Some(envelope(permit)),
                    Body::Payload if call.payload.is_none() => Some("{}".to_owned()),
                    Body::Payload => Some(call.payload_canonical.clone()),
                    Body::Mapped(fields) => Some(body::mapped(fields, sources)?),
                };
                (
                    route.method.clone(),
                    route.target(shape.base, sources)?,
                    body,
                )
            }
        };
        let key = idempotency_key(call);
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("relynt/", env!("CARGO_PKG_VERSION"))),
        );
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, value) in shape.headers {
            headers.insert(name.clone(), value.clone());
        }
        headers.insert(IDEMPOTENCY_KEY, text(&key)?);
        headers.insert(RECEIPT_ID, text(&permit.receipt.to_string())?);
        let target = target
            .parse()
            .map_err(|_| "the address cannot be sent".to_owned())?;
        Ok(Self {
            method,
            target,
            headers,
            body: body.unwrap_or_default().into(),
            key,
        })
    }

    /// The request of one attempt.
    pub(crate) fn attempt(&self, trace: &Trace<'_>, attempt: u32) -> Request<Bytes> {
        let mut request = Request::new(self.body.clone());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = self.headers.clone();
        if let Ok(value) = text(&trace.traceparent(attempt)) {
            request.headers_mut().insert(TRACEPARENT, value);
        }
        request
    }
}

/// The trace that a call belongs to.
#[derive(Debug)]
pub(crate) struct Trace<'a> {
    pub(crate) given: Option<&'a str>,
    pub(crate) receipt: &'a [u8; 16],
    pub(crate) execution: &'a [u8; 16],
}

impl Trace<'_> {
    /// The `traceparent` of one attempt (W3C Trace Context, level 1): the caller's trace if it named
    /// one, else one of the receipt's own; a span of its own for each attempt.
    fn traceparent(&self, attempt: u32) -> String {
        let mut seed = self.execution.to_vec();
        seed.extend_from_slice(&attempt.to_be_bytes());
        let span = digest::digest(&digest::SHA256, &seed);
        let span = hex(span.as_ref().get(..8).unwrap_or_default());
        let own = || hex(self.receipt);
        let given = self
            .given
            .and_then(|given| Some((given.get(3..35)?, given.get(53..55)?)));
        let (trace, flags) =
            given.map_or_else(|| (own(), "00"), |(trace, flags)| (trace.to_owned(), flags));
        format!("00-{trace}-{span}-{flags}")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text).map_err(|_| "a header cannot be sent".to_owned())
}

/// base64url SHA-256 of organization, agent and key, each ended by a zero byte: it tells the target
/// nothing about them, and no agent can make another's.
fn idempotency_key(call: &ToolCall) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [
        call.organization.to_string(),
        call.agent.to_string(),
        call.key.as_str().to_owned(),
    ] {
        context.update(part.as_bytes());
        context.update(&[0]);
    }
    URL_SAFE_NO_PAD.encode(context.finish())
}

/// The envelope as canonical JSON, with the payload's own bytes.
fn envelope(permit: &PermitRequest) -> String {
    let call = &permit.call;
    let mut out = Vec::with_capacity(512 + call.payload_canonical.len());
    let mut member = |name: &str, value: Option<&str>| {
        out.push(if out.is_empty() { b'{' } else { b',' });
        write_canonical_str(name, &mut out);
        out.push(b':');
        match value {
            Some(value) => write_canonical_str(value, &mut out),
            None if name == "payload" => out.extend_from_slice(call.payload_canonical.as_bytes()),
            None => out.extend_from_slice(b"null"),
        }
    };
    member("action", Some(call.action.as_str()));
    member("agent_id", Some(&call.agent.to_string()));
    member(
        "approval_id",
        permit.approval.map(|id| id.to_string()).as_deref(),
    );
    member("instance_id", Some(call.instance_id.as_str()));
    member("payload", None);
    member("receipt_id", Some(&permit.receipt.to_string()));
    member("resource", Some(call.resource.as_str()));
    out.push(b'}');
    // Made of strings only.
    String::from_utf8(out).unwrap_or_default()
}
