//! What the store and the bound on decisions tell of themselves, as metrics

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};
use relynt_gateway::Places;

use crate::store::OpenStore;

/// Upper bounds of the sizes of groups. With 7 among them a median of at least 8 can be read off.
const BOUNDS: [usize; 9] = [1, 2, 4, 7, 16, 32, 64, 128, 256];

/// Says how many decisions are under way when it is asked.
#[derive(Debug)]
pub(crate) struct DecisionsCollector(Arc<Places>);

impl DecisionsCollector {
    pub(crate) fn new(places: Arc<Places>) -> Self {
        Self(places)
    }
}

impl Collector for DecisionsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let taken = u64::try_from(self.0.taken()).unwrap_or(u64::MAX);
        ConstGauge::new(taken).encode(encoder.encode_descriptor(
            "decisions_under_way",
            "Tool calls that hold a place, from the reading of their body until their first commit",
            None,
            MetricType::Gauge,
        )?)
    }
}

/// Reads the store's counters when they are asked for.
pub(crate) struct StoreCollector(OpenStore);

impl StoreCollector {
    pub(crate) const fn new(store: OpenStore) -> Self {
        Self(store)
    }
}

impl fmt::Debug for StoreCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreCollector")
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
impl Collector for StoreCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let gauges = self.0.port().gauges();
        let depth = ConstGauge::new(gauges.queue_depth);
        depth.encode(encoder.encode_descriptor(
            "store_queue_depth",
            "Commands that wait for the writer",
            None,
            MetricType::Gauge,
        )?)?;
        let commands = ConstCounter::new(gauges.commands);
        commands.encode(encoder.encode_descriptor(
            "store_commands",
            "Commands committed",
            None,
            MetricType::Counter,
        )?)?;
        let sizes = self.0.group_sizes();
        let mut buckets: Vec<(f64, u64)> = BOUNDS.iter().map(|size| (*size as f64, 0)).collect();
        for (size, count) in sizes.iter().enumerate() {
            let place = BOUNDS.iter().position(|bound| size <= *bound);
            if let Some((_, of)) = place.and_then(|place| buckets.get_mut(place)) {
                *of += count;
            }
        }
        // The last one has no bound.
        buckets.push((f64::INFINITY, 0));
        let groups: u64 = sizes.iter().sum();
        encoder
            .encode_descriptor(
                "store_group_size",
                "Commands that were committed together",
                None,
                MetricType::Histogram,
            )?
            .encode_histogram::<NoLabelSet>(gauges.commands as f64, groups, &buckets, None)
    }
}
