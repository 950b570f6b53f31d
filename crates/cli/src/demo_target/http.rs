//! Just enough HTTP/1.1 (RFC 9112) for a demo: one request, one answer, one connection.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::crm::{Answer, Crm, refuse};

const HEAD_MAX: usize = 64 * 1024;
const BODY_MAX: usize = 1024 * 1024;
const HEADERS_MAX: usize = 100;
const PATIENCE: Duration = Duration::from_secs(10);

struct Head {
    method: String,
    path: String,
    key: Option<String>,
    body_length: usize,
    /// Where the body begins.
    end: usize,
}

pub(super) fn serve(mut stream: TcpStream, crm: &Crm) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let (status, body) = answer(&mut stream, crm)?;
    let reason = match status {
        200 => "OK",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        422 => "Unprocessable Content",
        _ => "Bad Request",
    };
    let head = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())
}

fn answer(stream: &mut TcpStream, crm: &Crm) -> io::Result<Answer> {
    let mut bytes = Vec::with_capacity(4096);
    let head = loop {
        match read_head(&bytes) {
            Ok(Some(head)) => break head,
            Ok(None) if bytes.len() < HEAD_MAX => read_some(stream, &mut bytes)?,
            _ => return Ok(refuse(400, "the request is not HTTP/1.1")),
        }
    };
    if head.body_length > BODY_MAX {
        return Ok(refuse(413, "the body is too long"));
    }
    while bytes.len() < head.end + head.body_length {
        read_some(stream, &mut bytes)?;
    }
    let body = bytes.get(head.end..head.end + head.body_length);
    Ok(
        match (head.method.as_str(), head.path.strip_prefix("/deals/")) {
            ("POST", _) => crm.act(head.key.as_deref(), body.unwrap_or_default()),
            ("GET", Some(id)) => crm.show(id),
            ("GET", None) => refuse(404, "there is nothing here but /deals/<id>"),
            _ => refuse(405, "only GET and POST are known"),
        },
    )
}

fn read_some(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut part = [0; 4096];
    let count = stream.read(&mut part)?;
    if count == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    bytes.extend_from_slice(part.get(..count).unwrap_or_default());
    Ok(())
}

/// `None` while the head is not whole.
fn read_head(bytes: &[u8]) -> Result<Option<Head>, httparse::Error> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(end) = request.parse(bytes)? else {
        return Ok(None);
    };
    let header = |name: &str| {
        let mut named = request.headers.iter();
        let found = named.find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok()
    };
    let body_length = match header("content-length") {
        Some(text) => text.parse().map_err(|_| httparse::Error::HeaderValue)?,
        None => 0,
    };
    Ok(Some(Head {
        method: request.method.unwrap_or_default().to_owned(),
        path: request.path.unwrap_or_default().to_owned(),
        key: header("idempotency-key").map(str::to_owned),
        body_length,
        end,
    }))
}
