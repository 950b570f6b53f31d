//! Reading an HTTP/1.1 answer, without IO: bytes in, an answer out.

use httparse::{Header, Status};

/// Larger heads are not a gateway's.
const MOST_HEAD: usize = 64 * 1024;
const MOST_HEADERS: usize = 128;
const LONGEST_CHUNK_LINE: usize = 1024;

/// What the head of an answer said, as far as a client looks at it.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) request_id: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) date: Option<String>,
    pub(crate) replayed: bool,
    /// Whether another request may follow on the connection.
    pub(crate) keep_alive: bool,
}

/// Why bytes are not an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Malformed,
    TooLarge,
    /// The connection ended in the middle.
    Cut,
}

/// Whether the answer to a `CONNECT` or to an ordinary request is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaited {
    Answer,
    Tunnel,
}

/// Takes bytes as they arrive until the answer is whole.
pub(crate) struct Reader {
    awaited: Awaited,
    max_body: usize,
    /// What has arrived and is not yet understood.
    raw: Vec<u8>,
    head: Option<Head>,
    framing: Framing,
    body: Vec<u8>,
    started: bool,
}

/// RFC 9112 section 6: where the body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(usize),
    ChunkSize,
    ChunkData(usize),
    ChunkEnd,
    Trailers,
    UntilClose,
    Done,
}

impl Reader {
    pub(crate) fn new(awaited: Awaited, max_body: usize) -> Self {
        Self {
            awaited,
            max_body,
            raw: Vec::new(),
            head: None,
            framing: Framing::Done,
            body: Vec::new(),
            started: false,
        }
    }

    /// Whether anything at all has arrived.
    pub(crate) fn started(&self) -> bool {
        self.started
    }

    /// Takes bytes; true once the answer is whole.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<bool, Fault> {
        self.started |= !bytes.is_empty();
        self.raw.extend_from_slice(bytes);
        while self.head.is_none() {
            if !self.parse_head()? {
                return Ok(false);
            }
        }
        self.parse_body()
    }

    /// The connection ended; true if that is how this answer ends.
    pub(crate) fn end(&mut self) -> Result<bool, Fault> {
        if self.head.is_some() && matches!(self.framing, Framing::UntilClose | Framing::Done) {
            self.framing = Framing::Done;
            return Ok(true);
        }
        Err(Fault::Cut)
    }

    /// The whole answer. A connection that sent more than the answer is not used again.
    pub(crate) fn finish(self) -> Option<(Head, Vec<u8>)> {
        let mut head = self.head?;
        head.keep_alive &= self.raw.is_empty();
        (self.framing == Framing::Done).then_some((head, self.body))
    }

    /// Parses one head; an interim one (1xx) is skipped. False: more bytes are needed.
    fn parse_head(&mut self) -> Result<bool, Fault> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut parsed = httparse::Response::new(&mut headers);
        let end = match parsed.parse(&self.raw) {
            Ok(Status::Complete(end)) if end <= MOST_HEAD => end,
            Ok(Status::Partial) if self.raw.len() <= MOST_HEAD => return Ok(false),
            Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Fault::TooLarge),
            Err(_) => return Err(Fault::Malformed),
        };
        let status = parsed.code.unwrap_or_default();
        if (100..200).contains(&status) {
            // 101 would hand the connection to another protocol that nobody asked for.
            if status == 101 {
                return Err(Fault::Malformed);
            }
            self.raw.drain(..end);
            return Ok(!self.raw.is_empty());
        }
        if status < 200 {
            return Err(Fault::Malformed);
        }
        let modern = parsed.version == Some(1);
        let (mut head, framing) = read_headers(status, modern, parsed.headers)?;
        let bodiless =
            matches!(status, 204 | 304) || (self.awaited == Awaited::Tunnel && status < 300);
        self.framing = if bodiless { Framing::Done } else { framing };
        match self.framing {
            Framing::Length(length) if length > self.max_body => return Err(Fault::TooLarge),
            Framing::Length(length) => self.body.reserve_exact(length),
            Framing::UntilClose => head.keep_alive = false,
            _ => {}
        }
        self.head = Some(head);
        self.raw.drain(..end);
        Ok(true)
    }

    fn parse_body(&mut self) -> Result<bool, Fault> {
        loop {
            match self.framing {
                Framing::Done => return Ok(true),
                Framing::Length(0) => self.framing = Framing::Done,
                Framing::UntilClose => {
                    self.take(self.raw.len())?;
                    return Ok(false);
                }
                Framing::Length(left) => {
                    let taken = self.take(left)?;
                    self.framing = Framing::Length(left - taken);
                    if taken == 0 {
                        return Ok(false);
                    }
                }
                Framing::ChunkData(left) => {
                    let taken = self.take(left)?;
                    self.framing = match left - taken {
                        0 => Framing::ChunkEnd,
                        left => Framing::ChunkData(left),
                    };
                    if taken == 0 {
                        return Ok(false);
                    }
                }
                Framing::ChunkEnd => match self.line()? {
                    None => return Ok(false),
                    Some(line) if line.is_empty() => self.framing = Framing::ChunkSize,
                    Some(_) => return Err(Fault::Malformed),
                },
                Framing::ChunkSize => {
                    let Some(line) = self.line()? else {
                        return Ok(false);
                    };
                    self.framing = match chunk_size(&line).ok_or(Fault::Malformed)? {
                        0 => Framing::Trailers,
                        size => Framing::ChunkData(size),
                    };
                }
                Framing::Trailers => match self.line()? {
                    None => return Ok(false),
                    Some(line) if line.is_empty() => self.framing = Framing::Done,
                    Some(_) => {}
                },
            }
        }
    }

    /// Moves up to `most` bytes into the body.
    fn take(&mut self, most: usize) -> Result<usize, Fault> {
        let count = most.min(self.raw.len());
        if self.body.len().saturating_add(count) > self.max_body {
            return Err(Fault::TooLarge);
        }
        self.body.extend(self.raw.drain(..count));
        Ok(count)
    }

    /// One line of the chunked coding, without its end.
    fn line(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let Some(at) = memchr::memchr(b'\n', &self.raw) else {
            return if self.raw.len() > LONGEST_CHUNK_LINE {
                Err(Fault::Malformed)
            } else {
                Ok(None)
            };
        };
        let mut line: Vec<u8> = self.raw.drain(..=at).collect();
        line.pop();
        if line.pop() != Some(b'\r') || line.len() > LONGEST_CHUNK_LINE {
            return Err(Fault::Malformed);
        }
        Ok(Some(line))
    }
}

fn read_headers(
    status: u16,
    modern: bool,
    headers: &[Header<'_>],
) -> Result<(Head, Framing), Fault> {
    let mut head = Head {
        status,
        keep_alive: modern,
        ..Head::default()
    };
    let mut length = None;
    let mut chunked = false;
    for header in headers {
        let Ok(value) = std::str::from_utf8(header.value).map(str::trim) else {
            continue;
        };
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            let parsed = value.parse().ok().filter(|_| digits);
            if parsed.is_none() || (length.is_some() && length != parsed) {
                return Err(Fault::Malformed);
            }
            length = parsed;
        } else if is("transfer-encoding") {
            if chunked || !value.eq_ignore_ascii_case("chunked") {
                return Err(Fault::Malformed);
            }
            chunked = true;
        } else if is("connection") {
            for option in value.split(',').map(str::trim) {
                if option.eq_ignore_ascii_case("close") {
                    head.keep_alive = false;
                }
            }
        } else if is("content-encoding") {
            // None was asked for.
            if !value.eq_ignore_ascii_case("identity") {
                return Err(Fault::Malformed);
            }
        } else if is("x-request-id") {
            head.request_id = Some(value.to_owned());
        } else if is("retry-after") {
            head.retry_after = Some(value.to_owned());
        } else if is("date") {
            head.date = Some(value.to_owned());
        } else if is("idempotency-replayed") {
            head.replayed = value.eq_ignore_ascii_case("true");
        }
    }
    let framing = match (chunked, length) {
        // Both at once is how requests are smuggled: no second answer from that connection.
        (true, Some(_)) => {
            head.keep_alive = false;
            Framing::ChunkSize
        }
        (true, None) => Framing::ChunkSize,
        (false, Some(length)) => Framing::Length(length),
        (false, None) => Framing::UntilClose,
    };
    Ok((head, framing))
}

fn chunk_size(line: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(line).ok()?;
    let digits = text.split(';').next()?.trim();
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain
        .then(|| usize::from_str_radix(digits, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::{Awaited, Fault, Head, Reader};

    /// Feeds the bytes in pieces of every size; all must agree.
    fn check(bytes: &[u8], ends: bool) -> Result<Option<(u16, Vec<u8>, bool)>, Fault> {
        let mut agreed = None;
        for size in 1..=bytes.len() {
            let mut reader = Reader::new(Awaited::Answer, 1000);
            let mut outcome = Ok(false);
            for piece in bytes.chunks(size) {
                outcome = reader.push(piece);
                if outcome.is_err() {
                    break;
                }
            }
            if ends && outcome == Ok(false) {
                outcome = reader.end();
            }
            let outcome = outcome.map(|_| {
                reader
                    .finish()
                    .map(|(head, body): (Head, _)| (head.status, body, head.keep_alive))
            });
            assert!(
                agreed.is_none() || agreed.as_ref() == Some(&outcome),
                "{size}"
            );
            agreed = Some(outcome);
        }
        agreed.unwrap()
    }

    fn whole(status: u16, body: &str, keep_alive: bool) -> (u16, Vec<u8>, bool) {
        (status, body.as_bytes().to_vec(), keep_alive)
    }

    #[test]
    fn length_chunks_and_closing_end_a_body() {
        let plain = b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 5\r\n\r\nhello";
        assert_eq!(check(plain, false), Ok(Some(whole(200, "hello", true))));
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
            3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nT: t\r\n\r\n";
        assert_eq!(check(chunked, false), Ok(Some(whole(200, "hello", true))));
        let closing = b"HTTP/1.1 200 OK\r\n\r\nhello";
        assert_eq!(check(closing, true), Ok(Some(whole(200, "hello", false))));
        assert_eq!(check(closing, false), Ok(None));
    }

    #[test]
    fn connection_is_kept_only_where_that_is_safe() {
        for (head, keep) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true),
            ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false),
            (
                "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n",
                false,
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                false,
            ),
            ("HTTP/1.1 204 No Content\r\n\r\n", true),
        ] {
            let (_, _, kept) = check(head.as_bytes(), false).unwrap().unwrap();
            assert_eq!(kept, keep, "{head}");
        }
        let mut reader = Reader::new(Awaited::Answer, 10);
        reader
            .push(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1")
            .unwrap();
        assert!(!reader.finish().unwrap().0.keep_alive);
    }

    #[test]
    fn interim_answers_are_skipped() {
        let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n\
            HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(check(bytes, false), Ok(Some(whole(200, "ok", true))));
    }

    #[test]
    fn what_is_cut_is_never_taken_for_an_answer() {
        for bytes in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
            "HTTP/1.1 200 OK\r\nContent-Len",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        ] {
            assert_eq!(check(bytes.as_bytes(), true), Err(Fault::Cut), "{bytes}");
        }
    }

    #[test]
    fn garbage_and_ambiguity_are_refused() {
        for bytes in [
            "SSH-2.0-x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\na",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
            "HTTP/1.1 101 Switching\r\n\r\n",
            "HTTP/1.1 099 Odd\r\n\r\n",
        ] {
            assert_eq!(
                check(bytes.as_bytes(), true),
                Err(Fault::Malformed),
                "{bytes}"
            );
        }
    }

    #[test]
    fn size_is_bounded_in_head_and_body() {
        let long = "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n";
        assert_eq!(check(long.as_bytes(), false), Err(Fault::TooLarge));
        let huge = format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n{}",
            "a".repeat(1001)
        );
        let mut reader = Reader::new(Awaited::Answer, 1000);
        assert_eq!(reader.push(huge.as_bytes()), Err(Fault::TooLarge));
        let head = format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(70_000));
        let mut reader = Reader::new(Awaited::Answer, 1000);
        assert_eq!(reader.push(head.as_bytes()), Err(Fault::TooLarge));
        let overflow =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n";
        assert_eq!(check(overflow.as_bytes(), false), Err(Fault::Malformed));
    }

    #[test]
    fn tunnel_has_no_body_when_it_opens() {
        let mut reader = Reader::new(Awaited::Tunnel, 1000);
        assert_eq!(reader.push(b"HTTP/1.1 200 Connected\r\n\r\n"), Ok(true));
    }
}
