//! A server that says, and breaks, exactly what a test tells it to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// What happens to one request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// These bytes; the connection lives on.
    Say(Vec<u8>),
    /// These bytes; then the connection is closed.
    Cut(Vec<u8>),
    /// Nothing until the client leaves.
    Hang,
}

pub(crate) fn answer(status: u16, body: &str) -> Reply {
    answer_with(status, "", body)
}

pub(crate) fn answer_with(status: u16, headers: &str, body: &str) -> Reply {
    let length = body.len();
    let text =
        format!("HTTP/1.1 {status} Status\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
    Reply::Say(text.into_bytes())
}

/// One request: head and body.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: String,
    pub(crate) connection: usize,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

pub(crate) struct Fake {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Fake {
    /// Serves the script, one reply per request; when it is used up, the last reply again.
    pub(crate) fn start(script: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let script = Arc::new(Mutex::new(script.into_iter().rev().collect::<Vec<_>>()));
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (seen, script) = (Arc::clone(&seen), Arc::clone(&script));
                thread::spawn(move || serve(stream.unwrap(), number, &seen, &script));
            }
        });
        Self { url, requests }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(
    mut stream: TcpStream,
    connection: usize,
    seen: &Mutex<Vec<Request>>,
    script: &Mutex<Vec<Reply>>,
) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(request) = read(&mut reader, connection) {
        seen.lock().unwrap().push(request);
        let reply = {
            let mut script = script.lock().unwrap();
            let last = script.len() == 1;
            if last {
                script[0].clone()
            } else {
                script.pop().unwrap()
            }
        };
        match reply {
            Reply::Say(bytes) => stream.write_all(&bytes).unwrap(),
            Reply::Cut(bytes) => {
                stream.write_all(&bytes).unwrap();
                return;
            }
            Reply::Hang => {
                let _ = reader.read(&mut [0]);
                return;
            }
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>, connection: usize) -> Option<Request> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let mut request = Request {
        head,
        body: String::new(),
        connection,
    };
    let length = request
        .header("content-length")
        .map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    request.body = String::from_utf8(body).unwrap();
    Some(request)
}
