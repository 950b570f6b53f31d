//! Sizes of amounts, compared exactly and mostly without touching a digit.

use std::cmp::Ordering;

use relynt_json::{Decimal, Value};

/// The absolute value of a decimal.
#[derive(Clone)]
pub(crate) struct Magnitude {
    exact: Decimal,
    // INVARIANT: the nearest double of `exact`. Rounding keeps the order, so that where two
    // doubles differ the decimals do, in the same direction.
    rounded: f64,
}

impl Magnitude {
    pub(crate) fn of(decimal: &Decimal) -> Self {
        let exact = decimal.abs();
        // Beyond the largest double it is infinite, which decides nothing between two of them.
        let rounded = exact.to_string().parse().unwrap_or(f64::NAN);
        Self { exact, rounded }
    }
}

impl PartialEq for Magnitude {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Magnitude {}

impl PartialOrd for Magnitude {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Magnitude {
    fn cmp(&self, other: &Self) -> Ordering {
        match self.rounded.partial_cmp(&other.rounded) {
            Some(order @ (Ordering::Less | Ordering::Greater)) => order,
            _ => self.exact.cmp(&other.exact),
        }
    }
}

/// An amount of a payload: a number, or a plain decimal text of at most 64 characters.
pub(crate) fn read_amount(value: &Value) -> Option<Decimal> {
    match value {
        Value::Number(number) => Some(number.into()),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn magnitudes_compare_as_decimals_do(
            a in "-?[0-9]{1,30}(\\.[0-9]{1,30})?",
            b in "-?[0-9]{1,30}(\\.[0-9]{1,30})?",
            last in "[0-9]{1,4}",
        ) {
            let decimal = |text: &str| text.parse::<Decimal>().unwrap();
            // Near ones too: they round to the same double.
            let near = if a.contains('.') { a.clone() } else { format!("{a}.{last}") };
            for (a, b) in [(&a, &b), (&a, &near), (&a, &a)] {
                let (a, b) = (decimal(a), decimal(b));
                let order = Magnitude::of(&a).cmp(&Magnitude::of(&b));
                prop_assert_eq!(order, a.abs().cmp(&b.abs()));
            }
        }
    }

    #[test]
    fn the_largest_and_the_smallest_compare_too() {
        let number = |text: &str| {
            let value = relynt_json::parse(text.as_bytes()).unwrap();
            read_amount(&value).unwrap()
        };
        let max = number("1.7976931348623157e308");
        let twice = &max - &number("-1.7976931348623157e308");
        assert!(Magnitude::of(&twice) > Magnitude::of(&max));
        assert!(Magnitude::of(&max) > Magnitude::of(&number("1.7976931348623155e308")));
        let least = number("5e-324");
        assert!(Magnitude::of(&least) > Magnitude::of(&number("0")));
        assert!(Magnitude::of(&(&max - &least)) < Magnitude::of(&max));
    }
}
