//! One connection, used by one thread at a time.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};

use super::{Exchange, Failure, SLICE, Stopped};
use crate::broken::Broken;
use crate::outside;
use crate::request::Request;
use crate::response::{Awaited, Head, Reader};

const BUFFER: usize = 16 * 1024;

/// The time that an attempt has, waited for in pieces.
pub(crate) struct Slice<'w> {
    deadline: Option<Instant>,
    watch: &'w dyn Fn() -> Result<(), Stopped>,
}

impl<'w> Slice<'w> {
    pub(crate) fn new(timeout: Duration, watch: &'w dyn Fn() -> Result<(), Stopped>) -> Self {
        Self {
            deadline: outside::now().checked_add(timeout),
            watch,
        }
    }

    pub(crate) fn remaining(&self) -> Duration {
        self.deadline.map_or(Duration::ZERO, |deadline| {
            deadline.saturating_duration_since(outside::now())
        })
    }

    /// After a wait that brought nothing: may the next one begin?
    pub(crate) fn tick(&self) -> Result<(), Failure> {
        (self.watch)().map_err(|Stopped| Failure::Stopped)?;
        if self.remaining().is_zero() {
            return Err(Failure::Broken(Broken::timed_out()));
        }
        Ok(())
    }
}

pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

pub(crate) struct Connection {
    stream: Stream,
    buffer: Vec<u8>,
    /// The wait that the socket is set to.
    patience: Duration,
    reusable: bool,
}

impl Connection {
    pub(crate) fn new(stream: Stream) -> io::Result<Self> {
        let mut connection = Self {
            stream,
            buffer: vec![0; BUFFER],
            patience: Duration::ZERO,
            reusable: false,
        };
        connection.set_patience(SLICE)?;
        Ok(connection)
    }

    pub(crate) fn is_reusable(&self) -> bool {
        self.reusable
    }

    pub(crate) fn into_socket(self) -> Option<TcpStream> {
        match self.stream {
            Stream::Plain(socket) => Some(socket),
            Stream::Tls(_) => None,
        }
    }

    fn set_patience(&mut self, patience: Duration) -> io::Result<()> {
        if patience != self.patience {
            let socket = self.stream.socket();
            socket.set_read_timeout(Some(patience))?;
            socket.set_write_timeout(Some(patience))?;
            self.patience = patience;
        }
        Ok(())
    }

    /// Sends the request and reads its answer.
    pub(crate) fn exchange(
        &mut self,
        request: &Request,
        max_body: usize,
        slice: &Slice<'_>,
    ) -> Result<(Head, Vec<u8>), Exchange> {
        self.converse(request, Awaited::Answer, max_body, slice)
    }

    /// As [`Self::exchange`] for the `CONNECT` to a proxy; the status of its answer.
    pub(crate) fn tunnel(&mut self, request: &Request, slice: &Slice<'_>) -> Result<u16, Exchange> {
        let (head, _) = self.converse(request, Awaited::Tunnel, BUFFER, slice)?;
        Ok(head.status)
    }

    fn converse(
        &mut self,
        request: &Request,
        awaited: Awaited,
        max_body: usize,
        slice: &Slice<'_>,
    ) -> Result<(Head, Vec<u8>), Exchange> {
        self.reusable = false;
        let mut reader = Reader::new(awaited, max_body);
        let sent = match self.send(request.bytes(), slice) {
            Err(Send::Failed(failure)) => return Err(Exchange::Failed(failure)),
            Err(Send::Refused(error)) => Err(error),
            Ok(()) => Ok(()),
        };
        // A server may answer, and close, before it has read everything.
        match self.receive(&mut reader, slice) {
            Ok(()) => {}
            Err(Exchange::Unanswered(broken)) => {
                return Err(Exchange::Unanswered(match sent {
                    Err(error) => Broken::cut(&error),
                    Ok(()) => broken,
                }));
            }
            Err(failed) => return Err(failed),
        }
        let (head, body) = reader
            .finish()
            .ok_or(Exchange::Failed(Failure::Broken(cut())))?;
        self.reusable = head.keep_alive && sent.is_ok();
        Ok((head, body))
    }

    fn send(&mut self, mut bytes: &[u8], slice: &Slice<'_>) -> Result<(), Send> {
        while !bytes.is_empty() {
            self.prepare(slice).map_err(Send::Refused)?;
            match self.stream.write(bytes) {
                Ok(0) => slice.tick().map_err(Send::Failed)?,
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) if is_wait(&error) => slice.tick().map_err(Send::Failed)?,
                Err(error) => return Err(Send::Refused(error)),
            }
        }
        loop {
            match self.stream.flush() {
                Ok(()) => return Ok(()),
                Err(error) if is_wait(&error) => slice.tick().map_err(Send::Failed)?,
                Err(error) => return Err(Send::Refused(error)),
            }
        }
    }

    fn receive(&mut self, reader: &mut Reader, slice: &Slice<'_>) -> Result<(), Exchange> {
        let failed = |broken| Exchange::Failed(Failure::Broken(broken));
        loop {
            self.prepare(slice)
                .map_err(|error| failed(Broken::cut(&error)))?;
            match self.stream.read(&mut self.buffer) {
                Ok(0) if !reader.started() => return Err(Exchange::Unanswered(cut())),
                Ok(0) => {
                    reader.end().map_err(|fault| failed(fault.into()))?;
                    return Ok(());
                }
                Ok(count) => {
                    let bytes = self.buffer.get(..count).unwrap_or_default();
                    if reader.push(bytes).map_err(|fault| failed(fault.into()))? {
                        return Ok(());
                    }
                }
                Err(error) if is_wait(&error) => slice.tick().map_err(Exchange::Failed)?,
                Err(error) if !reader.started() => {
                    return Err(Exchange::Unanswered(Broken::cut(&error)));
                }
                Err(error) => return Err(failed(Broken::cut(&error))),
            }
        }
    }

    /// Makes sure that the next wait ends when the attempt does.
    fn prepare(&mut self, slice: &Slice<'_>) -> io::Result<()> {
        let shortest = Duration::from_millis(1);
        self.set_patience(slice.remaining().clamp(shortest, SLICE))
    }
}

enum Send {
    Refused(io::Error),
    Failed(Failure),
}

pub(crate) fn is_wait(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

fn cut() -> Broken {
    crate::response::Fault::Cut.into()
}
