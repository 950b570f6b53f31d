//! Which addresses pass without any configuration.

use std::net::{IpAddr, SocketAddr};

use relynt_egress::{AddressRefused, AddressRules};

fn passes(ip: &str) -> bool {
    let address = SocketAddr::new(ip.parse::<IpAddr>().unwrap(), 443);
    AddressRules::default().check(address, None).is_ok()
}

#[test]
fn special_addresses_are_refused() {
    for ip in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.0",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.1.2.3",
        "127.255.255.255",
        "169.254.0.1",
        "169.254.169.254",
        "169.254.170.2",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "192.168.255.255",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::2",
        "::7f00:1",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0.0.0.0",
        "::ffff:7f00:1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::10.0.0.1",
        "64:ff9b:1::8.8.8.8",
        "100::1",
        "2001::1",
        "2001:0:7f00:1::",
        "2001:10::1",
        "2001:20::1",
        "2001:1ff:ffff::1",
        "2001:db8::1",
        "2001:db8:ffff::1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2002:a9fe:a9fe::1",
        "2002:c0a8:101::",
        "2a00:1450:4001:82a:0:5efe:10.0.0.1",
        "2a00:1450:4001:82a:200:5efe:7f00:1",
        "3fff::1",
        "3fff:fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd00::1",
        "fd00:ec2::254",
        "fdff:ffff::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "feff::1",
        "ff02::1",
        "ff0e::1",
    ] {
        assert!(!passes(ip), "{ip}");
    }
}

#[test]
fn public_addresses_pass() {
    for ip in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "93.184.216.34",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.1",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.99.1",
        "203.0.112.1",
        "203.0.114.1",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2002:808:808::1",
        "2606:4700:4700::1111",
        "2a00:1450:4001:82a::200e",
        "3ffe::1",
        "2a00:1450:4001:82a:0:5efe:8.8.8.8",
    ] {
        assert!(passes(ip), "{ip}");
    }
}

#[test]
fn a_refusal_does_not_name_the_address() {
    let address: SocketAddr = "10.11.12.13:443".parse().unwrap();
    let refused: AddressRefused = AddressRules::default().check(address, None).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the target's address is in a private range, which this server does not allow"
    );
}

proptest::proptest! {
    /// However an IPv4 address is wrapped, it is judged like itself.
    #[test]
    fn wrapping_an_address_changes_nothing(bits: u32) {
        let v4 = std::net::Ipv4Addr::from_bits(bits);
        let [a, b, c, d] = v4.octets();
        let plain = passes(&v4.to_string());
        proptest::prop_assert_eq!(passes(&format!("::ffff:{v4}")), plain);
        proptest::prop_assert_eq!(passes(&format!("64:ff9b::{v4}")), plain);
        proptest::prop_assert_eq!(passes(&format!("2002:{a:02x}{b:02x}:{c:02x}{d:02x}::")), plain);
    }
}
