//! From an address on paper to an origin.

use relynt_egress::{Host, Origin, OriginFault, PlainHttp, Scheme};
use url::Url;

fn read(url: &str) -> Result<Origin, OriginFault> {
    Origin::of(&Url::parse(url).unwrap(), PlainHttp::Allowed)
}

#[test]
fn an_origin_is_scheme_host_and_port() {
    let origin = read("https://CRM.example.com/api").unwrap();
    assert_eq!(origin.scheme(), Scheme::Https);
    assert_eq!(origin.host(), &Host::Domain("crm.example.com".to_owned()));
    assert_eq!(origin.port(), 443);
    assert_eq!(origin.authority(), "crm.example.com");
    assert_eq!(origin.to_string(), "https://crm.example.com");
    assert_eq!(origin, read("https://crm.example.com:443/other").unwrap());
    assert_ne!(origin, read("https://crm.example.com:8443/").unwrap());
    assert_ne!(origin, read("http://crm.example.com/").unwrap());
    assert_eq!(read("http://[::1]:8080").unwrap().authority(), "[::1]:8080");
}

#[test]
fn hosts_that_are_numbers_are_addresses() {
    let loopback = Host::Ipv4([127, 0, 0, 1].into());
    for url in [
        "http://0x7f.1",
        "http://0177.0.0.1",
        "http://2130706433",
        "http://127.1",
        "http://127.0.0.1.",
    ] {
        assert_eq!(read(url).unwrap().host(), &loopback, "{url}");
    }
}

#[test]
fn clear_text_needs_leave() {
    let url = Url::parse("http://crm.example.com").unwrap();
    assert_eq!(
        Origin::of(&url, PlainHttp::Refused),
        Err(OriginFault::Scheme)
    );
    assert!(Origin::of(&url, PlainHttp::Allowed).is_ok());
    assert_eq!(read("ftp://crm.example.com"), Err(OriginFault::Scheme));
    assert_eq!(read("file:///etc/passwd"), Err(OriginFault::Scheme));
    assert_eq!(read("unix:/run/x.sock"), Err(OriginFault::Scheme));
}

#[test]
fn what_no_certificate_can_name_is_refused() {
    assert_eq!(read("https://a_b~c.example"), Err(OriginFault::Name));
    assert_eq!(read("https://crm.example.com:0"), Err(OriginFault::Port));
}
