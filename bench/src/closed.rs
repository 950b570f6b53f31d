//! The closed loop: so many connections, each of which sends again once it is answered

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mio::{Events, Poll, Token};
use serde_json::{Value, json};

use crate::connection::{Connection, Progress};
use crate::histogram::Histogram;
use crate::template::Templates;

/// How to load.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Where.
    pub address: SocketAddr,
    /// Connections, each with one request at a time.
    pub connections: usize,
    /// Not measured.
    pub warm_up: Duration,
    /// Measured.
    pub time: Duration,
    /// Ends after so many answers, if that is sooner.
    pub count: Option<u64>,
}

/// What was measured.
#[derive(Debug)]
pub struct Measured {
    seconds: f64,
    latencies: Histogram,
    statuses: BTreeMap<u16, u64>,
    broken: u64,
    /// Answers, those of the warm-up included: what the server's CPU time is divided by.
    all: u64,
    sample: String,
}

impl Measured {
    /// As JSON.
    pub fn json(&self) -> Value {
        json!({
            "seconds": self.seconds,
            "answers": self.latencies.total(),
            "rate": self.latencies.total() as f64 / self.seconds,
            "latency_us": self.latencies.figures(),
            "statuses": self.statuses,
            "broken_connections": self.broken,
            "answers_with_warm_up": self.all,
            "generator_cpu_s": own_cpu(),
            "sample": self.sample,
        })
    }
}

/// CPU seconds of this process so far, from the kernel's table.
pub fn own_cpu() -> Option<f64> {
    let line = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = line.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(ticks as f64 / 100.0)
}

/// The last answer's status line and body, cut: so that a reader sees what was measured.
pub fn sample(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer.get(..1200.min(answer.len())).unwrap_or_default()).into_owned()
}

/// Loads and measures.
pub fn run(plan: &Plan, templates: &mut Templates) -> Result<Measured> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut connections = Vec::with_capacity(plan.connections);
    for number in 0..plan.connections {
        let connection = Connection::open(plan.address, Token(number), poll.registry());
        connections
            .push(connection.with_context(|| format!("connection {number} to {}", plan.address))?);
    }
    let mut measured = Measured {
        seconds: 0.0,
        latencies: Histogram::default(),
        statuses: BTreeMap::new(),
        broken: 0,
        all: 0,
        sample: String::new(),
    };
    let begin = Instant::now();
    let (from, until) = (begin + plan.warm_up, begin + plan.warm_up + plan.time);
    for connection in &mut connections {
        templates.write(&mut connection.request);
        connection.start(Instant::now())?;
    }
    let mut now = begin;
    while now < until && plan.count.is_none_or(|count| measured.all < count) {
        poll.poll(&mut events, Some(Duration::from_millis(50)))?;
        now = Instant::now();
        for event in &events {
            let Some(connection) = connections.get_mut(event.token().0) else {
                continue;
            };
            let mut closed = event.is_writable() && connection.go_on().is_err();
            if event.is_readable() && !closed {
                match connection.read() {
                    Progress::Waiting => continue,
                    Progress::Closed => closed = true,
                    Progress::Answered(status) => {
                        now = Instant::now();
                        measured.all += 1;
                        if now >= from && now < until {
                            measured.latencies.record(now - connection.since);
                            *measured.statuses.entry(status).or_default() += 1;
                        }
                        if measured.sample.is_empty() {
                            measured.sample = sample(connection.answer());
                        }
                        templates.write(&mut connection.request);
                        closed = connection.start(now).is_err();
                    }
                }
            }
            if closed {
                measured.broken += 1;
                anyhow::ensure!(
                    measured.broken < 10_000,
                    "the server keeps closing connections"
                );
                *connection = Connection::open(plan.address, event.token(), poll.registry())?;
                templates.write(&mut connection.request);
                connection.start(Instant::now())?;
            }
        }
    }
    measured.seconds = now.saturating_duration_since(from).as_secs_f64().max(1e-9);
    Ok(measured)
}
