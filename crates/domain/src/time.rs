//! Instants on the wire and in the store.

use std::fmt;
use std::time::Duration;

/// The text is not an RFC 3339 instant, or out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 time such as `2026-01-31T09:30:00.000Z`")]
pub struct TimestampError;

/// An instant with the resolution of the wire: whole milliseconds, UTC.
///
/// Stored as microseconds since 1970, written as RFC 3339 with three digits and `Z`.
// INVARIANT: within the years 1970 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

const MAX_MILLIS: u64 = 253_402_300_799_999;

impl Timestamp {
    /// The instant so many milliseconds after 1970; later than the year 9999 is its end.
    pub const fn from_unix_millis(millis: u64) -> Self {
        Self(if millis > MAX_MILLIS {
            MAX_MILLIS
        } else {
            millis
        })
    }

    /// Milliseconds since 1970.
    pub const fn unix_millis(self) -> u64 {
        self.0
    }

    /// Microseconds since 1970, as stored.
    pub const fn unix_micros(self) -> i64 {
        // At most 2.6e17, which fits.
        (self.0 * 1000).cast_signed()
    }

    /// The instant of stored microseconds; what is before 1970 becomes 1970.
    pub fn from_unix_micros(micros: i64) -> Self {
        Self::from_unix_millis(u64::try_from(micros).unwrap_or(0) / 1000)
    }

    /// This instant and so much more.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(MAX_MILLIS);
        Self::from_unix_millis(self.0.saturating_add(millis))
    }

    /// This instant less so much; not before 1970.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(MAX_MILLIS);
        Self::from_unix_millis(self.0.saturating_sub(millis))
    }

    /// How long after `earlier` this is; zero if it is not.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Reads RFC 3339; what is finer than a millisecond is cut off.
    ///
    /// # Errors
    /// Not RFC 3339, or not within the years 1970 to 9999.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        let instant: jiff::Timestamp = text.parse().map_err(|_| TimestampError)?;
        u64::try_from(instant.as_millisecond())
            .map(Self::from_unix_millis)
            .map_err(|_| TimestampError)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Days to civil date: Howard Hinnant's `civil_from_days`, for years from 1970 on.
        let (days, millis) = (self.0 / 86_400_000, self.0 % 86_400_000);
        let z = days + 719_468;
        let era = z / 146_097;
        let doe = z % 146_097;
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let day = doy - (153 * mp + 2) / 5 + 1;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + u64::from(month <= 2);
        // Written digit by digit: a receipt has several of these, and the formatting machinery costs
        // more than the digits.
        let mut text = *b"0000-00-00T00:00:00.000Z";
        for (last, width, mut value) in [
            (3, 4, year),
            (6, 2, month),
            (9, 2, day),
            (12, 2, millis / 3_600_000),
            (15, 2, millis / 60_000 % 60),
            (18, 2, millis / 1000 % 60),
            (22, 3, millis % 1000),
        ] {
            for place in (0..width).map(|back| last - back) {
                if let Some(digit) = text.get_mut(place) {
                    *digit = b'0' + u8::try_from(value % 10).unwrap_or_default();
                }
                value /= 10;
            }
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_has_three_digits_and_z() {
        let at = Timestamp::from_unix_millis(1_700_000_000_007);
        assert_eq!(at.to_string(), "2023-11-14T22:13:20.007Z");
        assert_eq!(
            Timestamp::parse("2023-11-14T23:13:20.0079+01:00").unwrap(),
            at
        );
        assert!(Timestamp::parse("1969-01-01T00:00:00Z").is_err());
        assert!(Timestamp::parse("yesterday").is_err());
    }

    proptest! {
        #[test]
        fn text_reads_back_and_agrees_with_the_library(millis in 0..=MAX_MILLIS) {
            let at = Timestamp::from_unix_millis(millis);
            prop_assert_eq!(Timestamp::parse(&at.to_string()).unwrap(), at);
            prop_assert_eq!(Timestamp::from_unix_micros(at.unix_micros()), at);
            let library = jiff::Timestamp::from_millisecond(i64::try_from(millis).unwrap()).unwrap();
            prop_assert_eq!(at.to_string(), format!("{library:.3}"));
        }
    }
}
