//! Opening a connection: resolve, connect, tunnel, TLS.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::connection::{Connection, Slice, Stream, is_wait};
use super::{Exchange, Failure, SLICE};
use crate::broken::Broken;
use crate::outside;
use crate::request::connect as connect_request;
use crate::response::Fault;
use crate::setup::Setup;

pub(crate) fn dial(
    setup: &Setup,
    config: Option<&Arc<ClientConfig>>,
    slice: &Slice<'_>,
) -> Result<Connection, Failure> {
    let (host, port) = match &setup.proxy {
        Some(proxy) => (&proxy.host, proxy.port),
        None => (&setup.target.host, setup.target.port),
    };
    let socket = connect_aside(host, port, slice)?;
    let mut connection = fresh(Stream::Plain(socket))?;
    let (Some(config), Some(tls)) = (config, &setup.tls) else {
        return Ok(connection);
    };
    if let Some(proxy) = &setup.proxy {
        let request = connect_request(&setup.target, proxy);
        match connection.tunnel(&request, slice) {
            Ok(200..=299) => {}
            Ok(status) => return Err(Failure::Broken(Broken::no_tunnel(proxy, status))),
            Err(Exchange::Unanswered(broken)) => return Err(Failure::Broken(broken)),
            Err(Exchange::Failed(failure)) => return Err(failure),
        }
    }
    let Some(socket) = connection.into_socket() else {
        return Err(Failure::Broken(Fault::Malformed.into()));
    };
    let session = ClientConnection::new(Arc::clone(config), tls.name.clone())
        .map_err(|error| Failure::Broken(Broken::untrusted(&setup.target.host, &error)))?;
    let mut stream = StreamOwned::new(session, socket);
    handshake(&mut stream, &setup.target.host, slice)?;
    fresh(Stream::Tls(Box::new(stream)))
}

fn fresh(stream: Stream) -> Result<Connection, Failure> {
    Connection::new(stream).map_err(|error| Failure::Broken(Broken::cut(&error)))
}

fn handshake(
    stream: &mut StreamOwned<ClientConnection, TcpStream>,
    host: &str,
    slice: &Slice<'_>,
) -> Result<(), Failure> {
    while stream.conn.is_handshaking() {
        match stream.conn.complete_io(&mut stream.sock) {
            Ok((0, 0)) => return Err(Failure::Broken(Fault::Cut.into())),
            Ok(_) => {}
            Err(error) if is_wait(&error) => slice.tick()?,
            Err(error) => return Err(Failure::Broken(classify(&error, host))),
        }
    }
    Ok(())
}

fn classify(error: &io::Error, host: &str) -> Broken {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(inner) => Broken::untrusted(host, inner),
        None => Broken::cut(error),
    }
}

/// Resolving and connecting cannot be interrupted, so a thread of their own does them, and this
/// one waits in slices. A thread that is no longer waited for ends by itself.
fn connect_aside(host: &str, port: u16, slice: &Slice<'_>) -> Result<TcpStream, Failure> {
    let (give, take) = sync_channel(1);
    let host = host.to_owned();
    let patience = slice.remaining();
    std::thread::Builder::new()
        .name("relynt-connect".to_owned())
        .spawn(move || {
            let _ = give.send(connect(&host, port, patience));
        })
        .map_err(|error| Failure::Broken(Broken::unconnected("a thread", &error)))?;
    loop {
        match take.recv_timeout(slice.remaining().min(SLICE)) {
            Ok(outcome) => return outcome.map_err(Failure::Broken),
            Err(RecvTimeoutError::Timeout) => slice.tick()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::Broken(Fault::Cut.into()));
            }
        }
    }
}

fn connect(host: &str, port: u16, patience: Duration) -> Result<TcpStream, Broken> {
    let deadline = outside::now().checked_add(patience);
    let addresses: Vec<SocketAddr> = (host, port)
        .to_socket_addrs()
        .map_err(|_| Broken::unresolved(host))?
        .collect();
    let mut last = Broken::unresolved(host);
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in addresses {
        let share = remaining(deadline) / left.max(1);
        left = left.saturating_sub(1);
        match TcpStream::connect_timeout(&address, share.max(Duration::from_millis(1))) {
            Ok(socket) => {
                // Without it, the second small write of a request would wait for an acknowledgement.
                let _ = socket.set_nodelay(true);
                return Ok(socket);
            }
            Err(error) => last = Broken::unconnected(&address.to_string(), &error),
        }
    }
    Err(last)
}

fn remaining(deadline: Option<Instant>) -> Duration {
    deadline.map_or(Duration::ZERO, |deadline| {
        deadline.saturating_duration_since(outside::now())
    })
}
