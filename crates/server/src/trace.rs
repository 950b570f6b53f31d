//! W3C trace context: honoured, never trusted

use http::HeaderMap;

/// The caller's `traceparent`, if it sent exactly one and that is valid (W3C Trace Context 3.2).
///
/// A higher version than 00 is read as its first 55 bytes, as the recommendation asks.
pub(crate) fn parent(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all("traceparent").iter();
    let text = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (known, rest) = text.split_at_checked(55)?;
    let mut parts = known.split('-');
    let (version, trace, span, flags) = (
        hex(parts.next()?, 2)?,
        hex(parts.next()?, 32)?,
        hex(parts.next()?, 16)?,
        hex(parts.next()?, 2)?,
    );
    let zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    if parts.next().is_some() || version == "ff" || zero(trace) || zero(span) {
        return None;
    }
    if !rest.is_empty() && (version == "00" || !rest.starts_with('-')) {
        return None;
    }
    Some(format!("00-{trace}-{span}-{flags}"))
}

fn hex(part: &str, len: usize) -> Option<&str> {
    let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (part.len() == len && part.bytes().all(lower)).then_some(part)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::parent;

    fn check(text: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", text.parse().unwrap());
        parent(&headers)
    }

    #[test]
    fn only_a_valid_parent_is_honoured() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(check(good).as_deref(), Some(good));
        assert_eq!(
            check("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later").as_deref(),
            Some(good)
        );
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            assert_eq!(check(bad), None, "{bad}");
        }
    }
}
