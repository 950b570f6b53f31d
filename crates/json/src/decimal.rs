//! Exact decimals: amounts are compared and subtracted as they are written.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Sub;
use std::str::FromStr;

use crate::number::{Number, Significant};

/// An exact decimal number, for amounts: compared, subtracted and written without rounding.
///
/// Holds whatever a [`Number`] or a plain decimal text of 64 characters can say, and differences
/// of those: at most some 700 digits.
///
/// ```
/// use relynt_json::Decimal;
///
/// let (old, new): (Decimal, Decimal) = ("0.1".parse()?, "0.3".parse()?);
/// assert_eq!((&new - &old).to_string(), "0.2");
/// # Ok::<(), relynt_json::DecimalError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Decimal {
    // INVARIANT: zero has no digits, exponent 0 and no sign.
    negative: bool,
    // INVARIANT: 0 to 9 each, most significant first, neither first nor last is 0.
    digits: Vec<u8>,
    /// The power of ten of the last digit.
    exponent: i32,
}

/// A text that is not a plain decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not of the form `-?digits[.digits]`.
    #[error("not a plain decimal number")]
    Malformed,
    /// Longer than 64 characters.
    #[error("a decimal number has at most 64 characters")]
    TooLong,
}

impl Decimal {
    /// The longest text that [`FromStr`] takes, in characters.
    pub const MAX_TEXT: usize = 64;

    /// Without its sign.
    #[must_use]
    pub fn abs(&self) -> Self {
        Self {
            negative: false,
            ..self.clone()
        }
    }

    /// Whether this is zero.
    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// Whether this is below zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    fn new(negative: bool, mut digits: Vec<u8>, mut exponent: i32) -> Self {
        while digits.last() == Some(&0) {
            digits.pop();
            exponent += 1;
        }
        let zeros = digits.iter().take_while(|&&digit| digit == 0).count();
        digits.drain(..zeros);
        if digits.is_empty() {
            return Self {
                negative: false,
                digits,
                exponent: 0,
            };
        }
        Self {
            negative,
            digits,
            exponent,
        }
    }

    /// The power of ten just above the first digit.
    fn top(&self) -> i32 {
        self.exponent
            .saturating_add(i32::try_from(self.digits.len()).unwrap_or(i32::MAX))
    }

    /// The digit at a power of ten.
    fn digit(&self, power: i32) -> u8 {
        self.top()
            .checked_sub(power)
            .and_then(|below_top| below_top.checked_sub(1))
            .and_then(|at| usize::try_from(at).ok())
            .and_then(|at| self.digits.get(at).copied())
            .unwrap_or(0)
    }

    fn cmp_magnitude(&self, other: &Self) -> Ordering {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            // Neither ends in a zero, so a longer text with the same start is the larger one.
            (false, false) => self
                .top()
                .cmp(&other.top())
                .then_with(|| self.digits.cmp(&other.digits)),
        }
    }

    /// The powers of ten that either number has a digit at, lowest first.
    fn powers(&self, other: &Self) -> std::ops::Range<i32> {
        self.exponent.min(other.exponent)..self.top().max(other.top())
    }

    fn add_magnitudes(&self, other: &Self, negative: bool) -> Self {
        let powers = self.powers(other);
        let (lowest, mut carry) = (powers.start, 0);
        let mut digits: Vec<u8> = powers
            .map(|power| {
                let sum = self.digit(power) + other.digit(power) + carry;
                carry = sum / 10;
                sum % 10
            })
            .collect();
        digits.push(carry);
        digits.reverse();
        Self::new(negative, digits, lowest)
    }

    /// `self` is the larger one.
    fn subtract_magnitudes(&self, other: &Self, negative: bool) -> Self {
        let powers = self.powers(other);
        let (lowest, mut borrow) = (powers.start, 0);
        let mut digits: Vec<u8> = powers
            .map(|power| {
                let (above, below) = (self.digit(power), other.digit(power) + borrow);
                borrow = u8::from(above < below);
                above + 10 * borrow - below
            })
            .collect();
        digits.reverse();
        Self::new(negative, digits, lowest)
    }
}

impl Sub for &Decimal {
    type Output = Decimal;

    fn sub(self, other: &Decimal) -> Decimal {
        if self.negative != other.negative {
            // A sign of zero does not matter here: `new` drops it.
            return self.add_magnitudes(other, self.negative || !other.negative);
        }
        match self.cmp_magnitude(other) {
            Ordering::Less => other.subtract_magnitudes(self, !self.negative),
            _ => self.subtract_magnitudes(other, self.negative),
        }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.cmp_magnitude(other),
            (true, true) => other.cmp_magnitude(self),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<&Number> for Decimal {
    fn from(number: &Number) -> Self {
        let text = number.as_str();
        let magnitude = text.strip_prefix('-').unwrap_or(text);
        // A double's text has at most 17 significant digits and three of exponent.
        let Some(parts) = Significant::read(magnitude.as_bytes()) else {
            return Self::new(false, Vec::new(), 0);
        };
        let digits = parts.digits.get(..parts.len).unwrap_or_default().to_vec();
        let last = parts.point - i64::try_from(parts.len).unwrap_or_default();
        let exponent = i32::try_from(last).unwrap_or_default();
        Self::new(text.starts_with('-'), digits, exponent)
    }
}

impl From<Number> for Decimal {
    fn from(number: Number) -> Self {
        Self::from(&number)
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    /// Takes `-?digits[.digits]` in ASCII, nothing else: no plus, no exponent, no spaces, at most
    /// [`Decimal::MAX_TEXT`] characters. Leading zeros are allowed.
    fn from_str(text: &str) -> Result<Self, DecimalError> {
        if text.len() > Self::MAX_TEXT {
            return Err(DecimalError::TooLong);
        }
        let magnitude = text.strip_prefix('-').unwrap_or(text);
        let (integer, fraction) = match magnitude.split_once('.') {
            Some((integer, fraction)) => (integer, Some(fraction)),
            None => (magnitude, None),
        };
        let is_digits =
            |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_digits(integer) || !fraction.is_none_or(is_digits) {
            return Err(DecimalError::Malformed);
        }
        let fraction = fraction.unwrap_or_default();
        let digits = integer.bytes().chain(fraction.bytes());
        let exponent = i32::try_from(fraction.len()).map_err(|_| DecimalError::TooLong)?;
        Ok(Self::new(
            text.starts_with('-'),
            digits.map(|byte| byte - b'0').collect(),
            -exponent,
        ))
    }
}

impl fmt::Display for Decimal {
    /// Plain, without an exponent: `-12.5`, `0.00001`, `100`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        if self.negative {
            text.push('-');
        }
        for power in (self.exponent.min(0)..self.top().max(1)).rev() {
            if power == -1 {
                text.push('.');
            }
            text.push(char::from(b'0' + self.digit(power)));
        }
        f.write_str(&text)
    }
}

/// Shows that there is a number, never which: it may be a payload's.
impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("decimal")
    }
}
