//! Connections that are used again: by whom, how long, and never after anything went wrong.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use relynt_domain::OrganizationId;
use relynt_egress::{Exchange, Fault, Hold, Sent};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::target::{post, read_request, send, way_out};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A target that counts its connections and the requests on each.
struct Target {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<usize>>>,
}

impl Target {
    /// Answers the requests of each connection with these, then waits for its end.
    async fn answering(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(0);
                    seen.len() - 1
                };
                tokio::spawn(Self::serve(stream, answers, Arc::clone(&seen), number));
            }
        });
        Self { address, requests }
    }

    async fn serve(
        mut stream: TcpStream,
        answers: &'static [&'static str],
        seen: Arc<Mutex<Vec<usize>>>,
        number: usize,
    ) {
        for answer in answers {
            if read_request(&mut stream).await.is_empty() {
                return;
            }
            seen.lock().unwrap()[number] += 1;
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }

    fn exchange(&self) -> Exchange {
        post(&format!("http://{}/", self.address))
    }

    /// Requests on each connection, in the order of the connections.
    fn seen(&self) -> Vec<usize> {
        self.requests.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_second_request_goes_over_the_first_ones_connection() {
    let target = Target::answering(&[OK, OK, OK]).await;
    let out = way_out("127.0.0.0/8");
    for _ in 0..3 {
        let report = send(&out, target.exchange()).await;
        assert_eq!(report.answer.unwrap().body, "ok");
        assert_eq!(report.sent, Sent::Maybe);
        assert!(report.fault.is_none());
    }
    assert_eq!(target.seen(), [3]);
}

#[tokio::test]
async fn another_organization_gets_a_connection_of_its_own() {
    let target = Target::answering(&[OK, OK]).await;
    let out = way_out("127.0.0.0/8");
    for organization in [None, Some([1; 16]), Some([2; 16])] {
        let mut exchange = target.exchange();
        exchange.organization = organization.map(OrganizationId::from_bytes);
        assert!(send(&out, exchange).await.fault.is_none());
    }
    assert_eq!(target.seen(), [1, 1, 1]);
}

#[tokio::test]
async fn a_connection_that_its_target_wants_closed_is_not_used_again() {
    let target =
        Target::answering(&["HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"])
            .await;
    let out = way_out("127.0.0.0/8");
    for _ in 0..3 {
        let report = send(&out, target.exchange()).await;
        assert_eq!(report.answer.unwrap().body, "ok");
    }
    assert_eq!(target.seen(), [1, 1, 1]);
}

#[tokio::test]
async fn a_connection_that_its_target_closed_is_not_used_again_and_nothing_is_lost() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let out = way_out("127.0.0.0/8");
    for _ in 0..3 {
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            read_request(&mut stream).await;
            // It keeps the connection open as far as its answer says, and then leaves.
            stream.write_all(OK.as_bytes()).await.unwrap();
        };
        let (report, ()) = tokio::join!(send(&out, post(&url)), serve);
        assert_eq!(report.answer.unwrap().body, "ok");
        // The end of the connection is on its way; the runtime looks at its sockets meanwhile.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn after_a_second_without_a_request_a_fresh_connection_is_made() {
    let target = Target::answering(&[OK, OK]).await;
    let out = way_out("127.0.0.0/8");
    assert!(send(&out, target.exchange()).await.fault.is_none());
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(1001)).await;
    tokio::time::resume();
    assert!(send(&out, target.exchange()).await.fault.is_none());
    assert_eq!(target.seen(), [1, 1]);
}

#[tokio::test]
async fn connections_that_nobody_uses_are_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let ended = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        read_request(&mut stream).await;
        stream.write_all(OK.as_bytes()).await.unwrap();
        stream.read(&mut [0]).await.unwrap()
    });
    let out = way_out("127.0.0.0/8");
    assert!(send(&out, post(&url)).await.fault.is_none());
    out.close_idle();
    assert!(!ended.is_finished());
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(1001)).await;
    tokio::time::resume();
    out.close_idle();
    assert_eq!(ended.await.unwrap(), 0);
}

#[tokio::test]
async fn a_late_answer_is_never_taken_for_the_next_ones() {
    // The first answer comes after its request was given up: the connection is not used again.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (late, mut given_up) = tokio::sync::mpsc::channel::<()>(1);
    let served = tokio::spawn(async move {
        let (mut first, _) = listener.accept().await.unwrap();
        read_request(&mut first).await;
        given_up.recv().await.unwrap();
        let _ = first.write_all(OK.replace("ok", "no").as_bytes()).await;
        let (mut second, _) = listener.accept().await.unwrap();
        read_request(&mut second).await;
        second.write_all(OK.as_bytes()).await.unwrap();
    });
    let out = way_out("127.0.0.0/8");
    let mut exchange = post(&url);
    exchange.within = Duration::from_millis(50);
    let report = send(&out, exchange).await;
    assert!(matches!(report.fault, Some(Fault::Timeout)));
    late.send(()).await.unwrap();
    let report = send(&out, post(&url)).await;
    assert_eq!(report.answer.unwrap().body, "ok");
    served.await.unwrap();
}

#[tokio::test]
async fn an_answer_that_was_not_read_whole_ends_its_connection() {
    let target = Target::answering(&[OK, OK]).await;
    let out = way_out("127.0.0.0/8");
    let mut exchange = target.exchange();
    exchange.max_body = 1;
    assert_eq!(send(&out, exchange).await.answer.unwrap().body, "o");
    assert!(send(&out, target.exchange()).await.fault.is_none());
    assert_eq!(target.seen(), [1, 1]);
}

#[tokio::test]
async fn a_request_that_is_held_back_writes_nothing_on_a_kept_connection() {
    let target = Target::answering(&[OK, OK]).await;
    let out = way_out("127.0.0.0/8");
    assert!(send(&out, target.exchange()).await.fault.is_none());
    let report = out.exchange(target.exchange(), || Err(Hold::Frozen)).await;
    assert_eq!(report.sent, Sent::No);
    assert!(matches!(report.fault, Some(Fault::Held(Hold::Frozen))));
    // And what comes after it is sent once, on a connection of its own.
    assert!(send(&out, target.exchange()).await.fault.is_none());
    assert_eq!(target.seen(), [1, 1]);
}

#[tokio::test]
async fn bytes_that_nobody_asked_for_end_a_kept_connection() {
    let twice = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno";
    let target = Target::answering(Box::leak(Box::new([twice, twice]))).await;
    let out = way_out("127.0.0.0/8");
    for _ in 0..3 {
        let report = send(&out, target.exchange()).await;
        assert_eq!(report.answer.unwrap().body, "ok");
    }
    assert_eq!(target.seen(), [1, 1, 1]);
}
