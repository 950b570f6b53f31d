//! The id of a request: the caller's if it is sane, else one of ours

use http::{HeaderMap, HeaderName};

/// The header that carries it, in requests and on every answer.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The caller's id, if it sent exactly one and that is 1 to 128 of `[A-Za-z0-9._-]`.
pub(crate) fn sent(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(X_REQUEST_ID).iter();
    let id = values.next()?.to_str().ok()?;
    let sane = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (values.next().is_none() && (1..=128).contains(&id.len()) && id.bytes().all(sane)).then_some(id)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{X_REQUEST_ID, sent};

    fn check(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                X_REQUEST_ID,
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        sent(&headers).map(str::to_owned)
    }

    #[test]
    fn a_sane_id_is_taken_over_and_anything_else_is_not() {
        let long = "a".repeat(129);
        assert_eq!(check(&["req-1.2_3"]).as_deref(), Some("req-1.2_3"));
        assert_eq!(
            check(&[&long[..128]]).as_deref(),
            Some(long[..128].to_owned()).as_deref()
        );
        for bad in ["", "a b", "a\"b", "é", "a/b", long.as_str()] {
            assert_eq!(check(&[bad]), None, "{bad}");
        }
        assert_eq!(check(&[]), None);
        assert_eq!(check(&["a", "a"]), None);
    }
}
