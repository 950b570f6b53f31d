//! Durations as policies write them.

use std::time::Duration;

/// Reads `[1-9][0-9]*[smhd]`: `90s`, `15m`, `1h`, `7d`. `None` if it is anything else, or longer
/// than a `u64` of seconds.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let (seconds, digits) = [("s", 1), ("m", 60), ("h", 60 * 60), ("d", 24 * 60 * 60)]
        .into_iter()
        .find_map(|(unit, seconds)| Some((seconds, text.strip_suffix(unit)?)))?;
    if digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    count.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_form() {
        for (text, seconds) in [("90s", 90), ("15m", 900), ("1h", 3_600), ("7d", 604_800)] {
            assert_eq!(parse_duration(text), Some(Duration::from_secs(seconds)));
        }
        for text in [
            "",
            "s",
            "1",
            "0s",
            "01h",
            "1.5h",
            "-1h",
            "+1h",
            " 1h",
            "1h ",
            "1H",
            "1w",
            "1h30m",
            "१h",
            "1ms",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }
}
