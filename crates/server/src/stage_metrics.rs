//! How long the stages of calls took: counted with two additions, without a lock
//!
//! Several stages are timed in every call, by all threads at once: a histogram behind a lock costs
//! more there than what it measures.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};
use relynt_gateway::ports::{Stage, Stages};

/// Buckets: up to 1 µs, 2 µs, … 34 s, and beyond.
const BUCKETS: usize = 27;

/// Every stage.
#[derive(Debug, Default)]
pub(crate) struct StageTimes {
    authenticate: Times,
    evaluate: Times,
    commit: Times,
    execute: Times,
}

#[derive(Debug, Default)]
struct Times {
    buckets: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
}

impl Times {
    fn add(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        // The bucket whose bound of 2^n µs is the first that is not below it.
        let place = nanos.div_ceil(1000).max(1).next_power_of_two().ilog2();
        let place = usize::try_from(place).unwrap_or(BUCKETS).min(BUCKETS - 1);
        if let Some(bucket) = self.buckets.get(place) {
            bucket.fetch_add(1, Relaxed);
        }
        self.nanos.fetch_add(nanos, Relaxed);
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a sum of seconds and powers of two need no more"
    )]
    fn read(&self) -> (f64, u64, Vec<(f64, u64)>) {
        let buckets: Vec<(f64, u64)> = self
            .buckets
            .iter()
            .enumerate()
            .map(|(place, count)| {
                let bound = if place == BUCKETS - 1 {
                    f64::INFINITY
                } else {
                    (1_u64 << place) as f64 / 1e6
                };
                (bound, count.load(Relaxed))
            })
            .collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        (self.nanos.load(Relaxed) as f64 / 1e9, count, buckets)
    }
}

impl StageTimes {
    /// A credential was looked at, for so long.
    pub(crate) fn authenticated(&self, time: Duration) {
        self.authenticate.add(time);
    }
}

impl Stages for StageTimes {
    fn took(&self, stage: Stage, time: Duration) {
        match stage {
            Stage::Evaluate => self.evaluate.add(time),
            Stage::Commit => self.commit.add(time),
            Stage::Execute => self.execute.add(time),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabels {
    stage: &'static str,
}

/// Reads the times when they are asked for.
#[derive(Debug)]
pub(crate) struct StageCollector(pub(crate) Arc<StageTimes>);

impl Collector for StageCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(
            "stage_duration",
            "Time that a stage of a call took",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for (stage, times) in [
            ("authenticate", &self.0.authenticate),
            ("evaluate", &self.0.evaluate),
            ("commit", &self.0.commit),
            ("execute", &self.0.execute),
        ] {
            let (sum, count, buckets) = times.read();
            family
                .encode_family(&StageLabels { stage })?
                .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use relynt_gateway::ports::{Stage, Stages as _};

    use super::{StageCollector, StageTimes};
    use crate::metrics::Metrics;

    #[test]
    fn a_time_is_counted_in_the_first_bucket_that_holds_it() {
        let times = Arc::new(StageTimes::default());
        for nanos in [0, 1000, 1001, 3_000_000] {
            times.took(Stage::Commit, Duration::from_nanos(nanos));
        }
        times.took(Stage::Commit, Duration::from_hours(1));
        times.authenticated(Duration::from_micros(2));
        let metrics = Metrics::new();
        metrics.collect(Box::new(StageCollector(times)));
        let text = metrics.text().unwrap();
        for line in [
            r#"relynt_stage_duration_seconds_bucket{le="0.000001",stage="commit"} 2"#,
            r#"relynt_stage_duration_seconds_bucket{le="0.000002",stage="commit"} 3"#,
            r#"relynt_stage_duration_seconds_bucket{le="0.002048",stage="commit"} 3"#,
            r#"relynt_stage_duration_seconds_bucket{le="0.004096",stage="commit"} 4"#,
            r#"relynt_stage_duration_seconds_bucket{le="33.554432",stage="commit"} 4"#,
            r#"relynt_stage_duration_seconds_bucket{le="+Inf",stage="commit"} 5"#,
            r#"relynt_stage_duration_seconds_count{stage="commit"} 5"#,
            r#"relynt_stage_duration_seconds_count{stage="authenticate"} 1"#,
            r#"relynt_stage_duration_seconds_count{stage="execute"} 0"#,
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
}
