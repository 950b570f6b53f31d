//! What the demo connector of `relynt dev` calls: a small customer-relationship system on
//! loopback, so that a `tool_response` is real.
//!
//! `POST` of a connector's envelope with the action `update_deal` changes the deal that the
//! resource `crm:deal:<id>` names and answers `{ "deal": {...}, "updated_at": … }`; `GET
//! /deals/<id>` shows one. Deals live as long as the process.

mod crm;
mod http;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use relynt_domain::Timestamp;

use self::crm::Crm;

/// Enough for the gateway's slots at this one connector; more wait in the listener's queue.
const WORKERS: usize = 16;

/// The running target; stops when dropped.
pub(crate) struct DemoTarget {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
}

impl DemoTarget {
    /// Listens on loopback; port 0 is any free one.
    pub(crate) fn start(port: u16, clock: fn() -> Timestamp) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let stopped = Arc::new(AtomicBool::new(false));
        let crm = Arc::new(Crm::new(clock));
        let mut target = Self {
            address,
            stopped,
            workers: Vec::with_capacity(WORKERS),
        };
        for _ in 0..WORKERS {
            let (listener, crm) = (listener.try_clone()?, Arc::clone(&crm));
            let stopped = Arc::clone(&target.stopped);
            let worker = std::thread::Builder::new().name("demo-crm".to_owned());
            let worker = worker.spawn(move || work(&listener, &crm, &stopped))?;
            target.workers.push(worker);
        }
        Ok(target)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for DemoTarget {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        for _ in &self.workers {
            // Wakes one worker; if it is gone already, there is nothing to wake.
            let _ = TcpStream::connect(self.address);
        }
        for worker in self.workers.drain(..) {
            let _ = worker.join();
        }
    }
}

fn work(listener: &TcpListener, crm: &Crm, stopped: &AtomicBool) {
    while !stopped.load(Ordering::Acquire) {
        // A connection that broke is the gateway's to report.
        if let Ok((stream, _)) = listener.accept()
            && !stopped.load(Ordering::Acquire)
        {
            let _ = http::serve(stream, crm);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use relynt_domain::Timestamp;

    use super::DemoTarget;

    fn ask(target: &DemoTarget, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(target.address()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }

    fn post(target: &DemoTarget, key: &str, body: &str) -> (u16, String) {
        let length = body.len();
        ask(
            target,
            &format!(
                "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                 Idempotency-Key: {key}\r\nContent-Length: {length}\r\n\r\n{body}"
            ),
        )
    }

    fn start() -> DemoTarget {
        DemoTarget::start(0, || Timestamp::from_unix_millis(1_700_000_000_007)).unwrap()
    }

    #[test]
    fn a_deal_is_updated_and_shown() {
        let target = start();
        let body = r#"{"action":"update_deal","resource":"crm:deal:123",
            "payload":{"amount":52000,"previous_amount":50000}}"#;
        let deal = r#"{"amount":52000,"id":"123","name":"Deal 123","stage":"negotiation"}"#;
        assert_eq!(
            post(&target, "k1", body),
            (
                200,
                format!(r#"{{"deal":{deal},"updated_at":"2023-11-14T22:13:20.007Z"}}"#)
            )
        );
        assert_eq!(
            ask(&target, "GET /deals/123 HTTP/1.1\r\nHost: x\r\n\r\n"),
            (200, format!(r#"{{"deal":{deal}}}"#))
        );
        assert_eq!(
            ask(&target, "GET /deals/9 HTTP/1.1\r\nHost: x\r\n\r\n").0,
            404
        );
    }

    #[test]
    fn the_same_key_changes_nothing_again() {
        let target = start();
        let update = |amount| {
            format!(
                r#"{{"action":"update_deal","resource":"crm:deal:1","payload":{{"amount":{amount}}}}}"#
            )
        };
        let first = post(&target, "same", &update(1));
        assert_eq!(post(&target, "same", &update(2)), first);
        assert_ne!(post(&target, "other", &update(2)), first);
    }

    #[test]
    fn what_is_not_understood_is_refused_and_changes_nothing() {
        let target = start();
        for (key, (body, status)) in [
            ("{", 400),
            ("[]", 400),
            (
                r#"{"action":"delete_deal","resource":"crm:deal:1","payload":{}}"#,
                422,
            ),
            (
                r#"{"action":"update_deal","resource":"crm:contact:1","payload":{}}"#,
                404,
            ),
            (
                r#"{"action":"update_deal","resource":"crm:deal:","payload":{}}"#,
                404,
            ),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(post(&target, &key.to_string(), body).0, status, "{body}");
        }
        assert_eq!(
            ask(&target, "GET /deals/1 HTTP/1.1\r\nHost: x\r\n\r\n").0,
            404
        );
        assert_eq!(ask(&target, "PUT / HTTP/1.1\r\nHost: x\r\n\r\n").0, 405);
        assert_eq!(ask(&target, "nonsense\r\n\r\n").0, 400);
        let long = "POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n";
        assert_eq!(ask(&target, long).0, 413);
    }

    #[test]
    fn it_stops_when_it_is_dropped_and_frees_its_port() {
        let target = start();
        let address = target.address();
        drop(target);
        assert!(TcpStream::connect(address).is_err());
        let again = DemoTarget::start(address.port(), || Timestamp::from_unix_millis(0)).unwrap();
        assert_eq!(again.address(), address);
    }
}
