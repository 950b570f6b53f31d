//! Connections cut at each stage, and the hold before the first byte: what is known of the request.

use std::io::ErrorKind;

use relynt_egress::{BodyEnd, Fault, Hold, Report, Sent};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::target::{Silent, answering, play, post, read_request, send, way_out};

async fn report_of(answer: &str) -> Report {
    let target = answering(answer).await;
    let report = send(
        &way_out("127.0.0.0/8"),
        post(&format!("http://{}/", target.address)),
    )
    .await;
    assert!(target.done().await.ends_with("{\"a\":1}"));
    report
}

#[tokio::test]
async fn a_refused_connection_has_sent_nothing() {
    let closed = Silent::on("127.0.0.1").address();
    let report = send(&way_out("127.0.0.0/8"), post(&format!("http://{closed}/"))).await;
    assert_eq!(report.sent, Sent::No);
    assert!(
        matches!(report.fault, Some(Fault::Refused(_))),
        "{:?}",
        report.fault
    );
}

#[tokio::test]
async fn a_name_without_address_has_sent_nothing() {
    let out = crate::target::resolving_to(&way_out(""), &[]);
    let report = send(&out, post("http://crm.example.com/")).await;
    assert_eq!(report.sent, Sent::No);
    assert!(matches!(report.fault, Some(Fault::Resolve(_))));
}

#[tokio::test]
async fn a_held_request_shows_the_target_a_connection_and_no_byte() {
    for hold in [Hold::TooLate, Hold::Frozen] {
        let target = play(|mut stream| async move {
            let mut seen = Vec::new();
            stream.read_to_end(&mut seen).await.unwrap();
            seen
        })
        .await;
        let exchange = post(&format!("http://{}/", target.address));
        let report = way_out("127.0.0.0/8")
            .exchange(exchange, move || Err(hold))
            .await;
        assert_eq!(report.sent, Sent::No);
        assert!(matches!(report.fault, Some(Fault::Held(why)) if why == hold));
        assert!(report.answer.is_none());
        assert_eq!(target.done().await, b"");
    }
}

#[tokio::test]
async fn the_check_is_asked_once_and_only_after_the_connection() {
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = || asked.load(std::sync::atomic::Ordering::SeqCst);
    let asks = std::sync::Arc::clone(&asked);
    let check = move || {
        asks.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok(())
    };
    let closed = Silent::on("127.0.0.1").address();
    way_out("127.0.0.0/8")
        .exchange(post(&format!("http://{closed}/")), check.clone())
        .await;
    assert_eq!(count(), 0);
    let target = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    way_out("127.0.0.0/8")
        .exchange(post(&format!("http://{}/", target.address)), check)
        .await;
    assert_eq!(count(), 1);
}

#[tokio::test]
async fn cut_after_the_request_may_have_acted() {
    let report = report_of("").await;
    assert_eq!(report.sent, Sent::Maybe);
    assert!(report.answer.is_none());
    assert!(matches!(report.fault, Some(Fault::Broken)));
}

#[tokio::test]
async fn cut_in_the_head_may_have_acted() {
    for answer in [
        "H",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\ncontent-le",
    ] {
        let report = report_of(answer).await;
        assert_eq!(report.sent, Sent::Maybe);
        assert!(report.answer.is_none(), "{answer}");
        assert!(matches!(report.fault, Some(Fault::Broken)), "{answer}");
    }
}

#[tokio::test]
async fn cut_in_the_body_keeps_the_status_and_what_came() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"a\"",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n",
    ] {
        let report = report_of(answer).await;
        assert_eq!(report.sent, Sent::Maybe);
        let got = report.answer.unwrap();
        assert_eq!((got.status.as_u16(), got.end), (200, BodyEnd::Cut));
        assert_eq!(got.body, "{\"a\"");
        assert!(matches!(report.fault, Some(Fault::Broken)));
    }
}

#[tokio::test]
async fn what_is_no_http_is_a_broken_connection() {
    for answer in [
        "220 mail.example ESMTP\r\n",
        "\0\0\0\0",
        "HTTP/2 200\r\n\r\n",
    ] {
        let report = report_of(answer).await;
        assert_eq!(report.sent, Sent::Maybe);
        assert!(report.answer.is_none());
        assert!(matches!(report.fault, Some(Fault::Broken)), "{answer:?}");
    }
}

#[tokio::test]
async fn an_answer_to_the_end_is_complete() {
    for (answer, body) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "ok"),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "ok",
        ),
        ("HTTP/1.1 200 OK\r\n\r\nok", "ok"),
        ("HTTP/1.1 204 No Content\r\n\r\n", ""),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "",
        ),
    ] {
        let report = report_of(answer).await;
        let got = report.answer.unwrap();
        assert_eq!(
            (got.end, &got.body[..]),
            (BodyEnd::Complete, body.as_bytes()),
            "{answer}"
        );
        assert!(report.fault.is_none());
    }
}

#[tokio::test]
async fn an_answer_before_the_request_was_read_is_an_answer() {
    let target = play(|mut stream| async move {
        let mut first = [0];
        stream.read_exact(&mut first).await.unwrap();
        stream
            .write_all(b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
        let mut rest = Vec::new();
        // Reads on, so that the answer is not lost to a reset.
        match stream.read_to_end(&mut rest).await {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    })
    .await;
    let report = send(
        &way_out("127.0.0.0/8"),
        post(&format!("http://{}/", target.address)),
    )
    .await;
    assert_eq!(report.answer.unwrap().status, 413);
    target.done().await;
}

#[tokio::test]
async fn the_request_is_what_was_given_with_host() {
    let target = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    send(
        &way_out("127.0.0.0/8"),
        post(&format!("http://{}/", target.address)),
    )
    .await;
    let address = target.address;
    let request = target.done().await;
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.split("\r\n").collect();
    assert_eq!(lines.remove(0), "POST /act HTTP/1.1");
    lines.sort_unstable();
    assert_eq!(lines, ["content-length: 7", &format!("host: {address}")]);
    assert_eq!(body, "{\"a\":1}");
}

#[tokio::test]
async fn a_caller_that_goes_closes_the_connection() {
    let (read, was_read) = tokio::sync::oneshot::channel();
    let target = play(|mut stream| async move {
        read_request(&mut stream).await;
        read.send(()).unwrap();
        stream.read(&mut [0]).await
    })
    .await;
    let out = way_out("127.0.0.0/8");
    let exchange = post(&format!("http://{}/", target.address));
    tokio::select! {
        report = send(&out, exchange) => panic!("{report:?}"),
        result = was_read => result.unwrap(),
    }
    assert!(
        matches!(target.done().await, Ok(0)),
        "the target sees the end"
    );
}
