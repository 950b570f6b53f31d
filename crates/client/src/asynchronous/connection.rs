//! One connection, used by one call at a time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use crate::broken::Broken;
use crate::request::{Request, connect as connect_request};
use crate::response::{Awaited, Fault, Head, Reader};
use crate::setup::Setup;

const BUFFER: usize = 16 * 1024;
/// One address that does not answer must not use up the time of the next.
const LONGEST_CONNECT: Duration = Duration::from_secs(10);

trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Duplex for T {}

pub(crate) struct Connection {
    stream: Box<dyn Duplex>,
    buffer: Vec<u8>,
    reusable: bool,
}

/// How an exchange on a connection failed.
pub(crate) enum Exchange {
    /// The connection was closed and not a byte of an answer had come.
    Unanswered(Broken),
    Failed(Broken),
}

impl Connection {
    fn new(stream: impl Duplex + 'static) -> Self {
        Self {
            stream: Box::new(stream),
            buffer: vec![0; BUFFER],
            reusable: false,
        }
    }

    pub(crate) fn is_reusable(&self) -> bool {
        self.reusable
    }

    /// Sends the request and reads its answer.
    pub(crate) async fn exchange(
        &mut self,
        request: &Request,
        max_body: usize,
    ) -> Result<(Head, Vec<u8>), Exchange> {
        self.reusable = false;
        let mut reader = Reader::new(Awaited::Answer, max_body);
        let sent = send(&mut self.stream, request).await;
        // A server may answer, and close, before it has read everything.
        match receive(&mut self.stream, &mut self.buffer, &mut reader).await {
            Err(Exchange::Unanswered(broken)) => {
                return Err(Exchange::Unanswered(match sent {
                    Err(error) => Broken::cut(&error),
                    Ok(()) => broken,
                }));
            }
            outcome => outcome?,
        }
        let (head, body) = reader
            .finish()
            .ok_or_else(|| Exchange::Failed(Fault::Cut.into()))?;
        self.reusable = head.keep_alive && sent.is_ok();
        Ok((head, body))
    }
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), request: &Request) -> io::Result<()> {
    stream.write_all(request.bytes()).await?;
    stream.flush().await
}

async fn receive(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut [u8],
    reader: &mut Reader,
) -> Result<(), Exchange> {
    let failed = |fault: Fault| Exchange::Failed(fault.into());
    loop {
        match stream.read(buffer).await {
            Ok(0) if !reader.started() => return Err(Exchange::Unanswered(Fault::Cut.into())),
            Ok(0) => return reader.end().map(drop).map_err(failed),
            Ok(count) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                if reader.push(bytes).map_err(failed)? {
                    return Ok(());
                }
            }
            Err(error) if !reader.started() => {
                return Err(Exchange::Unanswered(Broken::cut(&error)));
            }
            Err(error) => return Err(Exchange::Failed(Broken::cut(&error))),
        }
    }
}

/// Opens a connection: resolve, connect, tunnel, TLS.
pub(crate) async fn dial(
    setup: &Setup,
    config: Option<&Arc<ClientConfig>>,
) -> Result<Connection, Broken> {
    let (host, port) = match &setup.proxy {
        Some(proxy) => (&proxy.host, proxy.port),
        None => (&setup.target.host, setup.target.port),
    };
    let mut socket = connect(host, port).await?;
    let (Some(config), Some(tls)) = (config, &setup.tls) else {
        return Ok(Connection::new(socket));
    };
    if let Some(proxy) = &setup.proxy {
        let request = connect_request(&setup.target, proxy);
        send(&mut socket, &request)
            .await
            .map_err(|error| Broken::cut(&error))?;
        let mut reader = Reader::new(Awaited::Tunnel, BUFFER);
        receive(&mut socket, &mut vec![0; 1024], &mut reader)
            .await
            .map_err(|(Exchange::Unanswered(broken) | Exchange::Failed(broken))| broken)?;
        let status = reader.finish().map(|(head, _)| head.status);
        let status = status.ok_or(Fault::Cut)?;
        if !(200..300).contains(&status) {
            return Err(Broken::no_tunnel(proxy, status));
        }
    }
    let stream = TlsConnector::from(Arc::clone(config))
        .connect(tls.name.clone(), socket)
        .await
        .map_err(|error| {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
            match inner {
                Some(inner) => Broken::untrusted(&setup.target.host, inner),
                None => Broken::cut(&error),
            }
        })?;
    Ok(Connection::new(stream))
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, Broken> {
    let addresses = lookup_host((host, port))
        .await
        .map_err(|_| Broken::unresolved(host))?;
    let mut last = Broken::unresolved(host);
    for address in addresses {
        let attempt = tokio::time::timeout(LONGEST_CONNECT, TcpStream::connect(address));
        let error = match attempt.await {
            Ok(Ok(socket)) => {
                // Without it, the second small write of a request would wait for an acknowledgement.
                let _ = socket.set_nodelay(true);
                return Ok(socket);
            }
            Ok(Err(error)) => error,
            Err(_) => io::ErrorKind::TimedOut.into(),
        };
        last = Broken::unconnected(&address.to_string(), &error);
    }
    Err(last)
}
