//! Request bytes of HTTP/1.1, composed once per client as far as they do not change.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::credential::Credential;
use crate::ids::IdempotencyKey;
use crate::proxy::Proxy;
use crate::target::Target;

/// Dots too: an id must not climb out of its path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// A whole request, sent in one write. It holds the credential: wiped when dropped, never shown.
pub struct Request(Zeroizing<Vec<u8>>);

impl Request {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} bytes)", self.0.len())
    }
}

/// The parts of a request that stay the same for a client.
pub(crate) struct Heads {
    /// `""`, or scheme and authority where a proxy has to be told.
    origin: String,
    prefix: String,
    /// From the end of the request line to the last common header.
    common: Zeroizing<Vec<u8>>,
    /// Everything of the tool call up to the value of its idempotency key.
    tool_call: Zeroizing<Vec<u8>>,
}

impl Heads {
    pub(crate) fn new(
        target: &Target,
        proxy: Option<&Proxy>,
        credential: &Credential,
        user_agent: &str,
    ) -> Self {
        let mut common = Zeroizing::new(Vec::with_capacity(512));
        let mut header = |name: &str, value: &str| {
            for part in [name, ": ", value, "\r\n"] {
                common.extend_from_slice(part.as_bytes());
            }
        };
        header("Host", &target.authority);
        let bearer = Zeroizing::new(format!("Bearer {}", credential.text()));
        header("Authorization", &bearer);
        header("User-Agent", user_agent);
        header("Accept", "application/json");
        let forwarded = proxy.filter(|_| !target.tls);
        if let Some(value) = forwarded.and_then(|proxy| proxy.authorization.as_ref()) {
            header("Proxy-Authorization", value);
        }
        let mut heads = Self {
            origin: match forwarded {
                Some(_) => format!("http://{}", target.authority),
                None => String::new(),
            },
            prefix: target.prefix.clone(),
            common,
            tool_call: Zeroizing::new(Vec::new()),
        };
        heads.tool_call = heads.line("POST", "/v1/agent-tool-call");
        heads
            .tool_call
            .extend_from_slice(b"Content-Type: application/json\r\nIdempotency-Key: ");
        heads
    }

    fn line(&self, method: &str, path: &str) -> Zeroizing<Vec<u8>> {
        let mut head = Zeroizing::new(Vec::with_capacity(self.common.len() + 256));
        for part in [
            method,
            " ",
            &self.origin,
            &self.prefix,
            path,
            " HTTP/1.1\r\n",
        ] {
            head.extend_from_slice(part.as_bytes());
        }
        head.extend_from_slice(&self.common);
        head
    }

    /// `POST /v1/agent-tool-call`.
    pub(crate) fn tool_call(&self, key: &IdempotencyKey, body: &[u8]) -> Request {
        let size = self.tool_call.len() + key.as_str().len() + body.len() + 64;
        let mut request = Zeroizing::new(Vec::with_capacity(size));
        request.extend_from_slice(&self.tool_call);
        request.extend_from_slice(key.as_str().as_bytes());
        request.extend_from_slice(b"\r\n");
        finish(&mut request, body);
        Request(request)
    }

    /// `GET /v1/approvals/{id}`, answered within `wait_ms`.
    pub(crate) fn approval(&self, approval_id: &str, wait_ms: u64) -> Request {
        let id = utf8_percent_encode(approval_id, SEGMENT);
        let path = match wait_ms {
            0 => format!("/v1/approvals/{id}"),
            _ => format!("/v1/approvals/{id}?wait_ms={wait_ms}"),
        };
        let mut request = self.line("GET", &path);
        request.extend_from_slice(b"\r\n");
        Request(request)
    }

    /// Any call of the management API. `path_and_query` begins with `/`; `None` where method or
    /// path could break the request line.
    pub(crate) fn any(
        &self,
        method: &str,
        path_and_query: &str,
        json: Option<&[u8]>,
    ) -> Option<Request> {
        let sane = !method.is_empty()
            && method.bytes().all(|b| b.is_ascii_uppercase())
            && path_and_query.starts_with('/')
            && path_and_query.bytes().all(|b| b.is_ascii_graphic());
        if !sane {
            return None;
        }
        let mut request = self.line(method, path_and_query);
        match json {
            Some(body) => {
                request.extend_from_slice(b"Content-Type: application/json\r\n");
                finish(&mut request, body);
            }
            None if method == "GET" => request.extend_from_slice(b"\r\n"),
            None => finish(&mut request, b""),
        }
        Some(Request(request))
    }
}

/// `CONNECT`, which opens a tunnel through a proxy (RFC 9110 section 9.3.6).
pub(crate) fn connect(target: &Target, proxy: &Proxy) -> Request {
    let address = target.address();
    let mut head = Zeroizing::new(Vec::with_capacity(256));
    head.extend_from_slice(format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n").as_bytes());
    if let Some(value) = &proxy.authorization {
        for part in ["Proxy-Authorization: ", value, "\r\n"] {
            head.extend_from_slice(part.as_bytes());
        }
    }
    head.extend_from_slice(b"\r\n");
    Request(head)
}

fn finish(request: &mut Vec<u8>, body: &[u8]) {
    request.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    request.extend_from_slice(body);
}

#[cfg(test)]
mod tests {
    use super::{Heads, connect};
    use crate::credential::Credential;
    use crate::environment::Environment;
    use crate::ids::IdempotencyKey;
    use crate::proxy::Proxy;
    use crate::target::Target;

    fn heads(url: &str, proxy: Option<&Proxy>) -> Heads {
        let target = Target::parse(url).unwrap();
        let credential = Credential::parse("secret").unwrap();
        Heads::new(&target, proxy, &credential, "test/1")
    }

    fn text(request: &super::Request) -> &str {
        std::str::from_utf8(request.bytes()).unwrap()
    }

    fn proxy(url: &str) -> Proxy {
        let pairs = [("ALL_PROXY", "http://u:p@proxy:3128")];
        let environment: Environment = pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect();
        Proxy::find(&Target::parse(url).unwrap(), &environment)
            .unwrap()
            .unwrap()
    }

    #[test]
    fn tool_call_is_complete() {
        let heads = heads("https://gateway.example/base", None);
        let key = IdempotencyKey::parse("my-key").unwrap();
        assert_eq!(
            text(&heads.tool_call(&key, b"{}")),
            "POST /base/v1/agent-tool-call HTTP/1.1\r\n\
             Host: gateway.example\r\n\
             Authorization: Bearer secret\r\n\
             User-Agent: test/1\r\n\
             Accept: application/json\r\n\
             Content-Type: application/json\r\n\
             Idempotency-Key: my-key\r\n\
             Content-Length: 2\r\n\r\n{}"
        );
    }

    #[test]
    fn approval_id_stays_in_its_segment() {
        let heads = heads("https://gateway.example", None);
        let request = heads.approval("../receipts?a=b\r\n", 25_000);
        assert!(text(&request).starts_with(
            "GET /v1/approvals/%2E%2E%2Freceipts%3Fa%3Db%0D%0A?wait_ms=25000 HTTP/1.1\r\n"
        ));
    }

    #[test]
    fn proxy_gets_the_absolute_form_and_its_own_credentials() {
        let url = "http://gateway.example:8080";
        let request = heads(url, Some(&proxy(url))).approval("a", 0);
        let text = text(&request);
        assert!(text.starts_with("GET http://gateway.example:8080/v1/approvals/a HTTP/1.1\r\n"));
        assert!(text.contains("\r\nProxy-Authorization: Basic dTpw\r\n"));
    }

    #[test]
    fn tunnel_names_the_target_and_keeps_the_agent_secret_out() {
        let url = "https://gateway.example";
        let proxy = proxy(url);
        assert_eq!(
            text(&connect(&Target::parse(url).unwrap(), &proxy)),
            "CONNECT gateway.example:443 HTTP/1.1\r\nHost: gateway.example:443\r\n\
             Proxy-Authorization: Basic dTpw\r\n\r\n"
        );
        let inner = heads(url, Some(&proxy)).approval("a", 0);
        assert!(!text(&inner).contains("Proxy-Authorization"));
    }

    #[test]
    fn request_line_cannot_be_broken() {
        let heads = heads("https://gateway.example", None);
        for (method, path) in [
            ("GET", "v1"),
            ("GET", "/v1 HTTP/1.1\r\nX: y"),
            ("GE T", "/v1"),
            ("", "/v1"),
            ("GET", "/\u{e4}"),
        ] {
            assert!(heads.any(method, path, None).is_none(), "{method} {path}");
        }
    }
}
