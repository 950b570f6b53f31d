//! What the operator writes, and what it opens.

use std::net::SocketAddr;

use relynt_domain::OrganizationId;
use relynt_egress::{AddressRefused, AddressRules};

use crate::target::rules;

const ONE: &str = "0190b2f4-0000-7000-8000-000000000001";
const TWO: &str = "0190b2f4-0000-7000-8000-000000000002";

fn reaches(rules: &AddressRules, address: &str, organization: Option<&str>) -> bool {
    let organization = organization.map(|id| id.parse::<OrganizationId>().unwrap());
    rules
        .check(address.parse::<SocketAddr>().unwrap(), organization)
        .is_ok()
}

#[test]
fn a_network_opens_itself_and_nothing_else() {
    let rules = rules("10.1.0.0/16");
    assert!(reaches(&rules, "10.1.2.3:80", None));
    assert!(reaches(&rules, "10.1.2.3:443", Some(ONE)));
    assert!(reaches(&rules, "[::ffff:10.1.2.3]:443", None));
    assert!(!reaches(&rules, "10.2.0.1:80", None));
    assert!(!reaches(&rules, "127.0.0.1:80", None));
    // A translated address is another network's door.
    assert!(!reaches(&rules, "[64:ff9b::10.1.2.3]:80", None));
    assert!(!reaches(&rules, "[2002:a01:203::]:80", None));
}

#[test]
fn a_port_opens_that_port_alone() {
    let rules = rules("127.0.0.0/8:8443, fd00::/8:443");
    assert!(reaches(&rules, "127.0.0.1:8443", None));
    assert!(!reaches(&rules, "127.0.0.1:8444", None));
    assert!(reaches(&rules, "[fd12::1]:443", None));
    assert!(!reaches(&rules, "[fd12::1]:80", None));
}

#[test]
fn an_entry_of_one_organization_is_its_own() {
    let rules = rules(&format!("{ONE}=10.0.0.0/8:443"));
    assert!(reaches(&rules, "10.0.0.1:443", Some(ONE)));
    assert!(!reaches(&rules, "10.0.0.1:443", Some(TWO)));
    assert!(!reaches(&rules, "10.0.0.1:443", None));
}

#[test]
fn own_listeners_stay_closed_whatever_is_allowed() {
    let everything = "0.0.0.0/0,::/0";
    let closed = rules(everything).with_own_listeners([
        "127.0.0.1:7000".parse().unwrap(),
        "0.0.0.0:7001".parse().unwrap(),
        "[::]:7002".parse().unwrap(),
        "[::1]:7003".parse().unwrap(),
    ]);
    for own in [
        "127.0.0.1:7000",
        "[::ffff:127.0.0.1]:7000",
        "127.0.0.1:7001",
        "127.9.9.9:7001",
        "[::1]:7001",
        "0.0.0.0:7001",
        "127.0.0.1:7002",
        "[::1]:7002",
        "[::]:7002",
        "[::1]:7003",
    ] {
        let refused = closed.check(own.parse().unwrap(), None);
        assert_eq!(refused, Err(AddressRefused::OwnListener), "{own}");
    }
    for other in [
        "127.0.0.2:7000",
        "127.0.0.1:7004",
        "10.0.0.1:7000",
        "8.8.8.8:7001",
    ] {
        assert!(reaches(&closed, other, None), "{other}");
    }
}

#[test]
fn a_wildcard_listener_covers_this_machines_other_addresses() {
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    // Nothing is sent; the system only chooses the address that it would send from.
    if probe.connect("192.0.2.1:9").is_err() {
        return;
    }
    let own = probe.local_addr().unwrap().ip();
    let rules = rules("0.0.0.0/0").with_own_listeners(["0.0.0.0:7001".parse().unwrap()]);
    let refused = rules.check(SocketAddr::new(own, 7001), None);
    assert_eq!(refused, Err(AddressRefused::OwnListener));
    assert_eq!(rules.check(SocketAddr::new(own, 7002), None), Ok(()));
}

#[test]
fn no_address_at_all_is_never_a_destination() {
    let rules = rules("0.0.0.0/0,::/0");
    assert!(!reaches(&rules, "0.0.0.0:80", None));
    assert!(!reaches(&rules, "[::]:80", None));
    assert!(!reaches(&rules, "[::ffff:0.0.0.0]:80", None));
}

#[test]
fn an_empty_text_allows_nothing() {
    for text in ["", " ", "\t"] {
        assert!(!reaches(&rules(text), "127.0.0.1:80", None));
    }
}

#[test]
fn what_is_not_written_as_documented_is_refused() {
    for (text, says) in [
        (",", "an entry is empty"),
        ("10.0.0.0/8,", "an entry is empty"),
        ("10.0.0.0/8,,fd00::/8", "an entry is empty"),
        ("10.0.0.1", "is not `CIDR[:port]`"),
        ("localhost/8", "is not `CIDR[:port]`"),
        ("10.0.0.0/33", "is not `CIDR[:port]`"),
        ("10.0.0.0/+8", "is not `CIDR[:port]`"),
        ("10.0.0.0/", "is not `CIDR[:port]`"),
        ("10.0.0/24", "is not `CIDR[:port]`"),
        ("010.0.0.0/8", "is not `CIDR[:port]`"),
        ("[fd00::/8]:443", "is not `CIDR[:port]`"),
        ("fe80::%1/64", "is not `CIDR[:port]`"),
        ("10.0.0.0/8 fd00::/8", "is not `CIDR[:port]`"),
        ("10.0.0.1/8", "did you mean `10.0.0.0/8`?"),
        ("fd00::1/8", "did you mean `fd00::/8`?"),
        ("10.0.0.0/8:", "no port"),
        ("10.0.0.0/8:0", "no port"),
        ("10.0.0.0/8:65536", "no port"),
        ("10.0.0.0/8:+80", "no port"),
        ("10.0.0.0/8:80-90", "no port"),
        ("::ffff:10.0.0.0/104", "write the IPv4 network"),
        ("=10.0.0.0/8", "organization id"),
        ("acme=10.0.0.0/8", "organization id"),
        (
            "0190B2F4-0000-7000-8000-000000000001=10.0.0.0/8",
            "organization id",
        ),
        (
            "0190b2f4000070008000000000000001=10.0.0.0/8",
            "organization id",
        ),
    ] {
        let fault = AddressRules::parse(text).expect_err(text);
        assert!(fault.to_string().contains(says), "{text}: {fault}");
    }
}
