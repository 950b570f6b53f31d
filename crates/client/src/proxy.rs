//! Which way to the gateway: directly, or through an HTTP proxy named by the environment.

use std::fmt;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use url::Url;
use zeroize::Zeroizing;

use crate::environment::Environment;
use crate::options::OptionsError;
use crate::target::Target;

/// An HTTP proxy.
pub(crate) struct Proxy {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The value of `Proxy-Authorization` (RFC 7617), if the address carried credentials.
    pub(crate) authorization: Option<Zeroizing<String>>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}:{})", self.host, self.port)
    }
}

impl Proxy {
    /// The proxy for `target`, if one applies. What stays on this machine never goes through one.
    pub(crate) fn find(
        target: &Target,
        environment: &Environment,
    ) -> Result<Option<Self>, OptionsError> {
        let Some((name, value)) = variable(target, environment) else {
            return Ok(None);
        };
        let exceptions = environment
            .get("no_proxy")
            .or_else(|| environment.get("NO_PROXY"))
            .unwrap_or_default();
        if target.is_loopback() || is_exempt(target, exceptions) {
            return Ok(None);
        }
        Self::parse(value)
            .map(Some)
            .ok_or(OptionsError::Proxy { name })
    }

    fn parse(value: &str) -> Option<Self> {
        let url = match value.split_once("://") {
            Some(_) => Url::parse(value).ok()?,
            None => Url::parse(&format!("http://{value}")).ok()?,
        };
        if url.scheme() != "http" {
            return None;
        }
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
        let named = !url.username().is_empty() || url.password().is_some();
        let authorization = named.then(|| {
            let mut pair = Zeroizing::new(decoded(url.username()));
            pair.push(b':');
            pair.extend(decoded(url.password().unwrap_or_default()));
            Zeroizing::new(format!("Basic {}", STANDARD.encode(&*pair)))
        });
        Some(Self {
            host,
            port: url.port().unwrap_or(80),
            authorization,
        })
    }
}

/// Lowercase first, as other tools do. A CGI server turns a request's `Proxy:` header into
/// `HTTP_PROXY`, so where `REQUEST_METHOD` shows one the uppercase name is not believed.
fn variable<'e>(target: &Target, environment: &'e Environment) -> Option<(&'static str, &'e str)> {
    let names: [&'static str; 4] = if target.tls {
        ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    } else if environment.get("REQUEST_METHOD").is_some() {
        ["http_proxy", "http_proxy", "all_proxy", "ALL_PROXY"]
    } else {
        ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
    };
    names
        .into_iter()
        .find_map(|name| Some((name, environment.get(name)?)))
}

fn is_exempt(target: &Target, exceptions: &str) -> bool {
    exceptions
        .split([',', ' '])
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .any(|entry| matches(target, &entry.to_ascii_lowercase()))
}

/// `*`, a name with all names below it, an address, a CIDR block; each but `*` and a block
/// optionally with a port.
fn matches(target: &Target, entry: &str) -> bool {
    if entry == "*" {
        return true;
    }
    let ip = target.host.parse::<IpAddr>().ok();
    if let (Some(ip), Ok(block)) = (ip, entry.parse::<IpNet>()) {
        return block.contains(&ip);
    }
    let (host, port) = split_port(entry);
    if port.is_some_and(|port| port != target.port) {
        return false;
    }
    if let Some(ip) = ip {
        return host.parse() == Ok(ip);
    }
    let name = host.trim_start_matches("*.").trim_start_matches('.');
    let above = target.host.strip_suffix(name);
    !name.is_empty() && above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

fn split_port(entry: &str) -> (&str, Option<u16>) {
    if let Some(inner) = entry.strip_prefix('[') {
        let (host, rest) = inner.split_once(']').unwrap_or((inner, ""));
        return (host, rest.strip_prefix(':').and_then(|p| p.parse().ok()));
    }
    match entry.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, port.parse().ok()),
        _ => (entry, None),
    }
}

#[cfg(test)]
mod tests {
    use super::Proxy;
    use crate::environment::Environment;
    use crate::target::Target;

    fn check(url: &str, variables: &[(&str, &str)]) -> Option<String> {
        let environment: Environment = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let target = Target::parse(url).unwrap();
        Proxy::find(&target, &environment)
            .unwrap()
            .map(|proxy| format!("{}:{}", proxy.host, proxy.port))
    }

    const HTTPS: (&str, &str) = ("HTTPS_PROXY", "http://proxy.example:3128");

    #[test]
    fn scheme_picks_the_variable() {
        let url = "https://relynt.example";
        assert_eq!(check(url, &[HTTPS]).unwrap(), "proxy.example:3128");
        assert_eq!(check("http://relynt.example", &[HTTPS]), None);
        assert_eq!(check(url, &[("ALL_PROXY", "p:1")]).unwrap(), "p:1");
        assert_eq!(
            check(url, &[HTTPS, ("https_proxy", "lower:2")]).unwrap(),
            "lower:2"
        );
        assert_eq!(
            check(url, &[("https_proxy", ""), HTTPS]).unwrap(),
            "proxy.example:3128"
        );
    }

    #[test]
    fn a_request_header_is_never_taken_for_a_proxy() {
        let hostile = ("HTTP_PROXY", "http://evil.example");
        let url = "http://relynt.example";
        assert!(check(url, &[hostile]).is_some());
        assert_eq!(check(url, &[hostile, ("REQUEST_METHOD", "GET")]), None);
    }

    #[test]
    fn exceptions_are_honoured() {
        let url = "https://api.relynt.example:8443";
        for (list, direct) in [
            ("*", true),
            ("relynt.example", true),
            (".relynt.example", true),
            ("*.relynt.example", true),
            ("API.Relynt.Example", true),
            ("api.relynt.example:8443", true),
            ("api.relynt.example:443", false),
            ("lynt.example", false),
            ("other, relynt.example", true),
            ("10.0.0.0/8", false),
            ("", false),
        ] {
            let found = check(url, &[HTTPS, ("NO_PROXY", list)]);
            assert_eq!(found.is_none(), direct, "{list:?}");
        }
        let ip = "https://10.1.2.3";
        assert_eq!(check(ip, &[HTTPS, ("no_proxy", "10.0.0.0/8")]), None);
        assert_eq!(check(ip, &[HTTPS, ("no_proxy", "10.1.2.3")]), None);
        assert!(check(ip, &[HTTPS, ("no_proxy", "10.1.2.4,3")]).is_some());
        let six = "https://[2001:db8::1]:8443";
        assert_eq!(
            check(six, &[HTTPS, ("no_proxy", "[2001:db8::1]:8443")]),
            None
        );
    }

    #[test]
    fn loopback_never_leaves_the_machine() {
        for url in ["https://localhost", "https://127.0.0.1:1", "https://[::1]"] {
            assert_eq!(check(url, &[HTTPS]), None);
        }
    }

    #[test]
    fn credentials_are_decoded_and_not_shown() {
        let proxy = Proxy::parse("http://user:p%40ss@proxy.example").unwrap();
        assert_eq!(
            proxy.authorization.as_deref().unwrap().as_str(),
            "Basic dXNlcjpwQHNz"
        );
        assert_eq!(format!("{proxy:?}"), "Proxy(proxy.example:80)");
    }

    #[test]
    fn other_kinds_of_proxy_are_refused_not_bypassed() {
        for text in ["socks5://p:1", "https://p:1", "http://", "::"] {
            assert!(Proxy::parse(text).is_none(), "{text}");
        }
    }
}
