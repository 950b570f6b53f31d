//! Turning a connection away with an answer

use std::time::Duration;

use relynt_api::ErrorCode;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::timeout,
};

use crate::error::Refusal;

/// Answers 503 to a connection for which there is no place, whatever it asks.
pub(super) async fn busy(mut stream: TcpStream, request_id: String, turn: OwnedSemaphorePermit) {
    let answer = async {
        stream.write_all(&bytes(&request_id)).await?;
        stream.shutdown().await?;
        // What the client has sent is read and forgotten: closing over it would take the answer
        // out of its hands.
        let mut sink = [0; 4096];
        while stream.read(&mut sink).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    drop(timeout(Duration::from_secs(1), answer).await);
    drop(turn);
}

fn bytes(request_id: &str) -> Vec<u8> {
    let refusal = Refusal::new(ErrorCode::Unavailable, "too many connections");
    let body = serde_json::to_string(&refusal.problem(request_id)).unwrap_or_default();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n\
         X-Request-Id: {request_id}\r\nRetry-After: 1\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
