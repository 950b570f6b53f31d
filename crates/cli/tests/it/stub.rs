//! A gateway that answers what a test tells it to, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::run::{Ended, relynt_with};

pub(crate) const TOKEN: &str = "rlp_0123456789abcdefghijkl_the-token-of-the-tests";

/// What was asked, as `METHOD path body`, and the credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) authorization: String,
}

/// Answers each request with the first answer left for its method and path; the last one stays.
pub(crate) struct Stub {
    base_url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    server: Option<JoinHandle<()>>,
}

type Answers = Vec<(String, u16, String)>;

impl Stub {
    /// `answers`: method and path with its query, status, body.
    pub(crate) fn new(answers: &[(&str, u16, &str)]) -> Self {
        let mut answers: Answers = answers
            .iter()
            .map(|(line, status, body)| ((*line).to_owned(), *status, (*body).to_owned()))
            .collect();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let remembered = Arc::clone(&asked);
        let server = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if !answer(stream.unwrap(), &mut answers, &remembered) {
                    return;
                }
            }
        });
        Self {
            base_url,
            asked,
            server: Some(server),
        }
    }

    /// Runs `relynt` against it with a token.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with_input(arguments, "")
    }

    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Ended {
        let variables = [
            ("RELYNT_API_BASE_URL", self.base_url.as_str()),
            ("RELYNT_ACCESS_TOKEN", TOKEN),
        ];
        relynt_with(arguments, &variables, input)
    }

    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// As [`Self::asked`], only the lines.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        let address = self.base_url.trim_start_matches("http://");
        if let Ok(mut stream) = TcpStream::connect(address) {
            let _ = stream.write_all(b"STOP / HTTP/1.1\r\n\r\n");
        }
        let _ = self.server.take().unwrap().join();
    }
}

/// Serves one connection to its end; false when told to stop.
fn answer(stream: TcpStream, answers: &mut Answers, asked: &Mutex<Vec<Asked>>) -> bool {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    let mut first = String::new();
    if reader.read_line(&mut first).unwrap_or(0) == 0 {
        return true;
    }
    if first.starts_with("STOP") {
        return false;
    }
    let (mut length, mut authorization) = (0, String::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let Some((name, value)) = header.trim().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "authorization" => value.clone_into(&mut authorization),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let line = first.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let at = answers.iter().position(|(known, ..)| *known == line);
    let (status, answer) = match at {
        Some(at) if answers.iter().filter(|(known, ..)| *known == line).count() > 1 => {
            let (_, status, body) = answers.remove(at);
            (status, body)
        }
        Some(at) => (answers[at].1, answers[at].2.clone()),
        None => (
            404,
            problem("not_found", &format!("the stub does not know `{line}`")),
        ),
    };
    let body = String::from_utf8(body).unwrap();
    asked.lock().unwrap().push(Asked {
        line: format!("{line} {body}").trim_end().to_owned(),
        authorization,
    });
    let head = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: close\r\n\r\n",
        answer.len()
    );
    let _ = stream.write_all(&[head.as_bytes(), answer.as_bytes()].concat());
    true
}

/// Problem details.
pub(crate) fn problem(code: &str, detail: &str) -> String {
    serde_json::json!({ "code": code, "detail": detail, "request_id": "r-1" }).to_string()
}
