//! Where the operator lets targets be.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use ipnet::IpNet;
use relynt_domain::{IdError, OrganizationId};

use crate::address::{self, Range};

/// The rules that every outgoing address has to pass.
///
/// Public addresses pass; special ones (loopback, private, link-local, …) only if the operator's
/// allow-list has them; the gateway's own listeners never.
#[derive(Debug, Clone, Default)]
pub struct AddressRules {
    allowed: Vec<Allowed>,
    own: Vec<SocketAddr>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Allowed {
    organization: Option<OrganizationId>,
    net: IpNet,
    port: Option<u16>,
}

/// Why an address may not be connected to. Says the kind of range, never the address itself: a
/// name's answer inside the operator's network is not for whoever set the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressRefused {
    /// A special range that the server's configuration does not allow.
    #[error("the target's address is in a {0} range, which this server does not allow")]
    Special(Range),
    /// One of the gateway's own listeners, which no configuration allows.
    #[error("the target's address is the gateway's own")]
    OwnListener,
}

/// What is wrong with an entry of the allow-list. Entries are configuration, not secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleFault {
    /// Two commas in a row, or one at an end.
    #[error("an entry is empty: write `CIDR[:port]`, separated by single commas")]
    Empty,
    /// The part before `=` is not a lowercase UUID.
    #[error("`{0}` does not begin with an organization id (a lowercase UUID)")]
    Organization(String),
    /// Not a network in CIDR notation.
    #[error("`{0}` is not `CIDR[:port]`, such as `10.1.0.0/16:443` or `127.0.0.1/32`")]
    Network(String),
    /// Bits are set behind the prefix, so that it is unclear what was meant.
    #[error("`{entry}` has bits behind its prefix: did you mean `{network}`?")]
    HostBits {
        /// The entry as written.
        entry: String,
        /// The network that contains it.
        network: IpNet,
    },
    /// `::ffff:…`: addresses are compared unwrapped, so such an entry would never match.
    #[error("`{0}` is IPv4 inside IPv6: write the IPv4 network")]
    Mapped(String),
    /// Not a number from 1 to 65535.
    #[error("`{0}` has no port from 1 to 65535 behind its colon")]
    Port(String),
}

impl AddressRules {
    /// Reads an allow-list: comma-separated `CIDR[:port]`, or `ORGANIZATION_ID=CIDR[:port]` for one
    /// organization alone. Blanks around an entry do not matter; an empty text allows nothing.
    ///
    /// # Errors
    /// The first entry that is not written like that.
    pub fn parse(text: &str) -> Result<Self, RuleFault> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let allowed = text.split(',').map(|entry| Allowed::parse(entry.trim()));
        Ok(Self {
            allowed: allowed.collect::<Result<_, _>>()?,
            own: Vec::new(),
        })
    }

    /// Refuses these listeners of the gateway itself, whatever is allowed. A wildcard listener
    /// (`0.0.0.0`, `::`) stands for its port on every address of this machine.
    #[must_use]
    pub fn with_own_listeners(mut self, listeners: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.own.extend(listeners);
        self
    }

    /// Whether `organization` may reach `address`.
    ///
    /// # Errors
    /// Why not.
    pub fn check(
        &self,
        address: SocketAddr,
        organization: Option<OrganizationId>,
    ) -> Result<(), AddressRefused> {
        let ip = address::canonical(address.ip());
        if self
            .own
            .iter()
            .any(|own| is_listener(*own, ip, address.port()))
        {
            return Err(AddressRefused::OwnListener);
        }
        // "Any address" is no destination: the system would turn it into loopback.
        if ip.is_unspecified() {
            return Err(AddressRefused::Special(Range::Unspecified));
        }
        match address::special(ip) {
            Some(range) if !self.allows(ip, address.port(), organization) => {
                Err(AddressRefused::Special(range))
            }
            _ => Ok(()),
        }
    }

    fn allows(&self, ip: IpAddr, port: u16, organization: Option<OrganizationId>) -> bool {
        self.allowed.iter().any(|allowed| {
            allowed.net.contains(&ip)
                && allowed.port.is_none_or(|only| only == port)
                && (allowed.organization.is_none() || allowed.organization == organization)
        })
    }
}

impl Allowed {
    fn parse(entry: &str) -> Result<Self, RuleFault> {
        if entry.is_empty() {
            return Err(RuleFault::Empty);
        }
        let (organization, target) = match entry.split_once('=') {
            None => (None, entry),
            Some((id, target)) => match id.parse() {
                Ok(id) => (Some(id), target),
                Err(IdError) => return Err(RuleFault::Organization(entry.to_owned())),
            },
        };
        let not_cidr = || RuleFault::Network(entry.to_owned());
        // IPv6 has colons of its own, but none behind its slash.
        let (address, rest) = target.split_once('/').ok_or_else(not_cidr)?;
        let (prefix, port) = match rest.split_once(':') {
            None => (rest, None),
            Some((prefix, port)) => (prefix, Some(port)),
        };
        if prefix.is_empty() || !prefix.bytes().all(|b| b.is_ascii_digit()) {
            return Err(not_cidr());
        }
        let port = port.map(|port| port_number(port, entry)).transpose()?;
        let address: IpAddr = address.parse().map_err(|_| not_cidr())?;
        let prefix: u8 = prefix.parse().map_err(|_| not_cidr())?;
        let net = IpNet::new(address, prefix).map_err(|_| not_cidr())?;
        if net.trunc() != net {
            return Err(RuleFault::HostBits {
                entry: entry.to_owned(),
                network: net.trunc(),
            });
        }
        if matches!(net, IpNet::V6(v6) if v6.addr().to_ipv4_mapped().is_some()) {
            return Err(RuleFault::Mapped(entry.to_owned()));
        }
        Ok(Self {
            organization,
            net,
            port,
        })
    }
}

fn port_number(port: &str, entry: &str) -> Result<u16, RuleFault> {
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(number) if digits && number != 0 => Ok(number),
        _ => Err(RuleFault::Port(entry.to_owned())),
    }
}

fn is_listener(own: SocketAddr, ip: IpAddr, port: u16) -> bool {
    let listening = address::canonical(own.ip());
    own.port() == port
        && (listening == ip || (listening.is_unspecified() && is_of_this_machine(ip)))
}

/// Whether connections to `ip` stay on this machine. Asked of the routing table by a datagram socket
/// that is connected and sends nothing: for an address of its own the system answers with the same.
fn is_of_this_machine(ip: IpAddr) -> bool {
    if ip.is_loopback() || ip.is_unspecified() {
        return true;
    }
    let any = match ip {
        IpAddr::V4(_) => SocketAddr::from(([0, 0, 0, 0], 0)),
        IpAddr::V6(_) => SocketAddr::from(([0u16; 8], 0)),
    };
    let source = UdpSocket::bind(any).and_then(|socket| {
        socket.connect(SocketAddr::new(ip, 9))?;
        socket.local_addr()
    });
    // No route: then nothing is connected either.
    source.is_ok_and(|source| address::canonical(source.ip()) == ip)
}
