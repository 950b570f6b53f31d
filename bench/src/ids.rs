//! Idempotency keys, and the chance they are made from

use std::time::{SystemTime, UNIX_EPOCH};

/// Chance that is quick and good enough for keys that nobody has to guess (splitmix64).
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    /// Chance from this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Chance that differs from one start to the next.
    pub fn fresh() -> Self {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self(now.as_nanos() as u64 ^ (u64::from(std::process::id()) << 40))
    }

    /// 64 more bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// How keys follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Order {
    /// Version 7 UUIDs: in the order of time, as the SDK makes them.
    Ordered,
    /// Version 4 UUIDs: in no order.
    Random,
}

/// Makes keys.
#[derive(Debug)]
pub struct Keys {
    order: Order,
    chance: Chance,
    millis: u64,
    within: u64,
}

impl Keys {
    /// Keys in this order.
    pub fn new(order: Order) -> Self {
        Self {
            order,
            chance: Chance::fresh(),
            millis: 0,
            within: 0,
        }
    }

    /// The next key's 16 bytes.
    pub fn next_bytes(&mut self) -> [u8; 16] {
        let (high, low) = (self.chance.bits(), self.chance.bits());
        let mut bytes = [0; 16];
        let (first, last) = bytes.split_at_mut(8);
        last.copy_from_slice(&((low & (u64::MAX >> 2)) | 1 << 63).to_be_bytes());
        let head = match self.order {
            Order::Random => (high & !0xf000) | 0x4000,
            Order::Ordered => {
                let now = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                let now = now.as_millis() as u64;
                if now > self.millis {
                    (self.millis, self.within) = (now, 0);
                } else {
                    self.within += 1;
                    if self.within > 0xfff {
                        (self.millis, self.within) = (self.millis + 1, 0);
                    }
                }
                (self.millis << 16) | 0x7000 | self.within
            }
        };
        first.copy_from_slice(&head.to_be_bytes());
        bytes
    }

    /// The next key as text, 36 characters.
    pub fn write(&mut self, out: &mut [u8]) {
        let uuid = uuid::Uuid::from_bytes(self.next_bytes());
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        out.copy_from_slice(uuid.hyphenated().encode_lower(&mut text).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::{Keys, Order};

    fn key(keys: &mut Keys) -> String {
        let mut text = [0; 36];
        keys.write(&mut text);
        String::from_utf8(text.to_vec()).unwrap()
    }

    #[test]
    fn ordered_keys_ascend_and_are_of_version_7() {
        let mut keys = Keys::new(Order::Ordered);
        let made: Vec<_> = (0..10_000).map(|_| key(&mut keys)).collect();
        assert!(made.is_sorted_by(|a, b| a < b));
        assert!(made.iter().all(|key| key.as_bytes().get(14) == Some(&b'7')));
    }

    #[test]
    fn random_keys_are_of_version_4() {
        let mut keys = Keys::new(Order::Random);
        assert_eq!(key(&mut keys).as_bytes().get(14), Some(&b'4'));
        assert_ne!(key(&mut keys), key(&mut keys));
    }
}
