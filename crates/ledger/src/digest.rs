//! SHA-256 over canonical JSON: what a receipt says of things that it does not contain.

use aws_lc_rs::digest::{SHA256, digest};
use relynt_json::{Value, write_canonical_str};

/// A SHA-256 digest (FIPS 180-4).
pub type Sha256 = [u8; 32];

/// SHA-256 of bytes.
pub fn sha256(bytes: &[u8]) -> Sha256 {
    let mut out = [0; 32];
    // Both are 32 bytes long.
    for (to, from) in out.iter_mut().zip(digest(&SHA256, bytes).as_ref()) {
        *to = *from;
    }
    out
}

/// SHA-256 as receipts write it: `sha256:` and 64 lowercase hexadecimal digits. Over the raw body
/// of a target this is `response_hash`.
pub fn sha256_text(bytes: &[u8]) -> String {
    digest_text(&sha256(bytes))
}

pub(crate) fn digest_text(digest: &Sha256) -> String {
    let mut text = String::with_capacity(71);
    text.push_str("sha256:");
    for byte in digest {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or_default());
        }
    }
    text
}

/// `request_hash`: over the canonical form of `action`, `instance_id`, `payload` and `resource`;
/// `payload` is null when absent.
pub fn request_hash(
    action: &str,
    instance_id: &str,
    payload: Option<&Value>,
    resource: &str,
) -> String {
    sha256_text(&canonical_request(
        action,
        Some(instance_id),
        payload,
        resource,
    ))
}

/// `request_digest`: the same without `instance_id`, so that a restarted run asks for the same
/// thing. What an approval is bound to.
pub fn request_digest(action: &str, payload: Option<&Value>, resource: &str) -> String {
    sha256_text(&canonical_request(action, None, payload, resource))
}

/// `policy_digest`: over the canonical form of a policy version's rules, which the caller gives as
/// it is stored.
pub fn policy_digest(canonical_rules: &str) -> String {
    sha256_text(canonical_rules.as_bytes())
}

fn canonical_request(
    action: &str,
    instance_id: Option<&str>,
    payload: Option<&Value>,
    resource: &str,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(b"{\"action\":");
    write_canonical_str(action, &mut out);
    if let Some(instance_id) = instance_id {
        out.extend_from_slice(b",\"instance_id\":");
        write_canonical_str(instance_id, &mut out);
    }
    out.extend_from_slice(b",\"payload\":");
    payload.unwrap_or(&Value::Null).write_canonical(&mut out);
    out.extend_from_slice(b",\"resource\":");
    write_canonical_str(resource, &mut out);
    out.push(b'}');
    out
}
