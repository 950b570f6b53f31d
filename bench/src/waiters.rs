//! Callers that wait: so many connections, each with one long-poll

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use mio::{Events, Poll, Token};
use serde_json::{Value, json};

use crate::connection::{Buffer, Connection, Progress};
use crate::template::Templates;

/// Lets `connections` callers wait until each is answered or the time is up. Prints `ready` once
/// all have asked.
pub fn run(
    address: SocketAddr,
    connections: usize,
    most: Duration,
    templates: &mut Templates,
) -> Result<Value> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(4096);
    let mut waiting = Vec::with_capacity(connections);
    let (mut request, mut buffer) = (Vec::new(), Buffer::default());
    for number in 0..connections {
        let connection = Connection::open(address, Token(number), poll.registry());
        let mut connection =
            connection.with_context(|| format!("connection {number} to {address}"))?;
        templates.write(&mut request);
        connection.start(Instant::now(), &request)?;
        waiting.push(connection);
    }
    let mut out = std::io::stdout();
    writeln!(out, "ready")?;
    out.flush()?;
    let end = Instant::now() + most;
    let (mut first, mut last) = (None, None);
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    let (mut answered, mut closed) = (0, 0);
    while answered + closed < connections && Instant::now() < end {
        poll.poll(&mut events, Some(Duration::from_millis(50)))?;
        for event in &events {
            let Some(connection) = waiting.get_mut(event.token().0) else {
                continue;
            };
            if event.is_writable() && connection.go_on().is_err() {
                closed += 1;
            } else if event.is_readable() {
                match connection.read(&mut buffer) {
                    Progress::Waiting => {}
                    Progress::Closed => closed += 1,
                    Progress::Answered(one) => {
                        answered += 1;
                        *statuses.entry(one.status).or_default() += 1;
                        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
                        first.get_or_insert(now);
                        last = Some(now);
                    }
                }
            }
        }
    }
    Ok(json!({
        "asked": connections,
        "answered": answered,
        "closed": closed,
        "statuses": statuses,
        "first_answer_at": first,
        "last_answer_at": last,
    }))
}
