//! Routes: how they are written, and that no value leads anywhere else.

use relynt_json::Value;

use crate::{check, compile, json};

fn faults(route: &str) -> Vec<(String, String)> {
    match check(&format!(r#"{{"routes":{{"act":{route}}}}}"#)) {
        Ok(_) => Vec::new(),
        Err(faults) => faults
            .into_iter()
            .map(|fault| (fault.pointer, fault.detail))
            .collect(),
    }
}

#[test]
fn a_whole_route_is_accepted() {
    let route = r#"{
        "resource":"crm:deal:{id}", "method":"PATCH", "path":"/deals/{id}/amount",
        "query":{"source":"relynt","stage":"{payload.stage}"},
        "body":{"amount":"{payload.amount}","note":"deal {id}"},
        "idempotent":true, "not_executed":[503, 429]
    }"#;
    assert_eq!(faults(route), []);
    for body in [r#""envelope""#, r#""payload""#, "null", "{}"] {
        assert_eq!(
            faults(&format!(
                r#"{{"resource":"{{x}}","method":"POST","path":"/","body":{body}}}"#
            )),
            []
        );
    }
}

#[test]
fn every_fault_of_a_route_is_named_with_its_place() {
    let base = r#""resource":"crm:{id}","method":"POST","path":"/x/{id}""#;
    for (route, pointer, says) in [
        ("7".to_owned(), "/routes/act", "must be an object"),
        ("{}".to_owned(), "/routes/act/resource", "is missing"),
        ("{}".to_owned(), "/routes/act/method", "is missing"),
        ("{}".to_owned(), "/routes/act/path", "is missing"),
        (
            format!(r#"{{{base},"preview":{{}}}}"#),
            "/routes/act/preview",
            "not supported yet",
        ),
        (
            format!(r#"{{{base},"precondition":{{}}}}"#),
            "/routes/act/precondition",
            "not supported yet",
        ),
        (
            format!(r#"{{{base},"reconcile":{{}}}}"#),
            "/routes/act/reconcile",
            "not supported yet",
        ),
        (
            format!(r#"{{{base},"idempotant":true}}"#),
            "/routes/act/idempotant",
            "did you mean `idempotent`?",
        ),
        (
            format!(r#"{{{base},"idempotent":1}}"#),
            "/routes/act/idempotent",
            "true or false",
        ),
        (
            format!(r#"{{{base},"not_executed":[200]}}"#),
            "/routes/act/not_executed/0",
            "300 to 599",
        ),
        (
            format!(r#"{{{base},"not_executed":503}}"#),
            "/routes/act/not_executed",
            "a list",
        ),
        (
            format!(r#"{{{base},"body":"all"}}"#),
            "/routes/act/body",
            "`envelope`, `payload`",
        ),
        (
            format!(r#"{{{base},"body":{{"a":7}}}}"#),
            "/routes/act/body/a",
            "must be a string",
        ),
        (
            format!(r#"{{{base},"body":{{"a":"{{other}}"}}}}"#),
            "/routes/act/body/a",
            "neither in `resource` nor",
        ),
        (
            format!(r#"{{{base},"query":[]}}"#),
            "/routes/act/query",
            "must be an object",
        ),
        (
            format!(r#"{{{base},"query":{{"a":"{{payload}}"}}}}"#),
            "/routes/act/query/a",
            "cannot stand in a query",
        ),
        (
            base.replace("POST", "GET")
                .pipe(|b| format!(r#"{{{b},"body":"payload"}}"#)),
            "/routes/act/body",
            "GET has no body",
        ),
        (
            base.replace("POST", "post").pipe(|b| format!("{{{b}}}")),
            "/routes/act/method",
            "must be `GET`",
        ),
        (
            base.replace("POST", "CONNECT").pipe(|b| format!("{{{b}}}")),
            "/routes/act/method",
            "must be `GET`",
        ),
        (
            base.replace("/x/{id}", "x/{id}")
                .pipe(|b| format!("{{{b}}}")),
            "/routes/act/path",
            "begin with `/`",
        ),
        (
            base.replace("/x/{id}", "/x/../{id}")
                .pipe(|b| format!("{{{b}}}")),
            "/routes/act/path",
            "`..`",
        ),
        (
            base.replace("/x/{id}", "/x//{id}")
                .pipe(|b| format!("{{{b}}}")),
            "/routes/act/path",
            "empty segment",
        ),
        (
            base.replace("/x/{id}", "//evil.example/{id}")
                .pipe(|b| format!("{{{b}}}")),
            "/routes/act/path",
            "empty segment",
        ),
        (
            base.replace("/x/{id}", "/x?id={id}")
                .pipe(|b| format!("{{{b}}}")),
            "/routes/act/path",
            "cannot stand in a path",
        ),
        (
            base.replace("/x/{id}", "/x#{id}")
                .pipe(|b| format!("{{{b}}}")),
            "/routes/act/path",
            "cannot stand in a path",
        ),
        (
            base.replace("/x/{id}", "/x%2f{id}")
                .pipe(|b| format!("{{{b}}}")),
            "/routes/act/path",
            "cannot stand in a path",
        ),
        (
            base.replace("/x/{id}", "/x\\\\{id}")
                .pipe(|b| format!("{{{b}}}")),
            "/routes/act/path",
            "cannot stand in a path",
        ),
        (
            base.replace("/x/{id}", "/x/{other}")
                .pipe(|b| format!("{{{b}}}")),
            "/routes/act/path",
            "`{other}`",
        ),
        (
            base.replace("/x/{id}", "/x/{id")
                .pipe(|b| format!("{{{b}}}")),
            "/routes/act/path",
            "without its `}`",
        ),
        (
            base.replace("/x/{id}", "/x/{payload}")
                .pipe(|b| format!("{{{b}}}")),
            "/routes/act/path",
            "cannot stand in a path",
        ),
        (
            base.replace("crm:{id}", "crm::{id}")
                .pipe(|b| format!("{{{b}}}")),
            "/routes/act/resource",
            "empty part",
        ),
    ] {
        let found = faults(&route);
        assert!(
            found
                .iter()
                .any(|(at, detail)| at == pointer && detail.contains(says)),
            "{route}: {found:?}"
        );
    }
}

trait Pipe: Sized {
    fn pipe<T>(self, with: impl FnOnce(Self) -> T) -> T {
        with(self)
    }
}

impl Pipe for String {}

#[test]
fn a_route_that_no_call_would_use_is_refused() {
    let route = r#"{"resource":"{x}","method":"POST","path":"/"}"#;
    let with = |action: &str, name: &str| {
        check(&format!(
            r#"{{"action":"{action}","routes":{{"{name}":{route}}}}}"#
        ))
    };
    assert!(with("update_*", "update_deal").is_ok());
    for (action, name) in [("update_deal", "update_dael"), ("*", "update_*"), ("*", "")] {
        assert!(with(action, name).is_err(), "{action} {name}");
    }
}

/// Whether a call fits; else why not.
fn fits(route: &str, resource: &str, payload: Option<&Value>) -> Result<(), String> {
    let connector = compile(&format!(r#"{{"routes":{{"act":{route}}}}}"#));
    connector
        .check_route("act", resource, payload)
        .map_err(|fault| fault.to_string())
}

#[test]
fn an_action_without_route_fits_always() {
    let connector = compile("{}");
    assert_eq!(
        connector.check_route("act", "anything:at:all/../", None),
        Ok(())
    );
}

#[test]
fn no_part_of_a_resource_leads_out_of_its_segment() {
    let route = r#"{"resource":"crm:deal:{id}","method":"PUT","path":"/deals/{id}/stage"}"#;
    for id in [
        "123", "a b", "ä", "日本", "a?b", "a#b", "a&b=c", "...", "~", "*", "a@b", "a;b", "\"'<>",
        "1e5",
    ] {
        let resource = format!("crm:deal:{id}");
        assert_eq!(fits(route, &resource, None), Ok(()), "{id:?}");
    }
    for id in [
        "",
        ".",
        "..",
        "../..",
        "../1",
        "1/..",
        "/",
        "//evil.example",
        "1/2",
        "\\",
        "..\\1",
        "%2e%2e",
        "%2f",
        "..%2f1",
        "%",
        "1%",
        "%00",
        "1:2",
        ":",
        "1:",
        ":1",
        "a\u{0}",
        "a\nb",
        "a\tb",
        "\u{7f}",
        "a\u{85}b",
        "a\u{200b}",
        "\u{202e}1",
        "1\u{feff}",
        "\u{2028}",
        "\u{2029}",
        "a\u{ad}b",
        "\u{2066}x",
        "a\u{e0001}",
    ] {
        let resource = format!("crm:deal:{id}");
        assert!(fits(route, &resource, None).is_err(), "{id:?}");
    }
}

#[test]
fn values_of_the_payload_are_held_to_the_same() {
    let route = r#"{"resource":"crm:{x}","method":"PUT","path":"/deals/{payload.deal.id}"}"#;
    for payload in [
        r#"{"deal":{"id":"7"}}"#,
        r#"{"deal":{"id":7}}"#,
        r#"{"deal":{"id":true}}"#,
        r#"{"deal":{"id":-1.5e-7}}"#,
    ] {
        assert_eq!(
            fits(route, "crm:1", Some(&json(payload))),
            Ok(()),
            "{payload}"
        );
    }
    for payload in [
        "{}",
        r#"{"deal":{}}"#,
        r#"{"deal":{"id":null}}"#,
        r#"{"deal":{"id":{}}}"#,
        r#"{"deal":{"id":["7"]}}"#,
        r#"{"deal":[{"id":"7"}]}"#,
        r#"{"deal.id":"7"}"#,
        r#"{"deal":{"id":""}}"#,
        r#"{"deal":{"id":".."}}"#,
        r#"{"deal":{"id":"../7"}}"#,
        r#"{"deal":{"id":"7%2f8"}}"#,
        r#"{"deal":{"id":"a\u0000"}}"#,
        r#"{"deal":{"id":"\u2028"}}"#,
        r#"{"deal":{"id":"a\\b"}}"#,
    ] {
        assert!(
            fits(route, "crm:1", Some(&json(payload))).is_err(),
            "{payload}"
        );
    }
    assert!(fits(route, "crm:1", None).is_err());
}

#[test]
fn values_that_only_together_lead_away_are_refused() {
    // Each is a plain value; side by side they would be `..`.
    let route = r#"{"resource":"x:{a}:{b}","method":"PUT","path":"/deals/{a}{b}/end"}"#;
    assert_eq!(fits(route, "x:1:2", None), Ok(()));
    assert!(fits(route, "x:.:.", None).is_err());
    let dotted = r#"{"resource":"x:{a}","method":"PUT","path":"/deals/.{a}"}"#;
    assert!(fits(dotted, "x:.", None).is_err());
    assert_eq!(fits(dotted, "x:git", None), Ok(()));
}

#[test]
fn a_query_value_stays_a_value() {
    let route = r#"{"resource":"crm:{id}","method":"GET","path":"/find","query":{"q":"{id}","s":"{payload.s}"}}"#;
    for (resource, payload) in [
        ("crm:a&admin=1", "{}"),
        ("crm:a#b", "{}"),
        ("crm:../..", "{}"),
        ("crm:%26", r#"{"s":"a&b=c#d"}"#),
        ("crm:1", r#"{"s":"\u0000\n"}"#),
        ("crm:1", r#"{"s":null}"#),
    ] {
        assert_eq!(
            fits(route, resource, Some(&json(payload))),
            Ok(()),
            "{resource} {payload}"
        );
    }
    assert!(fits(route, "crm:1", Some(&json(r#"{"s":{}}"#))).is_err());
}

#[test]
fn an_address_has_a_bounded_length() {
    let route = r#"{"resource":"crm:{id}","method":"GET","path":"/find/{payload.s}"}"#;
    let long = format!(r#"{{"s":"{}"}}"#, "a".repeat(9000));
    assert!(fits(route, "crm:1", Some(&json(&long))).is_err());
}

#[test]
fn a_mapped_text_needs_its_values() {
    let route = r#"{"resource":"crm:{id}","method":"POST","path":"/","body":{"a":"{payload.a}","b":"deal {payload.b}"}}"#;
    assert_eq!(fits(route, "crm:1", Some(&json(r#"{"b":"x"}"#))), Ok(()));
    let why = fits(route, "crm:1", Some(&json(r#"{"a":"secret"}"#))).unwrap_err();
    assert_eq!(why, "`payload.b` is missing");
}

proptest::proptest! {
    /// Whatever the parts are, the address is refused or the value is one segment of it.
    #[test]
    fn no_value_changes_the_shape_of_a_path(id in "\\PC{1,12}", tail in "[./\\\\%:a-c]{0,4}") {
        let route = r#"{"resource":"crm:{id}","method":"PUT","path":"/a/{id}/b"}"#;
        let value = format!("{id}{tail}");
        let fits = fits(route, &format!("crm:{value}"), None).is_ok();
        if value.contains(['/', '\\', '%', ':']) || value == "." || value == ".." {
            proptest::prop_assert!(!fits);
        }
    }
}
