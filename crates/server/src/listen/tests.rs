//! The accept loop against clients that do not behave, over real sockets

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use http::{Request, StatusCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    time::{Instant, timeout},
};

use crate::{
    background::Background, cx::Cx, envelope::Envelope, error::Refusal, limits::Limits,
    metrics::Metrics, routes::Routes,
};

/// What a test waits for at most: a hang fails, slowness does not.
const PATIENCE: Duration = Duration::from_secs(30);

struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    held: Arc<Notify>,
    metrics: Arc<Metrics>,
    ended: std::pin::Pin<Box<dyn Future<Output = Result<(), crate::background::Lost>> + Send>>,
}

/// Short enough to test, long enough not to fire by accident: each test shortens what it is about.
fn limits() -> Limits {
    Limits {
        max_connections: 8,
        max_headers: 10,
        max_head: 8192,
        ..Limits::default()
    }
}

async fn start(limits: Limits) -> Server {
    let limits = Arc::new(limits);
    let metrics = Arc::new(Metrics::new());
    let held = Arc::new(Notify::new());
    let bounds = Arc::clone(&limits);
    let router = Router::new()
        .route("/fast", get(|| async { "fast" }))
        .route("/big", get(|| async { "x".repeat(32 * 1024 * 1024) }))
        .route("/panic", get(panics))
        .route("/refused", post(|| async { Refusal::bad_request("no") }))
        .route(
            "/echo",
            post(move |cx: Cx| {
                let bounds = Arc::clone(&bounds);
                async move {
                    match cx.json(1024, &bounds).await {
                        Ok(value) => value.to_canonical().into_response(),
                        Err(refusal) => refusal.into_response(),
                    }
                }
            }),
        )
        .route("/held", get(hold))
        .with_state(Arc::clone(&held));
    let ids = AtomicU32::new(0);
    let fresh: Arc<dyn Fn() -> String + Send + Sync> =
        Arc::new(move || format!("fresh-{}", ids.fetch_add(1, Ordering::Relaxed)));
    let envelope = Envelope::new(
        Routes::new(router, Vec::new()),
        Arc::clone(&fresh),
        Arc::clone(&limits),
        Arc::clone(&metrics),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let count = Arc::clone(&metrics);
    let ended = Background::service(super::serve(
        listener,
        limits,
        count,
        fresh,
        move |request| envelope.clone().answer(request),
        stopped,
    ));
    Server {
        address,
        stop,
        held,
        metrics,
        ended: Box::pin(ended),
    }
}

async fn panics() -> &'static str {
    panic!("a secret value")
}

async fn hold(State(held): State<Arc<Notify>>) -> Response {
    held.notified().await;
    "held".into_response()
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes, and reads until the server closes.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        rest(&mut stream).await
    }

    async fn get(&self, path: &str) -> String {
        self.exchange(
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes(),
        )
        .await
    }
}

/// Everything until the connection ends, however it ends.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    drop(read.expect("the server neither answered nor closed"));
    String::from_utf8(bytes).unwrap()
}

fn head(answer: &str) -> &str {
    answer.split("\r\n\r\n").next().unwrap()
}

fn json(answer: &str) -> serde_json::Value {
    serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap()
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let server = start(Limits {
        first_byte: Duration::from_millis(50),
        ..limits()
    })
    .await;
    let began = Instant::now();
    assert_eq!(rest(&mut server.connect().await).await, "");
    assert!(began.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn a_dribbled_head_is_cut_off_however_steady_it_is() {
    let server = start(Limits {
        head: Duration::from_millis(200),
        ..limits()
    })
    .await;
    let stream = server.connect().await;
    let (mut reader, mut writer) = stream.into_split();
    let dribble = async {
        writer.write_all(b"GET /fast HTTP/1.1\r\n").await?;
        loop {
            writer.write_all(b"X-A: b\r\n").await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        #[expect(unreachable_code, reason = "names the block's error type")]
        Ok::<(), std::io::Error>(())
    };
    let mut sink = Vec::new();
    let cut = timeout(PATIENCE, async {
        tokio::select! {
            _ = dribble => {}
            _ = reader.read_to_end(&mut sink) => {}
        }
    });
    cut.await.expect("the dribbler was not cut off");
}

#[tokio::test]
async fn a_dribbled_preface_of_http2_is_cut_off() {
    let server = start(Limits {
        head: Duration::from_millis(50),
        ..limits()
    })
    .await;
    let mut stream = server.connect().await;
    stream.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_used_one_is_kept() {
    let server = start(Limits {
        idle: Duration::from_secs(1),
        head: Duration::from_secs(20),
        ..limits()
    })
    .await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream
            .write_all(b"GET /fast HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        while !answer.ends_with("fast") {
            let mut piece = [0; 1024];
            let n = timeout(PATIENCE, stream.read(&mut piece))
                .await
                .unwrap()
                .unwrap();
            assert!(n > 0, "closed too early: {answer}");
            answer.push_str(std::str::from_utf8(&piece[..n]).unwrap());
        }
    }
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_running_request_is_not_idle() {
    let server = start(Limits {
        idle: Duration::from_millis(10),
        head: Duration::from_millis(10),
        first_byte: Duration::from_secs(20),
        ..limits()
    })
    .await;
    let held = Arc::clone(&server.held);
    let answer = server.get("/held");
    let release = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        held.notify_one();
    };
    let (answer, ()) = tokio::join!(answer, release);
    assert!(answer.ends_with("held"), "{answer}");
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_is_cut_off() {
    let server = start(Limits {
        write_stall: Duration::from_millis(50),
        ..limits()
    })
    .await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let closed = async {
        stream.readable().await.unwrap();
        while !server
            .metrics
            .text()
            .unwrap()
            .contains("relynt_connections 0")
        {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, closed)
        .await
        .expect("the connection is still open");
    assert!(rest(&mut stream).await.len() < 32 * 1024 * 1024);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_400_and_closes() {
    let server = start(Limits {
        body_idle: Duration::from_millis(50),
        ..limits()
    })
    .await;
    let answer = server
        .exchange(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{")
        .await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(json(&answer)["detail"], "the body did not arrive in time");
}

#[tokio::test]
async fn a_steady_but_slow_body_is_cut_off_as_a_whole() {
    let server = start(Limits {
        body_total: Duration::from_millis(200),
        ..limits()
    })
    .await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
        .await
        .unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, async {
        tokio::select! {
            read = reader.read_to_end(&mut answer) => { read.unwrap(); }
            () = async {
                while writer.write_all(b" ").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                std::future::pending::<()>().await;
            } => {}
        }
    });
    read.await.expect("the slow body was not cut off");
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[tokio::test]
async fn a_body_that_is_too_long_is_413_and_the_client_can_read_it() {
    let server = start(limits()).await;
    let body = "x".repeat(300 * 1024);
    let answer = server
        .exchange(
            format!(
                "POST /echo HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .as_bytes(),
        )
        .await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(head(&answer).contains("x-request-id: mine"));
    assert_eq!(json(&answer)["code"], "payload_too_large");
    assert_eq!(json(&answer)["request_id"], "mine");
}

#[tokio::test]
async fn an_error_before_the_body_was_read_reaches_the_client() {
    let server = start(limits()).await;
    let body = "x".repeat(300 * 1024);
    let answer = server
        .exchange(
            format!(
                "POST /refused HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .as_bytes(),
        )
        .await;
    assert_eq!(json(&answer)["detail"], "no");
}

#[tokio::test]
async fn a_chunked_body_is_read_like_any_other() {
    let server = start(limits()).await;
    let answer = server
        .exchange(b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"b\"\r\n8\r\n:2,\"a\":1\r\n1\r\n}\r\n0\r\n\r\n")
        .await;
    assert!(answer.ends_with(r#"{"a":1,"b":2}"#), "{answer}");
}

#[tokio::test]
async fn too_many_headers_and_too_long_a_head_are_refused() {
    let server = start(limits()).await;
    let many = "X-A: b\r\n".repeat(11);
    let answer = server
        .exchange(format!("GET /fast HTTP/1.1\r\n{many}\r\n").as_bytes())
        .await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let long = "a".repeat(20_000);
    let answer = server
        .exchange(format!("GET /fast HTTP/1.1\r\nX-A: {long}\r\n\r\n").as_bytes())
        .await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let server = start(limits()).await;
    for bytes in [
        "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n",
        "GET\r\n\r\n",
        "G{ET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nA b: c\r\n\r\n",
    ] {
        let answer = server.exchange(bytes.as_bytes()).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400 "),
            "{bytes:?}: {answer}"
        );
    }
}

#[tokio::test]
async fn wrong_paths_and_methods_are_problems_with_the_callers_id() {
    let server = start(limits()).await;
    let answer = server.get("/nowhere").await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert_eq!(json(&answer)["code"], "not_found");
    assert!(head(&answer).contains("content-type: application/problem+json"));
    assert_eq!(json(&answer)["request_id"], "fresh-0");
    assert!(head(&answer).contains("x-request-id: fresh-0"));

    let answer = server
        .exchange(
            b"PUT /fast HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        )
        .await;
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    assert!(
        head(&answer).contains("allow: GET,HEAD,OPTIONS"),
        "{answer}"
    );
    assert_eq!(json(&answer)["code"], "method_not_allowed");
}

#[tokio::test]
async fn head_and_options_have_no_body() {
    let server = start(limits()).await;
    for (method, status) in [("HEAD", "200"), ("OPTIONS", "204")] {
        let answer = server
            .exchange(
                format!("{method} /fast HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    .as_bytes(),
            )
            .await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }
    let answer = server
        .exchange(b"HEAD /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await;
    assert!(
        answer.starts_with("HTTP/1.1 404 ") && answer.ends_with("\r\n\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_panic_is_500_without_its_message_and_the_server_lives_on() {
    let server = start(limits()).await;
    let answer = server.get("/panic").await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert_eq!(json(&answer)["code"], "internal_error");
    assert!(!answer.contains("secret value"));
    assert!(server.get("/fast").await.ends_with("fast"));
}

#[tokio::test]
async fn connections_beyond_the_bound_are_answered_503_at_once() {
    let server = start(Limits {
        max_connections: 1,
        ..limits()
    })
    .await;
    let mut first = server.connect().await;
    first
        .write_all(b"GET /held HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    // The first connection has its place once it is counted.
    while !server
        .metrics
        .text()
        .unwrap()
        .contains("relynt_connections 1")
    {
        tokio::task::yield_now().await;
    }
    let answer = server.get("/fast").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(head(&answer).contains("Retry-After: 1"));
    assert_eq!(json(&answer)["code"], "unavailable");
    server.held.notify_one();
    assert!(rest(&mut first).await.ends_with("held"));
    while !server
        .metrics
        .text()
        .unwrap()
        .contains("relynt_connections 0")
    {
        tokio::task::yield_now().await;
    }
    assert!(server.get("/fast").await.ends_with("fast"));
}

#[tokio::test]
async fn http2_with_prior_knowledge_works_and_runs_requests_side_by_side() {
    let server = start(limits()).await;
    let io = hyper_util::rt::TokioIo::new(server.connect().await);
    let (mut sender, connection) = hyper::client::conn::http2::handshake::<_, _, Body>(
        hyper_util::rt::TokioExecutor::new(),
        io,
    )
    .await
    .unwrap();
    let connection = Background::service(async move { drop(connection.await) });
    let request = |path: &str| {
        Request::get(format!("http://x{path}"))
            .body(Body::empty())
            .unwrap()
    };
    let mut other = sender.clone();
    let held = other.send_request(request("/held"));
    let fast = async {
        let answer = sender.send_request(request("/fast")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(answer.headers().contains_key("x-request-id"));
        server.held.notify_one();
    };
    let (held, ()) = tokio::join!(held, fast);
    assert_eq!(held.unwrap().status(), StatusCode::OK);
    drop((sender, other));
    timeout(PATIENCE, connection).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stop_lets_running_requests_finish_and_takes_no_new_ones() {
    let mut server = start(limits()).await;
    let mut running = server.connect().await;
    running
        .write_all(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut idle = server.connect().await;
    while !server
        .metrics
        .text()
        .unwrap()
        .contains("relynt_connections 2")
    {
        tokio::task::yield_now().await;
    }
    server.stop.send(true).unwrap();
    assert_eq!(rest(&mut idle).await, "");
    assert!(TcpStream::connect(server.address).await.is_err());
    server.held.notify_one();
    let answer = rest(&mut running).await;
    assert!(answer.ends_with("held"), "{answer}");
    timeout(PATIENCE, server.ended.as_mut())
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_stop_ends_though_a_request_does_not() {
    let mut server = start(Limits {
        drain: Duration::from_millis(50),
        ..limits()
    })
    .await;
    let mut running = server.connect().await;
    running
        .write_all(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    while !server
        .metrics
        .text()
        .unwrap()
        .contains("relynt_connections 1")
    {
        tokio::task::yield_now().await;
    }
    server.stop.send(true).unwrap();
    timeout(PATIENCE, server.ended.as_mut())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(rest(&mut running).await, "");
}
