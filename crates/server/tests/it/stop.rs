//! Stopping

use relynt_server::Ended;
use serde_json::json;

use crate::harness::{PATIENCE, Server, update};

#[tokio::test]
async fn a_stop_answers_who_waits_and_ends() {
    let mut server = Server::start().await;
    let asked = server
        .ask(
            &server.one.secret,
            "k",
            &update(&json!({"stage": "closed_won"})),
        )
        .await
        .ok(200);
    let path = format!(
        "/v1/approvals/{}?wait_ms=60000",
        asked["approval_id"].as_str().unwrap()
    );
    let request = http::Request::get(path)
        .header("authorization", format!("Bearer {}", server.one.secret))
        .body(String::new())
        .unwrap();
    let mut stream = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    let head = format!(
        "GET {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
        request.uri(),
        server.one.secret
    );
    tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes())
        .await
        .unwrap();
    // The held request is on its way in once another connection has been served after it.
    server.get("/healthz", "").await.ok(200);
    server.stop();
    let mut answer = String::new();
    let read = tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer);
    tokio::time::timeout(PATIENCE, read)
        .await
        .expect("held beyond the stop")
        .unwrap();
    assert!(answer.contains(r#""status":"pending""#), "{answer}");
    let ended = tokio::time::timeout(PATIENCE, &mut server.served)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ended, Ended::Drained);
}
