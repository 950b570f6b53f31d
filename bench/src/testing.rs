//! A server for tests of the load: it answers every request alike

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Answers whatever is asked with these bytes, or never if there are none; closes the connection
/// where the answer says so. Its threads end with the test's process.
pub(crate) fn server(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream, answer));
        }
    });
    address
}

fn serve(mut stream: TcpStream, answer: &str) {
    // A request of the tests is shorter than this and comes in one piece.
    let mut request = [0; 4096];
    while stream.read(&mut request).is_ok_and(|read| read > 0) {
        if answer.is_empty() {
            continue;
        }
        if stream.write_all(answer.as_bytes()).is_err() || answer.contains("connection: close") {
            return;
        }
    }
}
