//! Where a connector is.

use std::net::{IpAddr, SocketAddr};

use relynt_domain::OrganizationId;
use relynt_egress::{AddressRules, Host, Origin, PlainHttp, Scheme};
use url::Url;

const MAX_LEN: usize = 2048;

/// A checked base address: an origin and perhaps a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BaseUrl {
    pub(crate) origin: Origin,
    /// The path without its last slash; empty for the root.
    pub(crate) prefix: String,
    /// The path as configured, `/` if there is none: where envelopes go.
    pub(crate) path: String,
}

impl BaseUrl {
    /// Reads a base address.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        // The URL parser forgives much that hides where a request goes: blanks, line ends,
        // backslashes, missing slashes. None of it is accepted here.
        if text.len() > MAX_LEN {
            return Err(format!("is longer than {MAX_LEN} characters"));
        }
        if text
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '\\')
        {
            return Err("has a blank, a control character or a backslash".to_owned());
        }
        let lower = text.to_ascii_lowercase();
        let rest = lower
            .strip_prefix("https://")
            .or_else(|| lower.strip_prefix("http://"));
        if rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/')) {
            return Err("must begin with `https://` and a host".to_owned());
        }
        let url = Url::parse(text).map_err(|error| format!("is no URL: {error}"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err("has a user name or password: put secrets into `headers`".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(
                "has a query or fragment: use `routes`, and `headers` for secrets".to_owned(),
            );
        }
        let origin = Origin::of(&url, PlainHttp::Allowed).map_err(|fault| fault.to_string())?;
        let path = url.path().to_owned();
        let prefix = path.strip_suffix('/').unwrap_or(&path).to_owned();
        Ok(Self {
            origin,
            prefix,
            path,
        })
    }

    /// Whether the operator lets a connector be there. `plain` says whether any host may be called in
    /// clear; an address on loopback that the rules allow may be in any case.
    ///
    /// Of a name this says nothing: its addresses are checked whenever it is called.
    pub(crate) fn check(
        &self,
        plain: PlainHttp,
        rules: &AddressRules,
        organization: OrganizationId,
    ) -> Result<(), String> {
        let address = self.literal();
        if let Some(address) = address {
            rules
                .check(address, Some(organization))
                .map_err(|refused| refused.to_string())?;
        }
        let loopback = address.is_some_and(|address| address.ip().to_canonical().is_loopback());
        if self.origin.scheme() == Scheme::Http && plain == PlainHttp::Refused && !loopback {
            return Err("must begin with `https://`".to_owned());
        }
        Ok(())
    }

    /// The address itself, if the host is one.
    fn literal(&self) -> Option<SocketAddr> {
        let ip = match self.origin.host() {
            Host::Domain(_) => return None,
            Host::Ipv4(ip) => IpAddr::V4(*ip),
            Host::Ipv6(ip) => IpAddr::V6(*ip),
        };
        Some(SocketAddr::new(ip, self.origin.port()))
    }
}
