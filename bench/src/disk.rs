//! The disk alone: an append and its sync, which no durable answer can be faster than

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use crate::histogram::Histogram;

/// Appends `bytes` and syncs (`fdatasync`), over and over.
pub fn run(folder: &Path, bytes: usize, time: Duration) -> Result<Value> {
    let path = folder.join(format!("append-{}", std::process::id()));
    let mut file = OpenOptions::new()
        .create_new(true)
        .append(true)
        .open(&path)?;
    let record = vec![b'x'; bytes];
    let mut latencies = Histogram::default();
    let begin = Instant::now();
    let mut now = begin;
    while now - begin < time {
        file.write_all(&record)?;
        file.sync_data()?;
        let done = Instant::now();
        latencies.record(done - now);
        now = done;
    }
    drop(file);
    std::fs::remove_file(&path)?;
    Ok(json!({
        "bytes": bytes,
        "syncs": latencies.total(),
        "rate": latencies.total() as f64 / (now - begin).as_secs_f64(),
        "latency_us": latencies.figures(),
    }))
}
