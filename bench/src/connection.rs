//! One connection of HTTP/1.1, one request at a time, without a runtime between it and the socket

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use memchr::memmem;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

/// A connection that is kept. It holds bytes only while a request or an answer is not whole, so that
/// thousands of them do not push each other out of the processor's caches.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// What is left to be sent.
    unsent: Vec<u8>,
    /// What has come of an answer that is not all there.
    partial: Vec<u8>,
    /// Since when the present request is under way: its intended time, where there is one.
    pub since: Instant,
}

/// What reading came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to come.
    Waiting,
    /// The answer is complete, and lies in the buffer that was given.
    Answered(Answered),
    /// The connection is gone.
    Closed,
}

/// A whole answer.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub struct Answered {
    /// Its status.
    pub status: u16,
    /// Its length.
    pub bytes: usize,
    /// Whether the server closes the connection after it.
    pub closes: bool,
}

/// Where answers are read to, one at a time.
#[derive(Debug)]
pub struct Buffer(Vec<u8>);

impl Default for Buffer {
    fn default() -> Self {
        Self(vec![0; 64 * 1024])
    }
}

impl Buffer {
    /// The bytes of the last answer.
    pub fn answer(&self, answered: Answered) -> &[u8] {
        self.0.get(..answered.bytes).unwrap_or_default()
    }
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr, token: Token, registry: &Registry) -> io::Result<Self> {
        let stream = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
        stream.set_nonblocking(true)?;
        Self::register(TcpStream::from_std(stream), token, registry)
    }

    /// Begins to connect without waiting for it; what is started before is sent once it is there.
    pub fn begin(address: SocketAddr, token: Token, registry: &Registry) -> io::Result<Self> {
        Self::register(TcpStream::connect(address)?, token, registry)
    }

    fn register(mut stream: TcpStream, token: Token, registry: &Registry) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self {
            stream,
            unsent: Vec::new(),
            partial: Vec::new(),
            since: Instant::now(),
        })
    }

    /// Begins to send a request, which is under way since `since`.
    pub fn start(&mut self, since: Instant, request: &[u8]) -> io::Result<()> {
        self.since = since;
        self.partial.clear();
        self.unsent.clear();
        let sent = self.send(request)?;
        self.unsent
            .extend_from_slice(request.get(sent..).unwrap_or_default());
        Ok(())
    }

    /// Sends what is left.
    pub fn go_on(&mut self) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        let unsent = std::mem::take(&mut self.unsent);
        let sent = self.send(&unsent)?;
        self.unsent
            .extend_from_slice(unsent.get(sent..).unwrap_or_default());
        Ok(())
    }

    /// Sends as much as the kernel takes.
    fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut sent = 0;
        while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(more) => sent += more,
                // Also while the connection is not there yet.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::NotConnected
                    ) =>
                {
                    break;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(sent)
    }

    /// Reads what has come. Once the answer is complete nothing more is read: nothing more comes
    /// before the next request.
    pub fn read(&mut self, buffer: &mut Buffer) -> Progress {
        let mut have = self.partial.len();
        if let Some(place) = buffer.0.get_mut(..have) {
            place.copy_from_slice(&self.partial);
        }
        loop {
            if have == buffer.0.len() {
                buffer.0.resize(2 * have, 0);
            }
            match self
                .stream
                .read(buffer.0.get_mut(have..).unwrap_or_default())
            {
                Ok(0) => return Progress::Closed,
                Ok(read) => {
                    have += read;
                    let all = buffer.0.get(..have).unwrap_or_default();
                    if let Some((status, closes)) = complete(all) {
                        self.partial.clear();
                        return Progress::Answered(Answered {
                            status,
                            bytes: have,
                            closes,
                        });
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.partial.clear();
                    self.partial
                        .extend_from_slice(buffer.0.get(..have).unwrap_or_default());
                    return Progress::Waiting;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Progress::Closed,
            }
        }
    }
}

/// The status of an answer that is all there, and whether the connection ends with it.
fn complete(answer: &[u8]) -> Option<(u16, bool)> {
    let end = memmem::find(answer, b"\r\n\r\n")?;
    let (head, body) = (answer.get(..end)?, answer.get(end + 4..)?);
    let status = std::str::from_utf8(head.get(9..12)?).ok()?.parse().ok()?;
    let (mut length, mut chunked, mut closes) = (0, false, false);
    for line in head.split(|byte| *byte == b'\n') {
        let Some(colon) = memchr::memchr(b':', line) else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        if name.eq_ignore_ascii_case(b"content-length") {
            let value = std::str::from_utf8(value.get(1..)?).ok()?;
            length = value.trim().parse::<usize>().ok()?;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            chunked = true;
        } else if name.eq_ignore_ascii_case(b"connection") {
            closes = value.to_ascii_lowercase().ends_with(b"close\r")
                || value.to_ascii_lowercase().ends_with(b"close");
        }
    }
    let whole = if chunked {
        body.ends_with(b"0\r\n\r\n")
    } else {
        body.len() >= length
    };
    whole.then_some((status, closes))
}

#[cfg(test)]
mod tests {
    use super::complete;

    #[test]
    fn an_answer_is_complete_when_its_body_is() {
        for (answer, status) in [
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
                Some((200, false)),
            ),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", None),
            (
                "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
                Some((503, false)),
            ),
            (
                "HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                Some((503, true)),
            ),
            (
                "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nconnection: Close\r\n\r\n",
                Some((503, true)),
            ),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", None),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
                Some((200, false)),
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n",
                None,
            ),
        ] {
            assert_eq!(complete(answer.as_bytes()), status, "{answer}");
        }
    }
}
