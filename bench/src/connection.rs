//! One connection of HTTP/1.1, one request at a time, without a runtime between it and the socket

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use memchr::memmem;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

/// A connection that is kept.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    token: Token,
    /// What is being sent; filled by whoever sends.
    pub request: Vec<u8>,
    sent: usize,
    answer: Vec<u8>,
    /// Since when the present request is under way: its intended time, where there is one.
    pub since: Instant,
}

/// What reading came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to come.
    Waiting,
    /// The answer is complete; its status.
    Answered(u16),
    /// The connection is gone.
    Closed,
}

const CHUNK: usize = 16 * 1024;

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr, token: Token, registry: &Registry) -> io::Result<Self> {
        let stream = std::net::TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self {
            stream,
            token,
            request: Vec::new(),
            sent: 0,
            answer: Vec::new(),
            since: Instant::now(),
        })
    }

    /// Begins to connect without waiting for it; what is started before is sent once it is there.
    pub fn begin(address: SocketAddr, token: Token, registry: &Registry) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self {
            stream,
            token,
            request: Vec::new(),
            sent: 0,
            answer: Vec::new(),
            since: Instant::now(),
        })
    }

    /// Its token.
    pub fn token(&self) -> Token {
        self.token
    }

    /// Begins to send `request`, which is under way since `since`.
    pub fn start(&mut self, since: Instant) -> io::Result<()> {
        self.since = since;
        self.sent = 0;
        self.answer.clear();
        self.go_on()
    }

    /// Sends what is left.
    pub fn go_on(&mut self) -> io::Result<()> {
        while let Some(rest) = self
            .request
            .get(self.sent..)
            .filter(|rest| !rest.is_empty())
        {
            match self.stream.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what has come. Once the answer is complete nothing more is read: nothing more comes
    /// before the next request.
    pub fn read(&mut self) -> Progress {
        loop {
            let have = self.answer.len();
            self.answer.resize(have + CHUNK, 0);
            let room = self.answer.get_mut(have..).unwrap_or_default();
            let read = self.stream.read(room);
            self.answer
                .truncate(have + read.as_ref().copied().unwrap_or(0));
            match read {
                Ok(0) => return Progress::Closed,
                Ok(_) => {
                    if let Some(status) = complete(&self.answer) {
                        return Progress::Answered(status);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Waiting,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Progress::Closed,
            }
        }
    }

    /// The answer as far as it has come.
    pub fn answer(&self) -> &[u8] {
        &self.answer
    }
}

/// The status of an answer that is all there.
fn complete(answer: &[u8]) -> Option<u16> {
    let end = memmem::find(answer, b"\r\n\r\n")?;
    let (head, body) = (answer.get(..end)?, answer.get(end + 4..)?);
    let status = std::str::from_utf8(head.get(9..12)?).ok()?.parse().ok()?;
    let mut length = None;
    for line in head.split(|byte| *byte == b'\n') {
        let Some(colon) = memchr::memchr(b':', line) else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        if name.eq_ignore_ascii_case(b"content-length") {
            let value = std::str::from_utf8(value.get(1..)?).ok()?;
            length = value.trim().parse::<usize>().ok();
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return body.ends_with(b"0\r\n\r\n").then_some(status);
        }
    }
    (body.len() >= length.unwrap_or(0)).then_some(status)
}

#[cfg(test)]
mod tests {
    use super::complete;

    #[test]
    fn an_answer_is_complete_when_its_body_is() {
        for (answer, status) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", Some(200)),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", None),
            ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", Some(503)),
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", None),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
                Some(200),
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
