//! Idempotency keys and the default ids.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::outside;

/// The key under which the gateway remembers a call: 1 to 255 visible ASCII characters, sent
/// verbatim.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(
    // INVARIANT: 1 to 255 bytes of 0x21..=0x7e.
    String,
);

impl IdempotencyKey {
    /// A key of the caller's choice.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let sane = (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if sane {
            Ok(Self(text.to_owned()))
        } else {
            Err(KeyError)
        }
    }

    /// A fresh key: a UUID of version 7, which databases store in order.
    pub fn fresh() -> Self {
        Self(uuid7())
    }

    /// The key as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text cannot be an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("idempotency_key must be 1 to 255 visible ASCII characters")]
pub struct KeyError;

/// A UUID of version 7 (RFC 9562 section 5.7) as lowercase text.
pub fn uuid7() -> String {
    uuid7_from(outside::wall(), &outside::random::<10>())
}

fn uuid7_from(wall: SystemTime, random: &[u8; 10]) -> String {
    let since = wall.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let millis = u64::try_from(since.as_millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, random)
        .into_uuid()
        .to_string()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{IdempotencyKey, uuid7_from};

    #[test]
    fn uuid_carries_the_time_and_the_random_bits() {
        let wall = UNIX_EPOCH + Duration::from_millis(0x0188_4B2A_3C4D);
        assert_eq!(
            uuid7_from(wall, &[0xff; 10]),
            "01884b2a-3c4d-7fff-bfff-ffffffffffff"
        );
    }

    #[test]
    fn keys_that_could_break_a_header_are_refused() {
        for text in ["", "a b", "a\r\nX: y", "\u{e4}", &"k".repeat(256)] {
            assert!(IdempotencyKey::parse(text).is_err(), "{text:?}");
        }
        assert!(IdempotencyKey::parse(&"k".repeat(255)).is_ok());
        assert_eq!(
            IdempotencyKey::parse("\"quoted\"").unwrap().as_str(),
            "\"quoted\""
        );
    }
}
