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
use crate::hex;
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
        let span = hex::encode(span.as_ref().get(..8).unwrap_or_default());
        let own = || hex::encode(self.receipt);
        let given = self
            .given
            .and_then(|given| Some((given.get(3..35)?, given.get(53..55)?)));
        let (trace, flags) =
            given.map_or_else(|| (own(), "00"), |(trace, flags)| (trace.to_owned(), flags));
        format!("00-{trace}-{span}-{flags}")
    }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use relynt_json::parse;

    use super::*;
    use crate::fixture::{Bench, Target, answer, call, permit};

    /// The request as the target reads it: first line, fields by name, body.
    async fn heard(
        path: &str,
        fields: &str,
        call: ToolCall,
    ) -> (String, BTreeMap<String, String>, String) {
        let target = Target::start(vec![answer(200, "{}")]).await;
        let bench = Bench::new(&format!("{}{path}", target.url()), fields);
        let done = bench.perform(call).await;
        assert_eq!(done.outcome.http_status, Some(200));
        let request = target.heard().remove(0);
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap().to_owned();
        let fields = lines.map(|line| line.split_once(": ").unwrap());
        (
            first,
            fields
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            body.to_owned(),
        )
    }

    #[tokio::test]
    async fn without_a_route_the_envelope_goes_to_the_base_address() {
        let (first, fields, body) = heard(
            "/hook/",
            r#""headers":{"Authorization":"Bearer s3cr3t-s3cr3t"}"#,
            call(Some(r#"{"b":1.50,"a":"ä"}"#)),
        )
        .await;
        assert_eq!(first, "POST /hook/ HTTP/1.1");
        assert_eq!(
            body,
            concat!(
                r#"{"action":"act","agent_id":"02020202-0202-0202-0202-020202020202","approval_id":null,"#,
                r#""instance_id":"run-1","payload":{"a":"ä","b":1.5},"#,
                r#""receipt_id":"05050505-0505-0505-0505-050505050505","resource":"crm:deal:7"}"#
            )
        );
        assert_eq!(parse(body.as_bytes()).unwrap().to_canonical(), body);
        let names: Vec<_> = fields.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "accept",
                "accept-encoding",
                "authorization",
                "content-length",
                "content-type",
                "host",
                "idempotency-key",
                "traceparent",
                "user-agent",
                "x-relynt-receipt-id"
            ]
        );
        assert_eq!(fields["authorization"], "Bearer s3cr3t-s3cr3t");
        assert_eq!(fields["content-type"], "application/json");
        assert_eq!(
            fields["x-relynt-receipt-id"],
            "05050505-0505-0505-0505-050505050505"
        );
        // printf '%s\0%s\0%s\0' 01010101-… 02020202-… key-1 | openssl dgst -sha256 -binary | basenc --base64url
        assert_eq!(
            fields["idempotency-key"],
            "JWwJzg0woSRgpzHF9z3F_F3eSLvGSly8bcc_4F3oJg0"
        );
    }

    #[tokio::test]
    async fn an_absent_payload_is_null_in_the_envelope_and_an_object_alone() {
        let (_, _, body) = heard("", "", call(None)).await;
        assert!(body.contains(r#""payload":null"#), "{body}");
        let route = r#""routes":{"act":{"resource":"crm:deal:{id}","method":"POST","path":"/","body":"payload"}}"#;
        assert_eq!(heard("", route, call(None)).await.2, "{}");
        assert_eq!(
            heard("", route, call(Some(r#"{"b":1,"a":2}"#))).await.2,
            r#"{"a":2,"b":1}"#
        );
    }

    #[tokio::test]
    async fn a_route_says_method_path_query_and_body() {
        let route = r#""routes":{"act":{
            "resource":"crm:{kind}:{id}", "method":"PATCH", "path":"/{kind}s/{id}/{payload.part}",
            "query":{"by":"{payload.who}","gone":"{payload.gone}","in":"{kind} {id}"},
            "body":{"amount":"{payload.amount}","gone":"{payload.gone}","all":"{payload}","note":"{id} by {payload.who}","null":"{payload.null}"}
        }}"#;
        let payload = r#"{"amount":1.50,"part":"a b?ü","who":"me&you=#","null":null}"#;
        let (first, fields, body) = heard("/api/", route, call(Some(payload))).await;
        assert_eq!(
            first,
            "PATCH /api/deals/7/a%20b%3F%C3%BC?by=me%26you%3D%23&in=deal%207 HTTP/1.1"
        );
        assert_eq!(fields["content-type"], "application/json");
        assert_eq!(
            body,
            r#"{"all":{"amount":1.5,"null":null,"part":"a b?ü","who":"me&you=#"},"amount":1.5,"note":"7 by me&you=#","null":null}"#
        );
    }

    #[tokio::test]
    async fn a_get_has_no_body() {
        let route =
            r#""routes":{"act":{"resource":"crm:deal:{id}","method":"GET","path":"/deals/{id}"}}"#;
        let (first, fields, body) = heard("", route, call(Some(r#"{"a":1}"#))).await;
        assert_eq!(
            (first.as_str(), body.as_str()),
            ("GET /deals/7 HTTP/1.1", "")
        );
        assert!(!fields.contains_key("content-type") && !fields.contains_key("content-length"));
        assert!(fields.contains_key("idempotency-key"));
    }

    #[tokio::test]
    async fn default_headers_may_say_what_they_are_free_to() {
        let headers = r#""headers":{"Accept":"text/plain","Content-Type":"application/vnd.crm+json","User-Agent":"me"}"#;
        let (_, fields, _) = heard("", headers, call(None)).await;
        assert_eq!(fields["accept"], "text/plain");
        assert_eq!(fields["content-type"], "application/vnd.crm+json");
        assert_eq!(fields["user-agent"], "me");
    }

    #[test]
    fn a_key_is_that_of_organization_agent_and_key() {
        let base = idempotency_key(&call(None));
        assert_eq!(base.len(), 43);
        let mut other = call(Some(r#"{"a":1}"#));
        other.credential = relynt_domain::CredentialId::from_bytes([9; 16]);
        assert_eq!(idempotency_key(&other), base);
        other.agent = relynt_domain::AgentId::from_bytes([9; 16]);
        assert_ne!(idempotency_key(&other), base);
    }

    #[test]
    fn a_trace_goes_on_with_a_span_of_its_own() {
        let trace = Trace {
            given: None,
            receipt: &[0xab; 16],
            execution: &[1; 16],
        };
        let first = trace.traceparent(1);
        assert_eq!(
            (first.len(), &first[..36]),
            (55, "00-abababababababababababababababab-")
        );
        assert!(first.ends_with("-00"));
        assert_ne!(trace.traceparent(2), first);
        let given = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let goes_on = Trace { given, ..trace }.traceparent(1);
        assert!(
            goes_on.starts_with("00-0af7651916cd43dd8448eb211c80319c-"),
            "{goes_on}"
        );
        assert!(goes_on.ends_with("-01") && !goes_on.contains("b7ad6b7169203331"));
    }

    #[test]
    fn nothing_shows_what_is_sent() {
        let bench = Bench::new(
            "http://crm.example.com",
            r#""headers":{"X-Key":"s3cr3t-s3cr3t"}"#,
        );
        let permit = permit(call(Some(r#"{"a":"payload-value"}"#)), Duration::ZERO);
        let prepared = Prepared::new(bench.connector.sender("act").shape, &permit).unwrap();
        assert!(!format!("{:?}", prepared.headers).contains("s3cr3t"));
    }
}
