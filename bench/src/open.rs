//! The open loop: requests at fixed times, whether or not earlier ones were answered
//!
//! A latency counts from the time at which a request was to be sent. One that finds every
//! connection taken waits for the next that is free, and that wait counts too, so that a stall of
//! the server is seen by all who would have come during it (no coordinated omission).
//!
//! Every request that was due is counted once: answered, broken, unanswered at the end, or never
//! sent because no connection became free. The last three have no latency and are no answers; how
//! long those that were never sent had waited by the end is told apart.
//!
//! How late the sender itself is, a connection being free, is told too: were that more than a few
//! milliseconds, the generator and not the server would be what is measured.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use mio::{Events, Poll, Token};
use serde_json::{Value, json};

use crate::closed::{contains, own_cpu, sample};
use crate::connection::{Answered, Buffer, Connection, Progress};
use crate::histogram::Histogram;
use crate::template::Templates;

/// How to load.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// Where.
    pub address: SocketAddr,
    /// The most requests at once.
    pub connections: usize,
    /// Requests a second.
    pub rate: f64,
    /// For how long requests are sent.
    pub time: Duration,
    /// For how long answers are waited for after that.
    pub tail: Duration,
    /// What every answer with status 200 has to contain.
    pub expect: Option<&'a [u8]>,
}

/// So few events at a time, so that what becomes due meanwhile does not wait for long.
const EVENTS: usize = 256;

/// One second of it.
#[derive(Debug, Default, Clone)]
struct Second {
    accepted: Histogram,
    refused: u64,
    other: u64,
}

/// A place for a connection. Connections are opened when one is needed and none is idle.
#[derive(Default)]
struct Slot {
    connection: Option<Connection>,
    busy: bool,
}

struct Run<'a> {
    plan: &'a Plan<'a>,
    templates: &'a mut Templates,
    slots: Vec<Slot>,
    /// The last that was answered is the next that is used: the others may close.
    idle: Vec<usize>,
    empty: Vec<usize>,
    waiting: VecDeque<Instant>,
    begin: Instant,
    accepted: Histogram,
    refused: Histogram,
    /// Other statuses than 200 and 503, and answers that are not what was expected.
    other: Histogram,
    late: Histogram,
    left: Histogram,
    waited_at_the_end: Duration,
    /// Whether somebody waits for a connection.
    short: bool,
    request: Vec<u8>,
    buffer: Buffer,
    statuses: BTreeMap<u16, u64>,
    seconds: Vec<Second>,
    broken: u64,
    most_waiting: usize,
    most_connections: usize,
    sample: String,
}

/// Loads and measures.
pub fn run(plan: &Plan<'_>, templates: &mut Templates) -> Result<Value> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(EVENTS);
    let mut run = Run {
        plan,
        templates,
        slots: (0..plan.connections).map(|_| Slot::default()).collect(),
        idle: Vec::new(),
        empty: (0..plan.connections).rev().collect(),
        waiting: VecDeque::new(),
        begin: Instant::now(),
        accepted: Histogram::default(),
        refused: Histogram::default(),
        other: Histogram::default(),
        late: Histogram::default(),
        left: Histogram::default(),
        waited_at_the_end: Duration::ZERO,
        short: false,
        request: Vec::new(),
        buffer: Buffer::default(),
        statuses: BTreeMap::new(),
        seconds: Vec::new(),
        broken: 0,
        most_waiting: 0,
        most_connections: 0,
        sample: String::new(),
    };
    let total = (plan.rate * plan.time.as_secs_f64()) as u64;
    let mut sent = 0;
    let end = run.begin + plan.time;
    loop {
        let now = Instant::now();
        while sent < total {
            let due = run.begin + Duration::from_secs_f64(sent as f64 / plan.rate);
            if due > now {
                break;
            }
            run.waiting.push_back(due);
            sent += 1;
        }
        run.send(&poll)?;
        if now > end {
            // Nobody comes any more: whoever found no connection has left.
            for due in std::mem::take(&mut run.waiting) {
                run.left.record(now - due);
            }
        }
        run.most_waiting = run.most_waiting.max(run.waiting.len());
        let under_way = run.under_way();
        run.most_connections = run.most_connections.max(under_way);
        if (now > end && under_way == 0) || now > end + plan.tail {
            break;
        }
        poll.poll(&mut events, Some(Duration::from_millis(1)))?;
        for event in &events {
            run.event(event.token().0, event.is_writable(), event.is_readable());
        }
    }
    run.waited_at_the_end = end.elapsed();
    let unanswered = run.under_way();
    let answers = run.statuses.values().sum::<u64>();
    let counted = answers + run.broken + run.left.total() + unanswered as u64;
    anyhow::ensure!(counted == sent, "{sent} were due and {counted} counted");
    Ok(run.json(sent, unanswered))
}

impl Run<'_> {
    fn under_way(&self) -> usize {
        self.slots.len() - self.idle.len() - self.empty.len()
    }

    /// Gives what is due to connections that are free.
    fn send(&mut self, poll: &Poll) -> Result<()> {
        while let Some(due) = self.waiting.front().copied() {
            let number = match self.idle.pop() {
                // One that was closed meanwhile is opened again below.
                Some(number) => number,
                None => match self.empty.pop() {
                    Some(number) => number,
                    None => break,
                },
            };
            let Some(slot) = self.slots.get_mut(number) else {
                break;
            };
            if slot.connection.is_none() {
                let opened = Connection::begin(self.plan.address, Token(number), poll.registry());
                slot.connection = Some(opened.with_context(|| self.plan.address.to_string())?);
            }
            let Some(connection) = &mut slot.connection else {
                break;
            };
            self.waiting.pop_front();
            self.templates.write(&mut self.request);
            slot.busy = true;
            if !self.short {
                self.late.record(due.elapsed());
            }
            if connection.start(due, &self.request).is_err() {
                self.close(number);
            }
        }
        // Whoever waits for a connection is late by the server's fault, not by the sender's.
        self.short = !self.waiting.is_empty();
        Ok(())
    }

    fn event(&mut self, number: usize, writable: bool, readable: bool) {
        let Some(slot) = self.slots.get_mut(number) else {
            return;
        };
        let Some(connection) = &mut slot.connection else {
            return;
        };
        let mut closed = writable && slot.busy && connection.go_on().is_err();
        if readable && !closed {
            match connection.read(&mut self.buffer) {
                Progress::Waiting => {}
                Progress::Answered(answered) if slot.busy => {
                    slot.busy = false;
                    let since = connection.since;
                    if answered.closes {
                        slot.connection = None;
                    }
                    self.idle.push(number);
                    self.answered(answered, since);
                }
                Progress::Answered(_) | Progress::Closed => closed = true,
            }
        }
        if closed {
            self.close(number);
        }
    }

    /// An idle connection may go; one with a request is counted as broken.
    fn close(&mut self, number: usize) {
        let Some(slot) = self.slots.get_mut(number) else {
            return;
        };
        slot.connection = None;
        if std::mem::take(&mut slot.busy) {
            self.broken += 1;
            self.empty.push(number);
        }
    }

    fn answered(&mut self, answered: Answered, since: Instant) {
        let (status, answer) = (answered.status, self.buffer.answer(answered));
        let expected = self.plan.expect;
        let good = status == 200 && expected.is_none_or(|expected| contains(answer, expected));
        if self.sample.is_empty() && status == 200 {
            self.sample = sample(answer);
        }
        let now = Instant::now();
        let taken = now - since;
        let second = (now - self.begin).as_secs() as usize;
        if self.seconds.len() <= second {
            self.seconds.resize(second + 1, Second::default());
        }
        *self.statuses.entry(status).or_default() += 1;
        let Some(second) = self.seconds.get_mut(second) else {
            return;
        };
        if good {
            self.accepted.record(taken);
            second.accepted.record(taken);
        } else if status == 503 {
            self.refused.record(taken);
            second.refused += 1;
        } else {
            self.other.record(taken);
            second.other += 1;
        }
    }

    /// What came of it.
    fn json(&self, sent: u64, unanswered: usize) -> Value {
        let seconds: Vec<Value> = self
            .seconds
            .iter()
            .map(|second| {
                json!({
                    "accepted": second.accepted.total(),
                    "refused": second.refused,
                    "other": second.other,
                    "accepted_p99_us": second.accepted.quantile(0.99) as f64 / 1000.0,
                })
            })
            .collect();
        let ended = SystemTime::now().duration_since(UNIX_EPOCH);
        // What was answered while requests came; the tail has no offer to be compared with.
        let whole = self.plan.time.as_secs() as usize;
        let meanwhile: u64 = self
            .seconds
            .iter()
            .take(whole)
            .map(|second| second.accepted.total())
            .sum();
        json!({
            "offered_rate": self.plan.rate,
            "due": sent,
            "never_sent": self.left.total(),
            "never_sent_waited_us": self.left.figures(),
            "accepted": self.accepted.total(),
            "refused": self.refused.total(),
            "other": self.other.total(),
            "other_latency_us": self.other.figures(),
            "sender_late_us": self.late.figures(),
            "accepted_rate": meanwhile as f64 / whole.max(1) as f64,
            "accepted_latency_us": self.accepted.figures(),
            "refused_latency_us": self.refused.figures(),
            "statuses": self.statuses,
            "unanswered": unanswered,
            "sending_ended_at": ended.map_or(0.0, |at| at.saturating_sub(self.waited_at_the_end).as_secs_f64()),
            "broken_connections": self.broken,
            "most_waiting_for_a_connection": self.most_waiting,
            "most_connections": self.most_connections,
            "seconds": seconds,
            "generator_cpu_s": own_cpu(),
            "sample": self.sample,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use serde_json::Value;

    use super::{Plan, run};
    use crate::template::tests::plain;
    use crate::testing::server;

    /// A hundred requests in a tenth of a second.
    fn hundred(address: SocketAddr, connections: usize, tail: u64) -> Value {
        let plan = Plan {
            address,
            connections,
            rate: 1000.0,
            time: Duration::from_millis(100),
            tail: Duration::from_secs(tail),
            expect: Some(b"{}"),
        };
        run(&plan, &mut plain()).unwrap()
    }

    #[test]
    fn requests_that_find_no_connection_are_counted_and_not_forgotten() {
        let found = hundred(server(""), 1, 0);
        assert_eq!(found["due"], 100);
        assert_eq!(
            (&found["unanswered"], &found["never_sent"]),
            (&1.into(), &99.into())
        );
        assert_eq!(found["accepted"], 0);
    }

    #[test]
    fn a_wait_for_a_connection_is_part_of_the_latency() {
        // One connection for all: whoever comes while another is answered waits for it.
        let found = hundred(
            server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"),
            1,
            60,
        );
        let total = ["accepted", "never_sent"].map(|name| found[name].as_u64().unwrap());
        assert_eq!(total.iter().sum::<u64>(), 100, "{found}");
        assert_eq!(found["broken_connections"], 0);
    }

    #[test]
    fn a_connection_that_the_server_closes_after_its_answer_is_not_broken() {
        let refusal = "HTTP/1.1 503 Busy\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let found = hundred(server(refusal), 100, 60);
        assert_eq!(found["refused"], 100, "{found}");
        assert_eq!(found["broken_connections"], 0);
    }

    #[test]
    fn an_answer_that_is_not_what_was_expected_is_no_accepted_one() {
        let found = hundred(
            server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]"),
            100,
            60,
        );
        assert_eq!(
            (&found["accepted"], &found["other"]),
            (&0.into(), &100.into()),
            "{found}"
        );
    }
}
