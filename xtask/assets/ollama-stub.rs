//! Stands in for Ollama in the tests: answers GET /, /api/version and /api/tags on $OLLAMA_HOST. It "pulls" any model at once,
//! and then shows, lists and loads it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::time::Duration;

/// The names of the models that were pulled.
static MODELS: Mutex<Vec<String>> = Mutex::new(Vec::new());

unsafe extern "C" {
    fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
    fn _exit(status: i32) -> !;
}

/// The first process of a container gets no default action for SIGTERM: `docker stop` would wait for ten seconds.
extern "C" fn stop(_: i32) {
    // SAFETY: _exit is async-signal-safe.
    unsafe { _exit(0) }
}

fn main() {
    // SAFETY: the handler only calls _exit. 15 is SIGTERM on Linux.
    unsafe { signal(15, stop) };
    let host = std::env::var("OLLAMA_HOST").unwrap_or_else(|_| "127.0.0.1:11434".into());
    let compute = if std::env::var("OLLAMALIVE_GPU").as_deref() == Ok("none") { "cpu" } else { "unknown" };
    // As Go's net.Listen does for Ollama: the unspecified IPv4 address means every address of both families.
    let host = host.replace("0.0.0.0:", "[::]:");
    let listener = TcpListener::bind(&host).unwrap_or_else(|error| {
        eprintln!("cannot listen on {host}: {error}");
        std::process::exit(1);
    });
    let address = listener.local_addr().map_or(host, |address| address.to_string());
    println!("inference compute library={compute} listening on {address}");
    for stream in listener.incoming().flatten() {
        std::thread::spawn(move || answer(&stream));
    }
}

fn answer(mut stream: &TcpStream) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let mut reader = BufReader::new(stream);
    let mut lines = reader.by_ref().lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    // The whole request: a client that is not heard out would see a reset.
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let length = head.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut asked = String::new();
    let _ = reader.take(length.unwrap_or(0)).read_to_string(&mut asked);
    let model = asked.split("\"model\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    let mut models = MODELS.lock().expect("no thread panics");
    let is_there = models.iter().any(|name| name == model);
    let json = "application/json";
    let (status, kind, body) = match request.split(' ').nth(1) {
        Some("/") => ("200 OK", "text/plain", "Ollama is running".into()),
        Some("/api/version") => ("200 OK", json, r#"{"version":"0.0.0-stub"}"#.into()),
        Some("/api/tags") => {
            let names: Vec<String> = models.iter().map(|name| format!(r#"{{"name":"{name}"}}"#)).collect();
            ("200 OK", json, format!(r#"{{"models":[{}]}}"#, names.join(",")))
        }
        Some("/api/pull") if !model.is_empty() => {
            models.push(model.to_string());
            ("200 OK", json, "{\"status\":\"success\"}\n".into())
        }
        Some("/api/show" | "/api/generate") if is_there => ("200 OK", json, r#"{"done":true}"#.into()),
        _ => ("404 Not Found", "text/plain", "404 page not found".to_string()),
    };
    drop(models);
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}
