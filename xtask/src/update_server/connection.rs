//! One connection: reads a request and carries out the plan of its answer.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::behaviour::Plan;
use super::http::{self, END_OF_HEAD, Request};
use super::{State, locked};

/// How often a connection checks whether the server is stopped.
const TICK: Duration = Duration::from_millis(50);
/// Time for a client to send its request.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest request in bytes.
const LONGEST: usize = 16 << 10;
const BLOCK: u64 = 64 << 10;

/// Answers one request and closes the connection.
///
/// # Errors
/// The client is gone, or the server is stopped.
pub fn serve(state: &State, mut stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(TICK))?;
    stream.set_write_timeout(Some(TICK))?;
    let Some(request) = Request::parse(&read_head(state, stream)?) else {
        return stream.write_all(http::head(400, 0).as_bytes());
    };
    state.count(&request.name, 1, 0);
    let content = locked(&state.files).get(&request.name).cloned();
    let (length, mut bytes) = match content.map(|content| content.open()).transpose()? {
        Some((length, bytes)) => (Some(length), bytes),
        None => (None, Box::new(io::empty()) as Box<dyn Read>),
    };
    let plan = locked(&state.behaviour).plan(&request, length);
    send(
        state,
        stream,
        http::head(plan.status, plan.announced).as_bytes(),
        |_| {},
    )?;
    send_content(state, stream, &mut bytes, plan, &request.name)?;
    stream.shutdown(Shutdown::Write)
}

/// What the client sends, up to an empty line or the end.
///
/// # Errors
/// The request takes too long or is too long, or the server is stopped.
fn read_head(state: &State, mut stream: &TcpStream) -> io::Result<String> {
    let end = Instant::now() + PATIENCE;
    let mut head = Vec::new();
    let mut block = [0; 4096];
    while !head.windows(END_OF_HEAD.len()).any(|at| at == END_OF_HEAD) {
        go_on(state)?;
        match stream.read(&mut block) {
            Ok(0) => break,
            Ok(read) => head.extend_from_slice(&block[..read]),
            Err(error) if is_tick(&error) => {}
            Err(error) => return Err(error),
        }
        if head.len() > LONGEST || Instant::now() > end {
            return Err(ErrorKind::InvalidData.into());
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

fn send_content(
    state: &State,
    stream: &TcpStream,
    bytes: &mut dyn Read,
    plan: Plan,
    name: &str,
) -> io::Result<()> {
    // Several blocks a second, so that the client sees a steady rate.
    let most = plan.rate.map_or(BLOCK, |rate| (rate / 20).clamp(1, BLOCK));
    let mut block = vec![0; most as usize];
    let mut left = plan.sent;
    while left > 0 {
        if let Some(rate) = plan.rate {
            wait(state, rate, most)?;
        }
        let wanted = left.min(most) as usize;
        let read = bytes.read(&mut block[..wanted])?;
        if read == 0 {
            // The file became shorter after its length was announced.
            return Err(ErrorKind::UnexpectedEof.into());
        }
        send(state, stream, &block[..read], |sent| {
            state.count(name, 0, sent)
        })?;
        left -= read as u64;
    }
    Ok(())
}

/// Waits as long as `bytes` take at `rate` bytes a second; at 0, until the server is stopped.
fn wait(state: &State, rate: u64, bytes: u64) -> io::Result<()> {
    let end =
        (rate > 0).then(|| Instant::now() + Duration::from_secs_f64(bytes as f64 / rate as f64));
    loop {
        go_on(state)?;
        let left = end.map_or(TICK, |end| end.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(TICK));
    }
}

/// Sends all of `bytes`, however long the client takes. `sent` is called with the number of bytes after each write.
fn send(
    state: &State,
    mut stream: &TcpStream,
    mut bytes: &[u8],
    sent: impl Fn(u64),
) -> io::Result<()> {
    while !bytes.is_empty() {
        go_on(state)?;
        match stream.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => {
                sent(written as u64);
                bytes = &bytes[written..];
            }
            Err(error) if is_tick(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_tick(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// Fails once the server is stopped, so that every loop of a connection ends.
fn go_on(state: &State) -> io::Result<()> {
    match state.is_stopped() {
        true => Err(io::Error::other("the update server is stopped")),
        false => Ok(()),
    }
}
