//! The open loop: requests at fixed times, whether or not earlier ones were answered
//!
//! A latency counts from the time at which a request was to be sent. One that finds every
//! connection taken waits for the next that is free, and that wait counts too, so that a stall of
//! the server is seen by all who would have come during it (no coordinated omission).

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mio::{Events, Poll, Token};
use serde_json::{Value, json};

use crate::closed::{own_cpu, sample};
use crate::connection::{Connection, Progress};
use crate::histogram::Histogram;
use crate::template::Templates;

/// How to load.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
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
}

/// One second of it.
#[derive(Debug, Default, Clone)]
struct Second {
    accepted: Histogram,
    refused: u64,
}

/// A place for a connection. Connections are opened when one is needed and none is idle.
#[derive(Default)]
struct Slot {
    connection: Option<Connection>,
    busy: bool,
}

struct Run<'a> {
    plan: &'a Plan,
    templates: &'a mut Templates,
    slots: Vec<Slot>,
    /// The last that was answered is the next that is used: the others may close.
    idle: Vec<usize>,
    empty: Vec<usize>,
    waiting: VecDeque<Instant>,
    begin: Instant,
    accepted: Histogram,
    refused: Histogram,
    statuses: BTreeMap<u16, u64>,
    seconds: Vec<Second>,
    broken: u64,
    most_waiting: usize,
    most_connections: usize,
    never_sent: usize,
    sample: String,
}

/// Loads and measures.
pub fn run(plan: &Plan, templates: &mut Templates) -> Result<Value> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(4096);
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
        statuses: BTreeMap::new(),
        seconds: Vec::new(),
        broken: 0,
        most_waiting: 0,
        most_connections: 0,
        never_sent: 0,
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
        if now > end {
            // Nobody comes any more: whoever found no connection has left.
            run.never_sent += run.waiting.len();
            run.waiting.clear();
        }
        run.send(&poll)?;
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
    let unanswered = run.under_way();
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
            self.templates.write(&mut connection.request);
            slot.busy = true;
            if connection.start(due).is_err() {
                self.close(number);
            }
        }
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
            match connection.read() {
                Progress::Waiting => {}
                Progress::Answered(status) if slot.busy => {
                    slot.busy = false;
                    let since = connection.since;
                    if self.sample.is_empty() && status == 200 {
                        self.sample = sample(connection.answer());
                    }
                    self.idle.push(number);
                    self.answered(status, since);
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

    fn answered(&mut self, status: u16, since: Instant) {
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
        if status == 200 {
            self.accepted.record(taken);
            second.accepted.record(taken);
        } else {
            self.refused.record(taken);
            second.refused += 1;
        }
    }

    fn json(&self, sent: u64, unanswered: usize) -> Value {
        let seconds: Vec<Value> = self
            .seconds
            .iter()
            .map(|second| {
                json!({
                    "accepted": second.accepted.total(),
                    "refused": second.refused,
                    "accepted_p99_us": second.accepted.quantile(0.99) as f64 / 1000.0,
                })
            })
            .collect();
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
            "never_sent": self.never_sent,
            "accepted": self.accepted.total(),
            "accepted_rate": meanwhile as f64 / whole.max(1) as f64,
            "accepted_latency_us": self.accepted.figures(),
            "refused_latency_us": self.refused.figures(),
            "statuses": self.statuses,
            "unanswered": unanswered,
            "broken_connections": self.broken,
            "most_waiting_for_a_connection": self.most_waiting,
            "most_connections": self.most_connections,
            "seconds": seconds,
            "generator_cpu_s": own_cpu(),
            "sample": self.sample,
        })
    }
}
