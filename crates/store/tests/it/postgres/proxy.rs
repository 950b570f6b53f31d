//! A wire to the database that can be cut at the commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What happens to the next commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Cut {
    /// It goes through.
    None,
    /// It does not arrive, and the connection is lost.
    Before,
    /// It arrives and is done; its answer does not come back, and the connection is lost.
    After,
    /// It arrives and is done; its answer does not come back, and the connection stays.
    Silent,
}

#[derive(Default)]
struct Wire {
    /// What happens to the next commit of any connection.
    next: AtomicU8,
    cuts: AtomicUsize,
}

/// One connection.
#[derive(Default)]
struct Line {
    cut: AtomicU8,
    ended: Notify,
}

impl Line {
    fn is(&self, cut: Cut) -> bool {
        self.cut.load(Ordering::SeqCst) == cut as u8
    }
}

/// Stands between a store and its server.
pub(crate) struct Proxy {
    port: u16,
    wire: Arc<Wire>,
}

#[expect(clippy::disallowed_methods, reason = "a test's own connections")]
fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(work);
}

impl Proxy {
    pub(crate) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let wire = Arc::new(Wire::default());
        let of_proxy = Arc::clone(&wire);
        spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                spawn(carry(client, server, Arc::clone(&of_proxy)));
            }
        });
        Self { port, wire }
    }

    /// The address of a server, through this.
    pub(crate) fn url(&self, url: &str, server: u16) -> String {
        url.replace(&format!(":{server}/"), &format!(":{}/", self.port))
    }

    pub(crate) fn cut_next_commit(&self, cut: Cut) {
        self.wire.next.store(cut as u8, Ordering::SeqCst);
    }

    /// Commits that have been cut.
    pub(crate) fn cuts(&self) -> usize {
        self.wire.cuts.load(Ordering::SeqCst)
    }
}

async fn carry(client: TcpStream, server: u16, wire: Arc<Wire>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else {
        return;
    };
    for socket in [&client, &server] {
        socket.set_nodelay(true).unwrap();
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let line = Line::default();
    // Whichever ends first takes the other with it, and both sockets are closed.
    tokio::select! {
        () = requests(from_client, to_server, &line, &wire) => {}
        () = answers(from_server, to_client, &line) => {}
        () = line.ended.notified() => {}
    }
}

/// Passes on what the client says, message by message.
async fn requests(mut client: OwnedReadHalf, mut server: OwnedWriteHalf, line: &Line, wire: &Wire) {
    // The first message has no kind.
    let mut kind = Vec::new();
    loop {
        let mut message = kind.clone();
        let mut length = [0; 4];
        if client.read_exact(&mut message).await.is_err()
            || client.read_exact(&mut length).await.is_err()
        {
            return;
        }
        message.extend_from_slice(&length);
        let start = message.len();
        let rest = usize::try_from(u32::from_be_bytes(length)).unwrap() - 4;
        message.resize(start + rest, 0);
        if client.read_exact(&mut message[start..]).await.is_err() {
            return;
        }
        if message[0] == b'Q' && message[start..].starts_with(b"COMMIT") {
            let cut = wire.next.swap(Cut::None as u8, Ordering::SeqCst);
            line.cut.store(cut, Ordering::SeqCst);
            wire.cuts
                .fetch_add(usize::from(!line.is(Cut::None)), Ordering::SeqCst);
        }
        if line.is(Cut::Before) {
            return;
        }
        if server.write_all(&message).await.is_err() {
            return;
        }
        kind = vec![0];
    }
}

/// Passes on what the server says, until a commit is cut.
async fn answers(mut server: OwnedReadHalf, mut client: OwnedWriteHalf, line: &Line) {
    let mut swallowed = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = match server.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => &buffer[..read],
        };
        if line.is(Cut::After) || line.is(Cut::Silent) {
            swallowed.extend_from_slice(read);
            let done = swallowed.windows(7).any(|part| part == b"COMMIT\0");
            if done && line.is(Cut::After) {
                return;
            }
        } else if client.write_all(read).await.is_err() {
            return;
        }
    }
}
