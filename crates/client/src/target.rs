//! Where the gateway is: the parsed base URL.

use std::net::IpAddr;

use url::{Host, Url};

use crate::options::OptionsError;

/// Scheme, host, port and path prefix of the gateway.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) tls: bool,
    /// Without brackets: what is resolved and what the certificate must name.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Host and port as they stand in `Host` and in absolute request targets.
    pub(crate) authority: String,
    /// The path before `/v1`, without a trailing slash; usually empty.
    pub(crate) prefix: String,
}

impl Target {
    pub(crate) fn parse(base_url: &str) -> Result<Self, OptionsError> {
        let odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
        if base_url.contains(odd) {
            return Err(OptionsError::BaseUrl);
        }
        let url = Url::parse(base_url).map_err(|_| OptionsError::BaseUrl)?;
        let tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(OptionsError::BaseUrl),
        };
        let extras = !url.username().is_empty() || url.password().is_some();
        if extras || url.query().is_some() || url.fragment().is_some() {
            return Err(OptionsError::BaseUrlExtras);
        }
        let host = match url.host() {
            Some(Host::Domain(name)) => name.trim_end_matches('.').to_owned(),
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            None => return Err(OptionsError::BaseUrl),
        };
        let shown = url.host_str().unwrap_or_default();
        if host.is_empty() || url.port() == Some(0) {
            return Err(OptionsError::BaseUrl);
        }
        Ok(Self {
            tls,
            host,
            port: url.port().unwrap_or(if tls { 443 } else { 80 }),
            authority: match url.port() {
                Some(port) => format!("{shown}:{port}"),
                None => shown.to_owned(),
            },
            prefix: url.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Host and port, the port always there, as `CONNECT` and messages want them.
    pub(crate) fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Whether the host is this machine, so that nothing leaves it.
    pub(crate) fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V6(ip)) => ip.to_canonical().is_loopback(),
            Ok(ip) => ip.is_loopback(),
            Err(_) => self.host == "localhost" || self.host.ends_with(".localhost"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn address_is_taken_apart() {
        let target = Target::parse("https://Gateway.Example:8443/relynt/").unwrap();
        assert_eq!(target.host, "gateway.example");
        assert_eq!(target.authority, "gateway.example:8443");
        assert_eq!(target.prefix, "/relynt");
        assert!(target.tls && target.port == 8443);
        let target = Target::parse("http://[::1]:80").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("::1", 80));
        assert_eq!(target.authority, "[::1]");
        assert_eq!(target.address(), "[::1]:80");
    }

    #[test]
    fn anything_but_a_plain_address_is_refused() {
        for text in [
            "",
            "gateway.example",
            "ftp://gateway.example",
            "http://",
            "https://user@gateway.example",
            "https://:secret@gateway.example",
            "https://gateway.example/?a=b",
            "https://gateway.example/#f",
            " https://gateway.example",
            "https://gateway.example\r\nX: y",
            "https:\\\\gateway.example",
            "http://gateway.example:0",
            "http://gateway.example:99999",
            "http://.",
        ] {
            assert!(Target::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn loopback_is_known_by_name_and_number() {
        for text in [
            "http://localhost",
            "http://127.8.0.1:1",
            "http://[::1]",
            "http://[::ffff:127.0.0.1]",
            "http://a.localhost",
        ] {
            assert!(Target::parse(text).unwrap().is_loopback(), "{text}");
        }
        for text in [
            "http://10.0.0.1",
            "http://localhost.example",
            "http://notlocalhost",
        ] {
            assert!(!Target::parse(text).unwrap().is_loopback(), "{text}");
        }
    }
}
