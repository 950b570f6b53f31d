//! Bounded time and bounded size.

use std::time::Duration;

use relynt_egress::{BodyEnd, Fault, Sent};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::target::{answering, play, post, read_request, send, way_out};

const MIB: usize = 1024 * 1024;

fn body_of(length: usize) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + length, b'x');
    answer
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_complete() {
    let target = answering(body_of(MIB)).await;
    let report = send(
        &way_out("127.0.0.0/8"),
        post(&format!("http://{}/", target.address)),
    )
    .await;
    let answer = report.answer.unwrap();
    assert_eq!((answer.end, answer.body.len()), (BodyEnd::Complete, MIB));
    assert!(report.fault.is_none());
}

#[tokio::test]
async fn a_byte_more_is_too_long() {
    let target = answering(body_of(MIB + 1)).await;
    let report = send(
        &way_out("127.0.0.0/8"),
        post(&format!("http://{}/", target.address)),
    )
    .await;
    let answer = report.answer.unwrap();
    assert_eq!((answer.end, answer.body.len()), (BodyEnd::TooLong, MIB));
}

#[tokio::test]
async fn a_body_without_end_is_cut_at_the_limit() {
    let target = play(|mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        while stream.write_all(&[b'x'; 8192]).await.is_ok() {}
    })
    .await;
    let report = send(
        &way_out("127.0.0.0/8"),
        post(&format!("http://{}/", target.address)),
    )
    .await;
    let answer = report.answer.unwrap();
    assert_eq!((answer.end, answer.body.len()), (BodyEnd::TooLong, MIB));
    target.done().await;
}

#[tokio::test]
async fn a_head_without_end_is_a_broken_connection() {
    let target = play(|mut stream| async move {
        read_request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        while stream
            .write_all(b"x-more: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n")
            .await
            .is_ok()
        {}
    })
    .await;
    let report = send(
        &way_out("127.0.0.0/8"),
        post(&format!("http://{}/", target.address)),
    )
    .await;
    assert!(report.answer.is_none());
    assert!(matches!(report.fault, Some(Fault::Broken)));
    target.done().await;
}

#[tokio::test]
async fn a_target_that_never_answers_is_a_time_out() {
    let target = play(|mut stream| async move {
        read_request(&mut stream).await;
        stream.read(&mut [0]).await
    })
    .await;
    let mut exchange = post(&format!("http://{}/", target.address));
    exchange.within = Duration::from_millis(200);
    let report = send(&way_out("127.0.0.0/8"), exchange).await;
    assert_eq!(report.sent, Sent::Maybe);
    assert!(report.answer.is_none());
    assert!(matches!(report.fault, Some(Fault::Timeout)));
    target.done().await.unwrap();
}

#[tokio::test]
async fn a_dribbled_head_or_body_ends_with_the_time() {
    for head in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"] {
        let target = play(move |mut stream| async move {
            read_request(&mut stream).await;
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            loop {
                tick.tick().await;
                let byte = if head.is_empty() { b"H" } else { b"x" };
                if stream.write_all(byte).await.is_err() {
                    return;
                }
                if head.is_empty() {
                    // One byte of a status line, then silence until the other side goes.
                    let _ = stream.read(&mut [0]).await;
                    return;
                }
            }
        })
        .await;
        let mut exchange = post(&format!("http://{}/", target.address));
        exchange.within = Duration::from_millis(200);
        let report = send(&way_out("127.0.0.0/8"), exchange).await;
        assert_eq!(report.sent, Sent::Maybe);
        assert!(matches!(report.fault, Some(Fault::Timeout)));
        assert_eq!(
            report.answer.map(|answer| answer.end),
            (!head.is_empty()).then_some(BodyEnd::TimedOut)
        );
        target.done().await;
    }
}

#[tokio::test]
async fn a_target_that_reads_nothing_is_a_time_out() {
    let (done, wait) = tokio::sync::oneshot::channel::<()>();
    let target = play(|stream| async move {
        let _ = wait.await;
        drop(stream);
    })
    .await;
    let mut exchange = post(&format!("http://{}/", target.address));
    *exchange.request.body_mut() = vec![b'x'; 64 * MIB].into();
    exchange.within = Duration::from_millis(300);
    let report = send(&way_out("127.0.0.0/8"), exchange).await;
    assert_eq!(report.sent, Sent::Maybe);
    assert!(matches!(report.fault, Some(Fault::Timeout)));
    done.send(()).unwrap();
    target.done().await;
}

#[tokio::test]
async fn a_resolver_that_never_answers_is_bounded() {
    #[derive(Debug)]
    struct Never;
    impl relynt_egress::Resolve for Never {
        fn resolve<'a>(&'a self, _: &'a str, _: u16) -> relynt_egress::Resolving<'a> {
            Box::pin(std::future::pending())
        }
    }
    let out = way_out("").with_resolver(std::sync::Arc::new(Never));
    let mut exchange = post("http://crm.example.com/");
    exchange.connect_within = Duration::from_millis(50);
    let report = send(&out, exchange).await;
    assert_eq!(report.sent, Sent::No);
    assert!(matches!(report.fault, Some(Fault::ConnectTimeout)));
}
