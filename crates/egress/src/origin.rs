//! Scheme, host and port: what a secret and a connection belong to.

use std::fmt;

use rustls::pki_types::ServerName;
use url::Url;

/// A host as the WHATWG URL standard reads it: `0x7f.1` is the IPv4 address that it means.
pub type Host = url::Host<String>;

/// How the bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Whether a target may be reached in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainHttp {
    /// `https` only.
    Refused,
    /// `http` as well: development, targets on the operator's own machine.
    Allowed,
}

/// Scheme, host and port of a target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: Scheme,
    host: Host,
    port: u16,
}

/// Why an address on paper is no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OriginFault {
    /// Neither `https` nor, where allowed, `http`.
    #[error("must begin with `https://`")]
    Scheme,
    /// No host.
    #[error("has no host")]
    Host,
    /// A host that no certificate can name.
    #[error("has a host that is no DNS name or address")]
    Name,
    /// Port 0.
    #[error("has port 0")]
    Port,
}

impl Origin {
    /// The origin of `url`.
    ///
    /// # Errors
    /// If it cannot be connected to.
    pub fn of(url: &Url, plain: PlainHttp) -> Result<Self, OriginFault> {
        let scheme = match (url.scheme(), plain) {
            ("https", _) => Scheme::Https,
            ("http", PlainHttp::Allowed) => Scheme::Http,
            _ => return Err(OriginFault::Scheme),
        };
        let host = url.host().ok_or(OriginFault::Host)?.to_owned();
        let port = url.port().unwrap_or_else(|| scheme.default_port());
        if port == 0 {
            return Err(OriginFault::Port);
        }
        let origin = Self { scheme, host, port };
        origin.server_name().ok_or(OriginFault::Name)?;
        Ok(origin)
    }

    /// The scheme.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host.
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// The port, also where it is the scheme's usual one.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What stands in the `Host` field (RFC 9110, 7.2): the port only if it is not the usual one.
    pub fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// What the certificate has to name.
    pub(crate) fn server_name(&self) -> Option<ServerName<'static>> {
        match &self.host {
            Host::Domain(name) => ServerName::try_from(name.clone()).ok(),
            Host::Ipv4(ip) => Some(ServerName::from(std::net::IpAddr::V4(*ip))),
            Host::Ipv6(ip) => Some(ServerName::from(std::net::IpAddr::V6(*ip))),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority())
    }
}
