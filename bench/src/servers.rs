//! Servers to compare with, and to be called

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::TcpListener;

/// What a server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Answer {
    /// What it was sent.
    Echo,
    /// What a gateway answers to a denied call, always the same: for clients to read.
    Denied,
    /// A small object, as the target of a connector does.
    Target,
}

const DENIED: &str = r#"{"decision":"deny","receipt_id":"019a0000-0000-7000-8000-000000000000","reason":"rule `decides-deny` (96) denies","risk_level":"medium","policy_version":"v3","approval_id":null,"tool_response":null,"performed_by":null,"valid_until":null,"execution":null}"#;

/// Serves HTTP/1.1 on loopback until it is ended; prints its address first.
///
/// Nothing but hyper: no routing, no limits, no log. What it reaches is what the rest is measured
/// against.
pub fn serve(answer: Answer, workers: usize, port: u16) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()?;
    runtime.block_on(async move {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await?;
        println!(
            "{}",
            json!({ "address": listener.local_addr()?.to_string() })
        );
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            drop(stream.set_nodelay(true));
            tokio::spawn(async move {
                let service = service_fn(move |request| handle(answer, request));
                // How a connection ends is the client's business.
                drop(
                    http1::Builder::new()
                        .timer(TokioTimer::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await,
                );
            });
        }
    })
}

async fn handle(
    answer: Answer,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = match request.into_body().collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    let body = match answer {
        Answer::Echo => body,
        Answer::Denied => Bytes::from_static(DENIED.as_bytes()),
        Answer::Target => {
            Bytes::from_static(br#"{"id":"123","stage":"negotiation","updated":true}"#)
        }
    };
    let mut response = Response::new(Full::new(body));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
