//! What a person may write, and what a change does to secrets.

use relynt_connectors::{MASK, Options};
use relynt_domain::ConnectorDefinition;
use relynt_egress::PlainHttp;
use relynt_gateway::ports::Connectors as _;
use secrecy::ExposeSecret as _;

use crate::{ORGANIZATION, body, check, compile, connectors, connectors_with, json, record};

#[test]
fn what_is_not_said_has_its_default() {
    let definition = check("{}").unwrap();
    assert_eq!(definition.timeout_ms, 10_000);
    assert_eq!(definition.position, 0);
    assert_eq!(definition.routes, json("{}"));
    assert!(definition.headers.0.is_empty());
}

#[test]
fn every_fault_is_named_with_its_place() {
    for (changes, pointer, says) in [
        (r#"{"name":null}"#, "/name", "`name` is missing"),
        (r#"{"name":""}"#, "/name", "must not be empty"),
        (r#"{"name":7}"#, "/name", "must be a string, not a number"),
        (r#"{"action":""}"#, "/action", "pattern"),
        (r#"{"action":"a\u0000"}"#, "/action", "control"),
        (
            r#"{"resource_pattern":null}"#,
            "/resource_pattern",
            "is missing",
        ),
        (r#"{"position":-1}"#, "/position", "integer from 0"),
        (r#"{"position":1.5}"#, "/position", "integer from 0"),
        (r#"{"position":"1"}"#, "/position", "integer from 0"),
        (r#"{"timeout_ms":99}"#, "/timeout_ms", "from 100 to 60000"),
        (
            r#"{"timeout_ms":60001}"#,
            "/timeout_ms",
            "from 100 to 60000",
        ),
        (r#"{"headers":[]}"#, "/headers", "must be an object"),
        (r#"{"routes":[]}"#, "/routes", "must be an object"),
        (
            r#"{"base-url":"x"}"#,
            "/base-url",
            "did you mean `base_url`?",
        ),
        (r#"{"timeout":1}"#, "/timeout", "not known here"),
        (r#"{"a/b~c":1}"#, "/a~1b~0c", "not known here"),
    ] {
        let faults = check(changes).expect_err(changes);
        assert!(
            faults
                .iter()
                .any(|fault| fault.pointer == pointer && fault.detail.contains(says)),
            "{changes}: {faults:?}"
        );
    }
    assert_eq!(
        connectors()
            .check(ORGANIZATION, &json("[]"), None)
            .unwrap_err()[0]
            .pointer,
        ""
    );
}

#[test]
fn a_base_url_goes_where_it_seems_to_go() {
    for url in [
        "https://crm.example.com",
        "https://crm.example.com/",
        "https://crm.example.com:8443/a/b",
        "https://8.8.8.8/",
        "https://[2001:4860:4860::8888]/",
        "HTTPS://crm.example.com",
        "https://bücher.example",
    ] {
        assert!(
            check(&format!(r#"{{"base_url":"{url}"}}"#)).is_ok(),
            "{url}"
        );
    }
    for (url, says) in [
        ("", "must begin with `https://`"),
        ("crm.example.com", "must begin with `https://`"),
        ("http://crm.example.com", "must begin with `https://`"),
        ("ftp://crm.example.com", "must begin with `https://`"),
        ("file:///etc/passwd", "must begin with `https://`"),
        ("javascript:alert(1)", "must begin with `https://`"),
        ("https:crm.example.com", "must begin with `https://`"),
        ("https:///crm.example.com", "must begin with `https://`"),
        ("https://", "must begin with `https://`"),
        ("https://user@crm.example.com", "user name"),
        ("https://:pass@crm.example.com", "user name"),
        ("https://crm.example.com@10.0.0.1", "user name"),
        ("https://crm.example.com?key=1", "query"),
        ("https://crm.example.com/#x", "query or fragment"),
        ("https://crm.example.com\\\\@evil.example", "backslash"),
        ("https://crm.example.com/a b", "blank"),
        (" https://crm.example.com", "blank"),
        ("https://crm.exa\\nmple.com", "blank"),
        ("https://crm.exa\\tmple.com", "blank"),
        ("https://crm.example.com:0", "port 0"),
        ("https://crm.example.com:99999", "is no URL"),
        ("https://exa<mple.com", "is no URL"),
        ("https://127.0.0.1", "loopback"),
        ("https://0x7f.1", "loopback"),
        ("https://[::ffff:127.0.0.1]", "loopback"),
        ("https://10.0.0.1", "private"),
        ("https://169.254.169.254", "link-local"),
        ("https://[fd00:ec2::254]", "private"),
        ("https://0.0.0.0", "unspecified"),
    ] {
        let faults = check(&format!(r#"{{"base_url":"{url}"}}"#)).expect_err(url);
        assert_eq!(faults[0].pointer, "/base_url", "{url}");
        assert!(
            faults[0].detail.contains(says),
            "{url}: {}",
            faults[0].detail
        );
    }
}

#[test]
fn clear_text_is_for_development_and_for_loopback_that_is_allowed() {
    let accepts = |allow: &str, plain_http: PlainHttp, url: &str| {
        let connectors = connectors_with(
            allow,
            Options {
                plain_http,
                ..Options::default()
            },
        );
        connectors
            .check(
                ORGANIZATION,
                &body(&format!(r#"{{"base_url":"{url}"}}"#)),
                None,
            )
            .is_ok()
    };
    assert!(accepts("", PlainHttp::Allowed, "http://crm.example.com"));
    assert!(!accepts("", PlainHttp::Refused, "http://crm.example.com"));
    assert!(!accepts("", PlainHttp::Allowed, "http://127.0.0.1:9000"));
    assert!(accepts(
        "127.0.0.1/32:9000",
        PlainHttp::Refused,
        "http://127.0.0.1:9000"
    ));
    assert!(!accepts(
        "127.0.0.1/32:9000",
        PlainHttp::Refused,
        "http://127.0.0.1:9001"
    ));
    assert!(!accepts(
        "10.0.0.0/8",
        PlainHttp::Refused,
        "http://10.0.0.1"
    ));
    assert!(
        !accepts("127.0.0.0/8", PlainHttp::Allowed, "http://127.0.0.1:7000"),
        "its own listener"
    );
}

#[test]
fn headers_that_belong_to_the_connection_or_the_gateway_are_refused() {
    for name in [
        "Host",
        "host",
        "Content-Length",
        "Transfer-Encoding",
        "Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Upgrade",
        "Proxy-Authorization",
        "Proxy-Connection",
        "Expect",
        "Idempotency-Key",
        "X-Relynt-Receipt-Id",
        "x-relynt-anything",
        "traceparent",
        "TraceState",
        "",
        "a b",
        "a:b",
        "a\\nb",
        "é",
        "a\\u0000",
    ] {
        let faults = check(&format!(r#"{{"headers":{{"{name}":"value"}}}}"#)).expect_err(name);
        assert!(
            faults[0].pointer.starts_with("/headers/"),
            "{name}: {faults:?}"
        );
    }
    for value in [
        r#""""#,
        r#""a\r\nX-Evil: 1""#,
        r#""a\nb""#,
        r#""a\u0000b""#,
        r#"" a""#,
        r#""a ""#,
        r#""é""#,
        "7",
        "null",
    ] {
        let faults = check(&format!(r#"{{"headers":{{"X-Key":{value}}}}}"#)).expect_err(value);
        assert_eq!(faults[0].pointer, "/headers/X-Key", "{value}");
    }
    assert!(check(r#"{"headers":{"X-Key":"a","x-key":"b"}}"#).is_err());
    for name in [
        "Authorization",
        "X-Api-Key",
        "Accept",
        "Content-Type",
        "User-Agent",
        "Cookie",
    ] {
        assert!(
            check(&format!(r#"{{"headers":{{"{name}":"value"}}}}"#)).is_ok(),
            "{name}"
        );
    }
}

fn with_secret() -> ConnectorDefinition {
    check(r#"{"headers":{"Authorization":"Bearer s3cret-s3cret","X-Key":"another-secret"}}"#)
        .unwrap()
}

fn header(definition: &ConnectorDefinition, name: &str) -> Option<String> {
    definition
        .headers
        .0
        .get(name)
        .map(|value| value.expose_secret().to_owned())
}

fn patch(changes: &str) -> Result<ConnectorDefinition, Vec<relynt_domain::Fault>> {
    connectors().check(ORGANIZATION, &json(changes), Some(&with_secret()))
}

#[test]
fn a_change_leaves_what_it_does_not_name() {
    let changed = patch(r#"{"name":"New","timeout_ms":500}"#).unwrap();
    assert_eq!((changed.name.as_str(), changed.timeout_ms), ("New", 500));
    assert_eq!(changed.headers, with_secret().headers);
    assert_eq!(changed.base_url, with_secret().base_url);
    assert_eq!(patch("{}").unwrap(), with_secret());
}

#[test]
fn the_mask_keeps_a_value_and_what_is_not_named_goes() {
    let changed = patch(&format!(
        r#"{{"headers":{{"AUTHORIZATION":"{MASK}","X-New":"new"}}}}"#
    ))
    .unwrap();
    assert_eq!(
        header(&changed, "authorization").unwrap(),
        "Bearer s3cret-s3cret"
    );
    assert_eq!(header(&changed, "x-new").unwrap(), "new");
    assert_eq!(header(&changed, "x-key"), None);
    let faults = patch(&format!(r#"{{"headers":{{"X-New":"{MASK}"}}}}"#)).unwrap_err();
    assert_eq!(faults[0].pointer, "/headers/X-New");
    assert!(check(&format!(r#"{{"headers":{{"X-New":"{MASK}"}}}}"#)).is_err());
}

#[test]
fn another_origin_drops_every_secret() {
    for url in [
        "https://evil.example",
        "https://crm.example.com:8443/api",
        "https://crm.example.com.evil.example/",
    ] {
        let changed = patch(&format!(r#"{{"base_url":"{url}"}}"#)).unwrap();
        assert!(changed.headers.0.is_empty(), "{url}");
        let kept = format!(r#"{{"base_url":"{url}","headers":{{"Authorization":"{MASK}"}}}}"#);
        assert_eq!(
            patch(&kept).unwrap_err()[0].pointer,
            "/headers/Authorization",
            "{url}"
        );
        let fresh = format!(r#"{{"base_url":"{url}","headers":{{"Authorization":"fresh"}}}}"#);
        assert_eq!(
            header(&patch(&fresh).unwrap(), "authorization").unwrap(),
            "fresh"
        );
    }
    for url in [
        "https://crm.example.com/other",
        "https://CRM.example.com:443",
    ] {
        let changed = patch(&format!(r#"{{"base_url":"{url}"}}"#)).unwrap();
        assert_eq!(changed.headers, with_secret().headers, "{url}");
    }
}

#[test]
fn nothing_shows_a_secret() {
    let definition = with_secret();
    let shown = format!("{definition:?} {:?}", record(definition.clone()));
    assert!(!shown.contains("s3cret"), "{shown}");
    let faults = check(r#"{"headers":{"Authorization":"s3cret-s3cret\u0001"}}"#).unwrap_err();
    assert!(!format!("{faults:?}").contains("s3cret"));
}

#[test]
fn what_was_stored_and_is_wrong_now_is_not_callable() {
    let connectors = connectors();
    let mut definition = check("{}").unwrap();
    "nonsense".clone_into(&mut definition.base_url);
    assert!(
        connectors
            .compile(ORGANIZATION, &record(definition))
            .is_err()
    );
    let mut definition = check("{}").unwrap();
    definition.routes = json(r#"{"a":{"resource":"x"}}"#);
    assert!(
        connectors
            .compile(ORGANIZATION, &record(definition))
            .is_err()
    );
}

#[test]
fn both_patterns_have_to_match() {
    let connector = compile(r#"{"action":"update_*","resource_pattern":"crm:deal:*"}"#);
    assert!(connector.matches("update_deal", "crm:deal:1"));
    assert!(!connector.matches("delete_deal", "crm:deal:1"));
    assert!(!connector.matches("update_deal", "crm:contact:1"));
}

#[test]
fn a_binding_follows_address_and_routes_but_no_secret() {
    let route = r#""routes":{"a":{"resource":"crm:{id}","method":"PUT","path":"/x/{id}"}}"#;
    let plain = compile(&format!("{{{route}}}")).binding();
    let same = [
        format!(r#"{{{route},"headers":{{"X-Key":"secret"}}}}"#),
        format!(r#"{{{route},"name":"other","timeout_ms":500,"position":9}}"#),
    ];
    for changes in same {
        assert_eq!(compile(&changes).binding(), plain, "{changes}");
    }
    let other = [
        "{}".to_owned(),
        format!(r#"{{{route},"base_url":"https://crm.example.com/other"}}"#),
        format!(r#"{{{route},"base_url":"https://crm2.example.com/api"}}"#),
        format!("{{{}}}", route.replace("PUT", "POST")),
    ];
    for changes in other {
        assert_ne!(compile(&changes).binding(), plain, "{changes}");
    }
}

#[test]
fn all_attempts_together_stay_below_25_seconds_unless_one_may_take_longer() {
    for (timeout_ms, millis) in [
        (100, 3025),
        (1000, 6625),
        (10_000, 25_000),
        (25_000, 25_000),
        (30_000, 30_000),
        (60_000, 60_000),
    ] {
        let connector = compile(&format!(r#"{{"timeout_ms":{timeout_ms}}}"#));
        assert_eq!(connector.budget("a").as_millis(), millis, "{timeout_ms}");
    }
}
