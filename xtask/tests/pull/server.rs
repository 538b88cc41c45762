//! A small HTTP server in the place of Ollama and of a registry.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// The status and body for a request's path and body. With status 0, the connection is closed without an answer.
pub type Answers = fn(path: &str, body: &str) -> (u16, String);

/// It serves until the test program ends.
pub struct Server {
    pub port: u16,
    /// `PATH BODY` of each request so far.
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start(answers: Answers) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that breaks off is no fault of the server.
                let _ = answer(&stream, answers, &seen);
            }
        });
        Ok(Server { port, requests })
    }

    /// The requests so far, without those that ask whether the server is up.
    pub fn requests(&self) -> Vec<String> {
        let requests = self.requests.lock().expect("no thread panics");
        let counts = |request: &&String| !request.starts_with("/api/version");
        requests.iter().filter(counts).cloned().collect()
    }
}

fn answer(
    mut stream: &TcpStream,
    answers: Answers,
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = String::new();
    reader.take(length).read_to_string(&mut body)?;
    let path = first.split(' ').nth(1).unwrap_or_default();
    seen.lock()
        .expect("no thread panics")
        .push(format!("{path} {body}").trim_end().to_string());
    let (mut status, text) = answers(path, &body);
    // What was pulled is there.
    let pulled = |request: &String| request.starts_with("/api/pull");
    if path == "/api/show"
        && status == 404
        && seen.lock().expect("no thread panics").iter().any(pulled)
    {
        status = 200;
    }
    if status == 0 {
        return Ok(());
    }
    write!(
        stream,
        "HTTP/1.1 {status} Status\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )
}
