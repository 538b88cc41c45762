//! The web server that machines under test fetch a published release from. It is healthy, or fails in one of the ways in which
//! servers and networks do.
//!
//! It writes HTTP by hand, because libraries do not announce a length other than what they send.

mod behaviour;
mod connection;
mod files;
mod http;

pub use behaviour::Behaviour;
pub use files::{Content, Files};

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use vm::process::POLL;

/// The requests for a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileRequests {
    /// How many there were, with any method and any answer.
    pub requests: u64,
    /// Bytes of content that were sent. Some of them may still be in the network's buffers.
    pub bytes: u64,
}

/// Serves files on a port of 127.0.0.1, each by its name at the root. Dropping the server closes its connections and ends its
/// threads.
pub struct UpdateServer {
    pub port: u16,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    files: Mutex<Files>,
    behaviour: Mutex<Behaviour>,
    requests: Mutex<BTreeMap<String, FileRequests>>,
    stopped: AtomicBool,
}

impl UpdateServer {
    /// Starts a healthy server of `files`.
    ///
    /// # Errors
    /// No port is free.
    pub fn start(files: Files) -> Result<Self> {
        let listen = || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listener.set_nonblocking(true)?;
            Ok::<_, std::io::Error>((listener.local_addr()?.port(), listener))
        };
        let (port, listener) = listen().context("update server: no port of 127.0.0.1")?;
        let state = Arc::new(State {
            files: Mutex::new(files),
            ..State::default()
        });
        let shared = Arc::clone(&state);
        Ok(UpdateServer {
            port,
            state,
            thread: Some(thread::spawn(move || accept(&listener, &shared))),
        })
    }

    /// Serves `files` in place of the others, from the next request on.
    pub fn publish(&self, files: Files) {
        *locked(&self.state.files) = files;
    }

    /// Changes the behaviour from the next request on. Answers under way are not affected.
    pub fn behave(&self, behaviour: Behaviour) {
        *locked(&self.state.behaviour) = behaviour;
    }

    /// The requests since the last call by name, also of files that do not exist.
    pub fn take_requests(&self) -> BTreeMap<String, FileRequests> {
        std::mem::take(&mut *locked(&self.state.requests))
    }
}

impl Drop for UpdateServer {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Returns once the server is stopped and all connections have ended.
fn accept(listener: &TcpListener, state: &State) {
    thread::scope(|connections| {
        while !state.is_stopped() {
            match listener.accept() {
                Ok((stream, _)) => {
                    // A client that hangs up is not an error of the server.
                    connections.spawn(move || drop(connection::serve(state, &stream)));
                }
                Err(_) => thread::sleep(POLL),
            }
        }
    });
}

impl State {
    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Adds to the requests for `name`.
    fn count(&self, name: &str, requests: u64, bytes: u64) {
        let mut all = locked(&self.requests);
        let file = all.entry(name.to_string()).or_default();
        file.requests += requests;
        file.bytes += bytes;
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
