//! Numbers, kept as the text that ECMAScript writes for their double.

use std::fmt;

use crate::decimal::Decimal;

/// 2^53−1: the largest integer of which a double also carries every smaller one.
pub(crate) const MAX_SAFE: u64 = 9_007_199_254_740_991;

/// The longest text that ECMAScript writes for a double: sign, 17 digits, point, `e-308`.
const TEXT_MAX: usize = 25;

/// A finite number, as ECMAScript's `Number::toString` writes it (RFC 8785 section 3.2.2.3).
///
/// Two numbers are equal if their doubles are; there is one zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number {
    // INVARIANT: the first `len` bytes are the ASCII text, the rest are zero.
    text: [u8; TEXT_MAX],
    len: u8,
}

/// A number that a JSON document of ours cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// An integer outside ±(2^53−1).
    #[error("an integer must be within ±9007199254740991")]
    OutOfRange,
    /// Not a number, or infinite.
    #[error("a number must be finite")]
    NotFinite,
}

impl Number {
    /// Zero; of either sign, as ECMAScript writes both alike.
    pub(crate) const ZERO: Self = {
        let mut text = [0; TEXT_MAX];
        text[0] = b'0';
        Self { text, len: 1 }
    };

    /// The text as ECMAScript writes it, such as `1.5`, `1e+21` or `0`.
    pub fn as_str(&self) -> &str {
        self.text
            .get(..usize::from(self.len))
            .and_then(|text| std::str::from_utf8(text).ok())
            .unwrap_or_default()
    }

    /// The double.
    pub fn as_f64(&self) -> f64 {
        self.as_str().parse().unwrap_or_default()
    }

    /// The value, if it is an integer that fits.
    pub fn as_u64(&self) -> Option<u64> {
        self.as_str().parse().ok()
    }

    /// The value, if it is an integer that fits.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_str().parse().ok()
    }

    /// The exact decimal value of the text.
    pub fn to_decimal(&self) -> Decimal {
        Decimal::from(self)
    }

    /// Takes a text that is known to be the one that ECMAScript writes. `None` if it is too long
    /// to be that.
    pub(crate) fn from_ecmascript(text: &[u8]) -> Option<Self> {
        let mut number = Self {
            text: [0; TEXT_MAX],
            len: u8::try_from(text.len()).ok()?,
        };
        number.text.get_mut(..text.len())?.copy_from_slice(text);
        Some(number)
    }

    fn from_integer(negative: bool, mut magnitude: u64) -> Self {
        if magnitude == 0 {
            return Self::ZERO;
        }
        // Twenty digits hold any u64; filled from the end, then taken from where they begin.
        let mut digits = [0_u8; 21];
        let mut first = digits.len();
        for (position, digit) in digits.iter_mut().enumerate().rev() {
            if magnitude == 0 {
                if negative {
                    *digit = b'-';
                    first = position;
                }
                break;
            }
            *digit = b'0' + u8::try_from(magnitude % 10).unwrap_or_default();
            magnitude /= 10;
            first = position;
        }
        digits
            .get(first..)
            .and_then(Self::from_ecmascript)
            .unwrap_or(Self::ZERO)
    }
}

impl From<u32> for Number {
    fn from(value: u32) -> Self {
        Self::from_integer(false, u64::from(value))
    }
}

impl From<u16> for Number {
    fn from(value: u16) -> Self {
        Self::from(u32::from(value))
    }
}

impl From<u8> for Number {
    fn from(value: u8) -> Self {
        Self::from(u32::from(value))
    }
}

impl From<i32> for Number {
    fn from(value: i32) -> Self {
        Self::from_integer(value < 0, u64::from(value.unsigned_abs()))
    }
}

impl TryFrom<u64> for Number {
    type Error = NumberError;

    fn try_from(value: u64) -> Result<Self, NumberError> {
        if value > MAX_SAFE {
            return Err(NumberError::OutOfRange);
        }
        Ok(Self::from_integer(false, value))
    }
}

impl TryFrom<i64> for Number {
    type Error = NumberError;

    fn try_from(value: i64) -> Result<Self, NumberError> {
        if value.unsigned_abs() > MAX_SAFE {
            return Err(NumberError::OutOfRange);
        }
        Ok(Self::from_integer(value < 0, value.unsigned_abs()))
    }
}

impl TryFrom<usize> for Number {
    type Error = NumberError;

    fn try_from(value: usize) -> Result<Self, NumberError> {
        Self::try_from(u64::try_from(value).map_err(|_| NumberError::OutOfRange)?)
    }
}

impl TryFrom<f64> for Number {
    type Error = NumberError;

    fn try_from(value: f64) -> Result<Self, NumberError> {
        if !value.is_finite() {
            return Err(NumberError::NotFinite);
        }
        Self::from_ecmascript(ryu_js::Buffer::new().format_finite(value).as_bytes())
            .ok_or(NumberError::NotFinite)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Shows that there is a number, never which: it may be a payload's.
impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("number")
    }
}

/// A number's text as it was sent, taken apart and reduced: no leading, no trailing zeros.
///
/// The value is `0.d₁d₂… × 10^point`. Bounded whatever the text: more digits than any double is
/// written with are not kept, they only say that the number is refused.
pub(crate) struct Significant {
    pub(crate) digits: [u8; 17],
    pub(crate) len: usize,
    pub(crate) point: i64,
}

impl Significant {
    /// Reads `digits[.digits][e[±]digits]`, which the caller has found to be well formed; a sign
    /// is not part of it. `None` if more than 17 digits are significant. Linear in the text.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let mut found = Self {
            digits: [0; 17],
            len: 0,
            point: 0,
        };
        let mut zeros_pending = 0_usize;
        let mut seen_point = false;
        let mut bytes = text.iter();
        for &byte in bytes.by_ref() {
            match byte {
                b'.' => seen_point = true,
                b'e' | b'E' => break,
                b'0' => {
                    if found.len > 0 {
                        zeros_pending += 1;
                    }
                    found.point += match (found.len > 0, seen_point) {
                        (true, false) => 1,
                        (false, true) => -1,
                        _ => 0,
                    };
                }
                digit => {
                    let at = found.len + zeros_pending;
                    *found.digits.get_mut(at)? = digit - b'0';
                    found.len = at + 1;
                    zeros_pending = 0;
                    found.point += i64::from(!seen_point);
                }
            }
        }
        found.point = found.point.saturating_add(exponent(bytes.as_slice()));
        Some(found)
    }
}

/// Saturates far beyond what any text that fits into memory could bring back into range.
fn exponent(text: &[u8]) -> i64 {
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let magnitude = digits.iter().fold(0_i64, |sum, digit| {
        sum.saturating_mul(10)
            .saturating_add(i64::from(digit.saturating_sub(b'0')))
    });
    if negative { -magnitude } else { magnitude }
}

/// The number, if its decimal value equals that of the text that ECMAScript writes for the nearest
/// double. `text` is well formed JSON (RFC 8259 section 6). Bounded whatever its exponent.
pub(crate) fn exact(text: &[u8]) -> Option<Number> {
    let (negative, magnitude) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    };
    let sent = Significant::read(magnitude)?;
    if sent.len == 0 {
        return Some(Number::ZERO);
    }
    // The largest double is about 0.18e309, the smallest 0.5e-323.
    if !(-330..=310).contains(&sent.point) {
        return None;
    }
    let mut short = [0_u8; 24];
    let double = short_text(&sent, &mut short)?.parse::<f64>().ok()?;
    let number = Number::try_from(if negative { -double } else { double }).ok()?;
    let written = number.as_str().trim_start_matches('-');
    let written = Significant::read(written.as_bytes())?;
    let same = written.len == sent.len
        && written.point == sent.point
        && written.digits.get(..written.len) == sent.digits.get(..sent.len);
    same.then_some(number)
}

/// The same value as `digits e exponent`, short enough for the standard parser to be exact and
/// quick on it, whatever the text that was sent.
fn short_text<'a>(sent: &Significant, out: &'a mut [u8; 24]) -> Option<&'a str> {
    let mut end = 0;
    for &digit in sent.digits.get(..sent.len)? {
        *out.get_mut(end)? = b'0' + digit;
        end += 1;
    }
    let exponent = sent.point.checked_sub(i64::try_from(sent.len).ok()?)?;
    *out.get_mut(end)? = b'e';
    end += 1;
    if exponent < 0 {
        *out.get_mut(end)? = b'-';
        end += 1;
    }
    let size = u16::try_from(exponent.unsigned_abs()).ok()?;
    for unit in [100, 10, 1] {
        *out.get_mut(end)? = b'0' + u8::try_from(size / unit % 10).ok()?;
        end += 1;
    }
    std::str::from_utf8(out.get(..end)?).ok()
}
