//! The closed loop: so many connections, each of which sends again once it is answered
//!
//! The rate is of the answers that came while it was measured. Latencies are of the requests that
//! were sent meanwhile: at the end nothing more is sent, and what is under way is waited for, so
//! that a stall at the end is not left out.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mio::{Events, Poll, Token};
use serde_json::{Value, json};

use crate::connection::{Buffer, Connection, Progress};
use crate::histogram::Histogram;
use crate::template::Templates;

/// How to load.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
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
    /// What every answer with status 200 has to contain.
    pub expect: Option<&'a [u8]>,
}

/// For how long the last answers are waited for.
const TAIL: Duration = Duration::from_secs(30);

/// What was measured.
#[derive(Debug, Default)]
pub struct Measured {
    seconds: f64,
    latencies: Histogram,
    statuses: BTreeMap<u16, u64>,
    /// Answers with status 200 that are not what was expected.
    unexpected: u64,
    broken: u64,
    unanswered: usize,
    /// Answers, those of the warm-up included: what the server's CPU time is divided by.
    all: u64,
    sample: String,
}

impl Measured {
    /// As JSON.
    pub fn json(&self) -> Value {
        json!({
            "seconds": self.seconds,
            "answers": self.statuses.values().sum::<u64>(),
            "unexpected": self.unexpected,
            "unanswered": self.unanswered,
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

/// Whether an answer has this in it.
pub fn contains(answer: &[u8], expected: &[u8]) -> bool {
    memchr::memmem::find(answer, expected).is_some()
}

/// Loads and measures.
pub fn run(plan: &Plan<'_>, templates: &mut Templates) -> Result<Measured> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut connections = Vec::with_capacity(plan.connections);
    for number in 0..plan.connections {
        let connection = Connection::open(plan.address, Token(number), poll.registry());
        connections
            .push(connection.with_context(|| format!("connection {number} to {}", plan.address))?);
    }
    let mut measured = Measured::default();
    let (mut request, mut buffer) = (Vec::new(), Buffer::default());
    let begin = Instant::now();
    let (from, until) = (begin + plan.warm_up, begin + plan.warm_up + plan.time);
    for connection in &mut connections {
        templates.write(&mut request);
        connection.start(Instant::now(), &request)?;
    }
    let mut now = begin;
    let mut under_way = connections.len();
    while under_way > 0 && now < until + TAIL {
        poll.poll(&mut events, Some(Duration::from_millis(50)))?;
        now = Instant::now();
        for event in &events {
            let Some(connection) = connections.get_mut(event.token().0) else {
                continue;
            };
            let mut again = false;
            let mut closed = event.is_writable() && connection.go_on().is_err();
            if event.is_readable() && !closed {
                match connection.read(&mut buffer) {
                    Progress::Waiting => continue,
                    Progress::Closed => closed = true,
                    Progress::Answered(answered) => {
                        now = Instant::now();
                        measured.all += 1;
                        let answer = buffer.answer(answered);
                        if now >= from && now < until {
                            *measured.statuses.entry(answered.status).or_default() += 1;
                        }
                        if connection.since >= from {
                            measured.latencies.record(now - connection.since);
                        }
                        if answered.status == 200
                            && plan.expect.is_some_and(|text| !contains(answer, text))
                        {
                            measured.unexpected += 1;
                        }
                        if measured.sample.is_empty() {
                            measured.sample = sample(answer);
                        }
                        (again, closed) = (true, answered.closes);
                    }
                }
            }
            if !again && !closed {
                continue;
            }
            if closed && !again {
                measured.broken += 1;
                anyhow::ensure!(
                    measured.broken < 10_000,
                    "the server keeps closing connections"
                );
            }
            if now >= until || plan.count.is_some_and(|count| measured.all >= count) {
                under_way -= 1;
                continue;
            }
            if closed {
                *connection = Connection::open(plan.address, event.token(), poll.registry())?;
            }
            templates.write(&mut request);
            connection.start(Instant::now(), &request)?;
        }
    }
    measured.unanswered = under_way;
    let ended = now.min(until);
    measured.seconds = ended
        .saturating_duration_since(from)
        .as_secs_f64()
        .max(1e-9);
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Plan, run};
    use crate::template::tests::plain;
    use crate::testing::server;

    #[test]
    fn what_is_under_way_at_the_end_has_a_latency_and_is_no_part_of_the_rate() {
        let plan = Plan {
            address: server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"),
            connections: 3,
            warm_up: Duration::ZERO,
            time: Duration::ZERO,
            count: None,
            expect: Some(b"{}"),
        };
        let measured = run(&plan, &mut plain()).unwrap();
        assert_eq!(measured.latencies.total(), 3);
        assert!(measured.statuses.is_empty());
        assert_eq!((measured.unexpected, measured.unanswered), (0, 0));
    }

    #[test]
    fn an_answer_that_is_not_what_was_expected_is_counted() {
        let plan = Plan {
            address: server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"),
            connections: 1,
            warm_up: Duration::ZERO,
            time: Duration::from_mins(1),
            count: Some(5),
            expect: Some(b"allow"),
        };
        assert_eq!(run(&plan, &mut plain()).unwrap().unexpected, 5);
    }
}
