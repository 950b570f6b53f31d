//! Latencies, kept to within 1 %: logarithmic classes, each divided into 128 equal ones

use std::time::Duration;

use serde_json::{Value, json};

const SUB_BITS: u32 = 7;
const SUB: u64 = 1 << SUB_BITS;
const SLOTS: usize = ((64 - SUB_BITS as usize) + 1) * SUB as usize;

/// Counts of durations.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    sum: u128,
    min: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; SLOTS],
            total: 0,
            sum: 0,
            min: u64::MAX,
            max: 0,
        }
    }
}

impl Histogram {
    /// Counts one more.
    pub fn record(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(slot(nanos)) {
            *count += 1;
        }
        self.total += 1;
        self.sum += u128::from(nanos);
        self.min = self.min.min(nanos);
        self.max = self.max.max(nanos);
    }

    /// How many there are.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The duration that this share of all does not exceed, in nanoseconds.
    pub fn quantile(&self, share: f64) -> u64 {
        let rank = ((self.total as f64 * share).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        for (slot, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper(slot).clamp(self.min.min(self.max), self.max);
            }
        }
        self.max
    }

    /// The figures that a table needs, in microseconds.
    pub fn figures(&self) -> Value {
        if self.total == 0 {
            return Value::Null;
        }
        let micros = |nanos: u64| (nanos as f64 / 10.0).round() / 100.0;
        json!({
            "min": micros(self.min),
            "mean": micros((self.sum / u128::from(self.total)) as u64),
            "p50": micros(self.quantile(0.5)),
            "p90": micros(self.quantile(0.9)),
            "p99": micros(self.quantile(0.99)),
            "p99_9": micros(self.quantile(0.999)),
            "max": micros(self.max),
        })
    }
}

fn slot(value: u64) -> usize {
    if value < SUB {
        return value as usize;
    }
    let shift = value.ilog2() - SUB_BITS;
    (u64::from(shift + 1) * SUB + ((value >> shift) - SUB)) as usize
}

/// The greatest value of a slot.
fn upper(slot: usize) -> u64 {
    let slot = slot as u64;
    if slot < SUB {
        return slot;
    }
    let shift = slot / SUB - 1;
    let last = u128::from(SUB + slot % SUB + 1) << shift;
    u64::try_from(last - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Histogram, slot, upper};

    #[test]
    fn every_value_is_in_a_slot_that_ends_less_than_one_percent_above_it() {
        for value in (0..64).flat_map(|bit| [1_u64 << bit, (1 << bit) + 1, (1 << bit) - 1]) {
            let upper = upper(slot(value));
            assert!(upper >= value, "{value}");
            assert!(
                u128::from(upper) * 100 <= u128::from(value) * 101,
                "{value} {upper}"
            );
        }
        assert_eq!(upper(slot(u64::MAX)), u64::MAX);
    }

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let mut histogram = Histogram::default();
        for micros in 1..=1000 {
            histogram.record(Duration::from_micros(micros));
        }
        for (share, micros) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let found = histogram.quantile(share) as f64 / 1000.0;
            assert!((found - micros).abs() <= micros / 100.0, "{share}: {found}");
        }
    }
}
