//! Which addresses are special, whoever asks for them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// Why an address is not an ordinary public one (IANA special-purpose registries, RFC 6890).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// The host itself: `127.0.0.0/8`, `::1`.
    Loopback,
    /// No address at all: `0.0.0.0`, `::`.
    Unspecified,
    /// One link only, where metadata services of clouds live: `169.254.0.0/16`, `fe80::/10`.
    LinkLocal,
    /// Networks of one's own: RFC 1918, `fc00::/7`, `fec0::/10`.
    Private,
    /// Between a carrier and its customers: `100.64.0.0/10`.
    Shared,
    /// Groups instead of hosts.
    Multicast,
    /// Documentation, benchmarks, protocol assignments, retired transition ranges, unassigned space.
    Reserved,
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "loopback",
            Self::Unspecified => "unspecified",
            Self::LinkLocal => "link-local",
            Self::Private => "private",
            Self::Shared => "shared",
            Self::Multicast => "multicast",
            Self::Reserved => "reserved",
        })
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

const SPECIAL_V4: [(Ipv4Net, Range); 16] = [
    (v4(0, 0, 0, 0, 8), Range::Unspecified),
    (v4(10, 0, 0, 0, 8), Range::Private),
    (v4(100, 64, 0, 0, 10), Range::Shared),
    (v4(127, 0, 0, 0, 8), Range::Loopback),
    (v4(169, 254, 0, 0, 16), Range::LinkLocal),
    (v4(172, 16, 0, 0, 12), Range::Private),
    (v4(192, 0, 0, 0, 24), Range::Reserved),
    (v4(192, 0, 2, 0, 24), Range::Reserved),
    (v4(192, 88, 99, 0, 24), Range::Reserved),
    (v4(192, 168, 0, 0, 16), Range::Private),
    (v4(198, 18, 0, 0, 15), Range::Reserved),
    (v4(198, 51, 100, 0, 24), Range::Reserved),
    (v4(203, 0, 113, 0, 24), Range::Reserved),
    (v4(224, 0, 0, 0, 4), Range::Multicast),
    (v4(240, 0, 0, 0, 4), Range::Reserved),
    (v4(255, 255, 255, 255, 32), Range::Reserved),
];

const SPECIAL_V6: [(Ipv6Net, Range); 8] = [
    // Teredo, ORCHID and other protocol assignments.
    (v6(0x2001, 0, 0, 23), Range::Reserved),
    (v6(0x2001, 0xdb8, 0, 32), Range::Reserved),
    (v6(0x3fff, 0, 0, 20), Range::Reserved),
    (v6(0x5f00, 0, 0, 16), Range::Reserved),
    (v6(0xfc00, 0, 0, 7), Range::Private),
    (v6(0xfe80, 0, 0, 10), Range::LinkLocal),
    (v6(0xfec0, 0, 0, 10), Range::Private),
    (v6(0xff00, 0, 0, 8), Range::Multicast),
];

const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 0, 3);
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 96);
const SIX_TO_FOUR: Ipv6Net = v6(0x2002, 0, 0, 16);

/// The address that a connection to `ip` really goes to: `::ffff:a.b.c.d` is `a.b.c.d`.
pub(crate) fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// The special range that `ip` lies in, IPv4 inside IPv6 unwrapped; `None` for a public address.
pub(crate) fn special(ip: IpAddr) -> Option<Range> {
    match canonical(ip) {
        IpAddr::V4(ip) => special_v4(ip),
        IpAddr::V6(ip) => special_v6(ip),
    }
}

fn special_v4(ip: Ipv4Addr) -> Option<Range> {
    SPECIAL_V4
        .iter()
        .find(|(net, _)| net.contains(&ip))
        .map(|(_, range)| *range)
}

fn special_v6(ip: Ipv6Addr) -> Option<Range> {
    if ip.is_loopback() {
        return Some(Range::Loopback);
    }
    if ip.is_unspecified() {
        return Some(Range::Unspecified);
    }
    let [_, second, third, _, flag, marker, high, low] = ip.segments();
    let last = inner(high, low);
    // The well-known prefix of RFC 6052 carries public IPv4 addresses only; its local sibling
    // `64:ff9b:1::/48` is a network of somebody's own and falls through to "not global".
    if NAT64.contains(&ip) {
        return special_v4(last);
    }
    if SIX_TO_FOUR.contains(&ip) {
        return special_v4(inner(second, third));
    }
    if let Some((_, range)) = SPECIAL_V6.iter().find(|(net, _)| net.contains(&ip)) {
        return Some(*range);
    }
    if !GLOBAL_V6.contains(&ip) {
        return Some(Range::Reserved);
    }
    // ISATAP (RFC 5214, 6.1): the interface id names the IPv4 end of a tunnel.
    if matches!(flag, 0 | 0x0200) && marker == 0x5efe {
        return special_v4(last);
    }
    None
}

fn inner(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low))
}
