//! The body of a request: what is hashed of it, and how a stored one is read again.

use relynt_domain::{Action, InstanceId, Resource};
use relynt_json::{Object, Value};

use crate::receipts::sha256;

/// The two hashes of a request.
pub(crate) struct Hashes {
    pub(crate) request_hash: [u8; 32],
    pub(crate) request_digest: [u8; 32],
}

/// SHA-256 over the canonical body, with and without `instance_id`.
pub(crate) fn hashes_of(
    action: &Action,
    resource: &Resource,
    instance_id: &InstanceId,
    payload_canonical: &str,
) -> Hashes {
    let mut body = Vec::with_capacity(payload_canonical.len() + 256);
    let mut write = |instance: Option<&InstanceId>| {
        body.clear();
        // The names are in their canonical order (RFC 8785, section 3.2.3).
        body.extend_from_slice(b"{\"action\":");
        relynt_json::write_canonical_str(action.as_str(), &mut body);
        if let Some(instance) = instance {
            body.extend_from_slice(b",\"instance_id\":");
            relynt_json::write_canonical_str(instance.as_str(), &mut body);
        }
        body.extend_from_slice(b",\"payload\":");
        body.extend_from_slice(payload_canonical.as_bytes());
        body.extend_from_slice(b",\"resource\":");
        relynt_json::write_canonical_str(resource.as_str(), &mut body);
        body.push(b'}');
        sha256(&body)
    };
    Hashes {
        request_hash: write(Some(instance_id)),
        request_digest: write(None),
    }
}

/// The body of a stored request, taken apart again.
pub(crate) fn parse_request(
    body: &str,
) -> Option<(Action, Resource, InstanceId, Option<Value>, String)> {
    let Value::Object(mut body) = relynt_json::parse_canonical(body.as_bytes()).ok()? else {
        return None;
    };
    let text = |object: &mut Object, name: &str| match object.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    };
    let action = Action::new(&text(&mut body, "action")?).ok()?;
    let resource = Resource::new(&text(&mut body, "resource")?).ok()?;
    let instance = InstanceId::new(&text(&mut body, "instance_id")?).ok()?;
    let payload = match body.remove("payload") {
        None | Some(Value::Null) => None,
        Some(payload) => Some(payload),
    };
    let canonical = payload
        .as_ref()
        .map_or_else(|| "null".to_owned(), Value::to_canonical);
    Some((action, resource, instance, payload, canonical))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hashes_are_those_of_the_ledger() {
        let payload = relynt_json::parse(br#"{"b":1.50,"a":"\u00e9"}"#).unwrap();
        let (action, resource) = (Action::new("a\"b").unwrap(), Resource::new("r:1").unwrap());
        let instance = InstanceId::new("run").unwrap();
        let hashes = hashes_of(&action, &resource, &instance, &payload.to_canonical());
        assert_eq!(
            crate::receipts::hash_text(&hashes.request_hash),
            relynt_ledger::request_hash("a\"b", "run", Some(&payload), "r:1")
        );
        assert_eq!(
            crate::receipts::hash_text(&hashes.request_digest),
            relynt_ledger::request_digest("a\"b", Some(&payload), "r:1")
        );
    }

    #[test]
    fn a_stored_request_reads_back_whatever_numbers_it_has() {
        // Legal as sent, and written canonically as an integer that the reader of bodies refuses.
        let payload = relynt_json::parse(br#"{"amount":1e20}"#).unwrap();
        let body = format!(
            r#"{{"action":"a","instance_id":"i","payload":{},"resource":"r"}}"#,
            payload.to_canonical()
        );
        let (.., read, canonical) = parse_request(&body).unwrap();
        assert_eq!(read, Some(payload));
        assert_eq!(canonical, r#"{"amount":100000000000000000000}"#);
    }
}
