//! Checks of a running gateway, over its API.

use std::time::{Duration, UNIX_EPOCH};

use relynt_domain::Timestamp;
use relynt_ledger::{KeySet, Trust};
use serde_json::Value;

use super::finding::Finding;
use crate::api::{Api, Gateway, Query};
use crate::failure::{Exit, Failure};
use crate::outside::{Outside, now};

/// The header counts whole seconds, and an answer takes time.
const SKEW_UNSEEN: Duration = Duration::from_secs(2);
/// From here on times in receipts and approvals mislead people.
const SKEW_TOO_MUCH: Duration = Duration::from_secs(30);
/// The SDK gives up after 30 s.
const LONGEST_ATTEMPT_MS: u64 = 25_000;

pub(super) fn check(gateway: &Gateway, outside: &Outside) -> Result<Vec<Finding>, Failure> {
    let base_url = gateway.base_url(outside)?;
    let token = gateway.token(outside)?;
    // The paths that are read without a token do not look at it.
    let api = Api::new(base_url, token.as_deref().map_or("none", String::as_str))?;
    let mut findings = vec![encryption(api.is_exposed())];
    let health = match api.reply("/healthz") {
        Ok(reply) => reply,
        Err(failure) => {
            findings.push(unreachable(&failure));
            return Ok(findings);
        }
    };
    let here = now();
    findings.push(alive(health.status, &health.body));
    findings.push(clock(health.date.as_deref(), here));
    let ready = api.reply("/readyz")?;
    findings.push(readiness(ready.status, &ready.body));
    let served = api.reply("/.well-known/relynt-keys.json")?;
    findings.push(keys(served.status, &served.body, here));
    if token.is_none() {
        findings.push(no_token());
        return Ok(findings);
    }
    let organization = api.reply("/v1/organization")?;
    findings.push(token_counts(organization.status, &organization.body));
    if organization.status == 200 {
        let list = api.pages(Query::new("/v1/connectors"), "connectors", usize::MAX);
        let list = list.map(|page| {
            let items = page.items.iter();
            items
                .map(|item| serde_json::from_str(item.get()).unwrap_or_default())
                .collect()
        });
        findings.push(connectors(list));
    }
    Ok(findings)
}

fn encryption(exposed: bool) -> Finding {
    if exposed {
        return Finding::fail(
            "encryption",
            "the token crosses the network in clear",
            "use an `https://` address",
        );
    }
    Finding::ok("encryption", "the way to the gateway is encrypted or local")
}

fn unreachable(failure: &Failure) -> Finding {
    Finding::fail(
        "gateway",
        failure.text.clone(),
        "start it with `relynt serve` or `relynt dev`",
    )
}

fn alive(status: u16, body: &[u8]) -> Finding {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let version = answer.get("version").and_then(Value::as_str);
    match version {
        Some(version) if status == 200 && version == env!("CARGO_PKG_VERSION") => {
            Finding::ok("gateway", format!("version {version} answers"))
        }
        Some(version) if status == 200 => Finding::warn(
            "gateway",
            format!(
                "it is version {version}, this is {}",
                env!("CARGO_PKG_VERSION")
            ),
            "use the command line of the gateway's version",
        ),
        _ => Finding::fail(
            "gateway",
            format!("`/healthz` answered {status} and is not a gateway's"),
            "check the address",
        ),
    }
}

fn readiness(status: u16, body: &[u8]) -> Finding {
    if status == 200 {
        return Finding::ok("readiness", "store, signer and policies are ready");
    }
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let detail = answer.get("detail").and_then(Value::as_str);
    let failed: Vec<&str> = answer
        .get("checks")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter(|(_, outcome)| *outcome != "ok")
        .map(|(check, _)| check.as_str())
        .collect();
    Finding::fail(
        "readiness",
        format!(
            "`/readyz` answered {status}, not ready: {}",
            failed.join(", ")
        ),
        detail.unwrap_or("look into the gateway's log"),
    )
}

/// Compares the clocks of both machines by the answer's `Date` (RFC 9110 section 6.6.1).
fn clock(date: Option<&str>, here: Timestamp) -> Finding {
    let there = date
        .and_then(|date| httpdate::parse_http_date(date).ok())
        .and_then(|date| date.duration_since(UNIX_EPOCH).ok())
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .map(Timestamp::from_unix_millis);
    let Some(there) = there else {
        return Finding::warn(
            "clock",
            "the gateway did not tell its time",
            "compare the clocks of both machines",
        );
    };
    let skew = here.since(there).max(there.since(here));
    if skew <= SKEW_UNSEEN {
        return Finding::ok("clock", "the clocks agree");
    }
    let detail = format!("the clocks are {} s apart", skew.as_secs());
    let advice = "synchronize both machines, such as by NTP";
    if skew < SKEW_TOO_MUCH {
        Finding::warn("clock", detail, advice)
    } else {
        Finding::fail("clock", detail, advice)
    }
}

fn keys(status: u16, body: &[u8], here: Timestamp) -> Finding {
    let advice = "look into the gateway's log: without a signer it decides nothing";
    if status != 200 {
        return Finding::fail("keys", format!("the public keys answered {status}"), advice);
    }
    let mut set = KeySet::new();
    match set.add_jwks(body, Trust::FromFile) {
        Err(error) => {
            return Finding::fail("keys", format!("the public keys: {error}"), advice);
        }
        Ok(0) => return Finding::fail("keys", "no public key is served", advice),
        Ok(_) => {}
    }
    let ended = |at: &str| Timestamp::parse(at).is_ok_and(|at| at <= here);
    let mut usable = set
        .iter()
        .filter(|(key, _)| !key.not_after.as_deref().is_some_and(ended));
    if usable.next().is_none() {
        return Finding::fail("keys", "every public key has ended", advice);
    }
    Finding::ok("keys", format!("public keys served: {}", set.len()))
}

fn no_token() -> Finding {
    Finding::warn(
        "token",
        "no access token was given: token and connectors were not checked",
        "set RELYNT_ACCESS_TOKEN or give `--token-file`",
    )
}

fn token_counts(status: u16, body: &[u8]) -> Finding {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let name = answer.get("name").and_then(Value::as_str);
    match (status, name) {
        (200, Some(name)) => Finding::ok("token", format!("it is good for `{name}`")),
        (401, _) => Finding::fail(
            "token",
            "it is unknown, expired or revoked",
            "make another one with `relynt tokens create` or on the pages",
        ),
        (403, _) => Finding::fail(
            "token",
            "its role or its scopes do not allow reading",
            "use a token with the scope `read`",
        ),
        _ => Finding::fail(
            "token",
            format!("the organization answered {status}"),
            "look into the gateway's log",
        ),
    }
}

fn connectors(list: Result<Vec<Value>, Failure>) -> Finding {
    let list = match list {
        Ok(list) => list,
        Err(failure) if failure.exit == Exit::Unavailable => {
            return Finding::fail("connectors", failure.text, "look into the gateway's log");
        }
        Err(failure) => {
            return Finding::warn(
                "connectors",
                failure.text,
                "use a token that may read connectors",
            );
        }
    };
    let text = |connector: &Value, field: &str| {
        let value = connector.get(field).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    for connector in &list {
        let (name, target) = (text(connector, "name"), text(connector, "base_url"));
        if !target.starts_with("https://") && !is_local(&target) {
            return Finding::fail(
                "connectors",
                format!("`{name}` sends its secrets in clear to `{target}`"),
                "give it an `https://` address",
            );
        }
    }
    for connector in &list {
        let timeout = connector.get("timeout_ms").and_then(Value::as_u64);
        if timeout.is_some_and(|timeout| timeout > LONGEST_ATTEMPT_MS) {
            return Finding::warn(
                "connectors",
                format!(
                    "`{}` may take longer than an SDK waits by default",
                    text(connector, "name")
                ),
                "set `timeout_ms` to at most 25000, or raise `timeout_s` in the SDK",
            );
        }
    }
    Finding::ok("connectors", format!("looked at: {}", list.len()))
}

/// Loopback only: what stays on the machine needs no encryption.
fn is_local(target: &str) -> bool {
    let Some(rest) = target.strip_prefix("http://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use relynt_domain::Timestamp;
    use serde_json::json;

    use super::super::finding::Health::{self, Fail, Ok as Good, Warn};
    use super::*;

    #[test]
    fn a_token_in_clear_over_a_network_fails() {
        assert_eq!(encryption(true).health, Fail);
        assert_eq!(encryption(false).health, Good);
    }

    #[test]
    fn a_gateway_that_is_not_there_fails() {
        let failure = Failure::new(Exit::Unavailable, "refused");
        assert_eq!(unreachable(&failure).health, Fail);
    }

    #[test]
    fn what_answers_must_be_a_gateway_of_this_version() {
        let health = |status, version: &str| {
            let body = json!({ "status": "ok", "version": version }).to_string();
            alive(status, body.as_bytes()).health
        };
        assert_eq!(health(200, env!("CARGO_PKG_VERSION")), Good);
        assert_eq!(health(200, "99.0.0"), Warn);
        assert_eq!(health(404, env!("CARGO_PKG_VERSION")), Fail);
        assert_eq!(alive(200, b"<html>").health, Fail);
    }

    #[test]
    fn readiness_names_what_is_missing_and_what_to_do() {
        let body = json!({
            "ready": false,
            "detail": "create an organization",
            "checks": { "store": "ok", "signer": "ok", "policies": "failed" },
        });
        let finding = readiness(503, body.to_string().as_bytes());
        assert_eq!(finding.health, Fail);
        assert!(
            finding.detail.ends_with("not ready: policies"),
            "{finding:?}"
        );
        assert_eq!(finding.advice.as_deref(), Some("create an organization"));
        assert_eq!(readiness(200, b"{}").health, Good);
    }

    #[test]
    fn clocks_apart_warn_and_then_fail() {
        let there = "Sun, 06 Nov 1994 08:49:37 GMT";
        let there_ms = 784_111_777_000;
        let health = |here_ms| clock(Some(there), Timestamp::from_unix_millis(here_ms)).health;
        for (here_ms, expected) in [
            (there_ms, Good),
            (there_ms + 1_900, Good),
            (there_ms + 3_000, Warn),
            (there_ms - 3_000, Warn),
            (there_ms + 30_000, Fail),
            (there_ms - 86_400_000, Fail),
        ] {
            assert_eq!(health(here_ms), expected, "{here_ms}");
        }
        let now = Timestamp::from_unix_millis(there_ms);
        assert_eq!(clock(None, now).health, Warn);
        assert_eq!(clock(Some("yesterday"), now).health, Warn);
    }

    #[test]
    fn missing_broken_and_ended_keys_fail() {
        let jwk = |kid: &str, not_after: Option<&str>| {
            json!({ "keys": [{
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid,
                "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                "not_before": null, "not_after": not_after,
            }] })
        };
        let check = |status, body: serde_json::Value| -> Health {
            let here = Timestamp::from_unix_millis(1_700_000_000_000);
            keys(status, body.to_string().as_bytes(), here).health
        };
        // RFC 8037 appendix A.3.
        let kid = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
        assert_eq!(check(200, jwk(kid, None)), Good);
        assert_eq!(check(200, jwk(kid, Some("2999-01-01T00:00:00.000Z"))), Good);
        assert_eq!(check(200, jwk(kid, Some("2020-01-01T00:00:00.000Z"))), Fail);
        assert_eq!(check(200, jwk("wrong", None)), Fail);
        assert_eq!(check(200, json!({ "keys": [] })), Fail);
        assert_eq!(check(200, json!([])), Fail);
        assert_eq!(check(503, jwk(kid, None)), Fail);
    }

    #[test]
    fn a_token_that_does_not_count_fails_and_none_warns() {
        assert_eq!(no_token().health, Warn);
        assert_eq!(token_counts(200, br#"{"name":"Acme"}"#).health, Good);
        for status in [200, 401, 403, 500] {
            assert_eq!(token_counts(status, b"{}").health, Fail, "{status}");
        }
    }

    #[test]
    fn connectors_in_clear_fail_and_slow_ones_warn() {
        let check = |base_url: &str, timeout_ms: u32| {
            let connector =
                json!({ "name": "crm", "base_url": base_url, "timeout_ms": timeout_ms });
            connectors(Ok(vec![connector])).health
        };
        assert_eq!(check("https://crm.example", 10_000), Good);
        assert_eq!(check("http://127.0.0.1:9/x", 10_000), Good);
        assert_eq!(check("http://[::1]:9", 10_000), Good);
        assert_eq!(check("http://crm.example", 10_000), Fail);
        assert_eq!(check("http://127.0.0.1.evil.example", 10_000), Fail);
        assert_eq!(check("http://localhost@evil.example", 10_000), Fail);
        assert_eq!(check("https://crm.example", 30_000), Warn);
        let refused = |exit| connectors(Err(Failure::new(exit, "no"))).health;
        assert_eq!(refused(Exit::No), Warn);
        assert_eq!(refused(Exit::Unavailable), Fail);
    }
}
