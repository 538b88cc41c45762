use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::*;

const STORE: &str = "ollamalive_1_x.store";

/// A small file, and one that does not fit into the network's buffers.
fn server(folder: &std::path::Path) -> UpdateServer {
    let path = folder.join("large");
    std::fs::write(&path, large()).unwrap();
    let files = [
        (STORE.to_string(), Content::File(path)),
        ("SHA256SUMS".to_string(), "sums\n".to_string().into()),
    ];
    UpdateServer::start(files.into()).unwrap()
}

fn large() -> Vec<u8> {
    (0..20_000_000_u32).map(|at| (at % 251) as u8).collect()
}

fn connect(server: &UpdateServer) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
}

/// Status, announced length and content of the answer.
fn ask(server: &UpdateServer, method: &str, name: &str) -> (u16, u64, Vec<u8>) {
    let mut stream = connect(server);
    write!(stream, "{method} /{name} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = http::END_OF_HEAD;
    let at = answer.windows(end.len()).position(|at| at == end).unwrap();
    let content = answer.split_off(at + end.len());
    let head = String::from_utf8(answer).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "));
    (status, length.unwrap().parse().unwrap(), content)
}

#[test]
fn files_are_served_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    let (status, length, content) = ask(&server, "GET", STORE);
    assert_eq!((status, length), (200, 20_000_000));
    assert!(content == large());
    assert_eq!(ask(&server, "HEAD", STORE), (200, 20_000_000, vec![]));
    assert_eq!(
        ask(&server, "GET", "SHA256SUMS?x"),
        (200, 5, b"sums\n".to_vec())
    );
    assert_eq!(ask(&server, "GET", "other"), (404, 0, vec![]));
    let counted = |requests, bytes| FileRequests { requests, bytes };
    let expected = [
        (STORE.to_string(), counted(2, 20_000_000)),
        ("SHA256SUMS".to_string(), counted(1, 5)),
        ("other".to_string(), counted(1, 0)),
    ];
    assert_eq!(server.take_requests(), expected.into());
    assert!(server.take_requests().is_empty());
}

#[test]
fn another_release_takes_the_place_of_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    server.publish([("new".to_string(), b"n".to_vec().into())].into());
    assert_eq!(ask(&server, "GET", "new"), (200, 1, b"n".to_vec()));
    assert_eq!(ask(&server, "GET", STORE).0, 404);
}

#[test]
fn the_server_lies_and_stops_as_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    let name = || ".store".to_string();
    let behave = |behaviour| {
        server.behave(behaviour);
        let (status, length, content) = ask(&server, "GET", STORE);
        assert!(large().starts_with(&content));
        (status, length, content.len())
    };
    let cut_off = Behaviour::CutOff {
        name: name(),
        bytes: 300_000,
    };
    assert_eq!(behave(cut_off), (200, 20_000_000, 300_000));
    assert_eq!(ask(&server, "GET", "SHA256SUMS").2, b"sums\n");
    let short = Behaviour::ShortLength { name: name() };
    assert_eq!(behave(short), (200, 10_000_000, 10_000_000));
    let long = Behaviour::LongLength { name: name() };
    assert_eq!(
        behave(long),
        (200, 20_000_000 + behaviour::MORE, 20_000_000)
    );
    assert_eq!(behave(Behaviour::NotFound(name())), (404, 0, 0));
    assert_eq!(behave(Behaviour::Status(500)), (500, 0, 0));
    assert_eq!(behave(Behaviour::Healthy), (200, 20_000_000, 20_000_000));
}

#[test]
fn a_slow_server_keeps_its_rate() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    server.behave(Behaviour::Slow(10));
    let start = Instant::now();
    assert_eq!(ask(&server, "GET", "SHA256SUMS").2, b"sums\n");
    // The last byte comes after 0.5 s.
    assert!(start.elapsed() >= Duration::from_millis(500));
}

#[test]
fn what_is_no_request_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    let mut stream = connect(&server);
    stream.write_all(b"hello\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(server.take_requests().is_empty());
}

/// A client that does not read, one that sends nothing, and one that waits for a server that sends nothing.
#[test]
fn a_dropped_server_leaves_no_connection() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(folder.path());
    let mut deaf = connect(&server);
    write!(deaf, "GET /{STORE} HTTP/1.1\r\n\r\n").unwrap();
    let mut dumb = connect(&server);
    let end = Instant::now() + Duration::from_secs(30);
    while server.take_requests().is_empty() {
        assert!(Instant::now() < end, "no request arrived");
        thread::sleep(POLL);
    }
    server.behave(Behaviour::Slow(0));
    let mut waiting = connect(&server);
    write!(waiting, "GET /{STORE} HTTP/1.1\r\n\r\n").unwrap();
    let mut start = [0; 12];
    waiting.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    let state = Arc::downgrade(&server.state);
    drop(server);
    // The thread that has the port holds the state until all others have ended.
    assert_eq!(state.strong_count(), 0);
    for stream in [&mut deaf, &mut dumb, &mut waiting] {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.len() < 20_000_000);
    }
}
