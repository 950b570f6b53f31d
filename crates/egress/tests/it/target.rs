//! A scripted target on loopback, and what a test needs around it.

use std::future::Future;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use relynt_egress::{
    AddressRules, Egress, Exchange, Hold, Origin, PlainHttp, Report, Resolve, Resolving, Roots,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Url;

/// A listener that takes part in nothing: it only shows whether somebody connected.
pub struct Silent(TcpListener);

impl Silent {
    pub fn on(ip: &str) -> Self {
        let listener = TcpListener::bind((ip.parse::<IpAddr>().unwrap(), 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    pub fn port(&self) -> u16 {
        self.address().port()
    }

    /// On loopback a connection is in the queue before `connect` returns, so that none now is none.
    pub fn connections(&self) -> usize {
        let mut seen = 0;
        loop {
            match self.0.accept() {
                Ok(_) => seen += 1,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return seen,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// A target that gives its one connection to `script`; what the script returns is awaited with
/// [`Playing::done`].
pub struct Playing<T> {
    pub address: SocketAddr,
    task: tokio::task::JoinHandle<T>,
}

pub async fn play<T, F>(script: impl FnOnce(TcpStream) -> F + Send + 'static) -> Playing<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send,
{
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move { script(listener.accept().await.unwrap().0).await });
    Playing { address, task }
}

impl<T> Playing<T> {
    pub async fn done(self) -> T {
        self.task.await.unwrap()
    }
}

/// Reads one request to its end: head and as many bytes as `content-length` says.
pub async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    loop {
        let mut byte = [0];
        if stream.read(&mut byte).await.unwrap() == 0 {
            break;
        }
        text.push(byte[0]);
        let so_far = String::from_utf8_lossy(&text);
        if let Some((head, body)) = so_far.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length: ")
                        .map(str::to_owned)
                })
                .map_or(0, |length| length.parse::<usize>().unwrap());
            if body.len() >= length {
                break;
            }
        }
    }
    String::from_utf8(text).unwrap()
}

/// A target that reads a request, answers with `answer` and closes.
pub async fn answering(answer: impl Into<Vec<u8>>) -> Playing<String> {
    let answer = answer.into();
    play(move |mut stream| async move {
        let request = read_request(&mut stream).await;
        // The other side may have gone already.
        let _ = stream.write_all(&answer).await;
        let _ = stream.shutdown().await;
        request
    })
    .await
}

pub fn rules(allow: &str) -> AddressRules {
    AddressRules::parse(allow).unwrap()
}

pub fn way_out(allow: &str) -> Egress {
    Egress::new(rules(allow), Roots::only([]).unwrap()).unwrap()
}

pub fn origin(url: &str) -> Origin {
    Origin::of(&Url::parse(url).unwrap(), PlainHttp::Allowed).unwrap()
}

pub fn post(url: &str) -> Exchange {
    Exchange {
        origin: origin(url),
        organization: None,
        request: Request::post("/act")
            .body(Bytes::from_static(b"{\"a\":1}"))
            .unwrap(),
        connect_within: Duration::from_secs(5),
        within: Duration::from_secs(10),
        max_body: 1024 * 1024,
    }
}

pub async fn send(out: &Egress, exchange: Exchange) -> Report {
    out.exchange(exchange, || Ok::<(), Hold>(())).await
}

/// Answers every name with the same addresses.
#[derive(Debug)]
pub struct Always(pub Vec<SocketAddr>);

impl Resolve for Always {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> Resolving<'a> {
        Box::pin(async { Ok(self.0.clone()) })
    }
}

pub fn resolving_to(out: &Egress, addresses: &[&str]) -> Egress {
    let addresses = addresses
        .iter()
        .map(|ip| SocketAddr::new(ip.parse().unwrap(), 1))
        .collect();
    out.clone().with_resolver(Arc::new(Always(addresses)))
}
