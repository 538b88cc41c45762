//! A registry of images on the harness's side: the part of the OCI distribution API that Docker pulls with.
//!
//! Docker wants TLS, but not of a registry at a loopback address. So the machine turns connections to one of its own to the
//! harness while the check runs.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use stick::digest::sha256_hex;

use crate::ollama_image::docker_archive::append;

/// The registry's address on the machine.
pub const HOST: &str = "127.0.0.1:5000";
/// The name of its only repository.
pub const NAME: &str = "ollama/ollama";
const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// The table of nftables that is there while the check runs.
const TABLE: &str = "ip image_registry";
/// A client that sends nothing does not keep a thread for ever.
const SILENT: Duration = Duration::from_secs(10);

/// Images, served on a port of 127.0.0.1.
pub struct Registry {
    pub port: u16,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    /// By the last part of the path: tags and digests.
    files: BTreeMap<String, (&'static str, Vec<u8>)>,
    /// The paths that were asked for.
    requests: Mutex<Vec<String>>,
    stopped: AtomicBool,
}

impl Registry {
    /// Serves an image for each of `tags`, with a layer of `bytes` that it shares with no other.
    ///
    /// # Errors
    /// No port is free.
    pub fn start(tags: &[&str], bytes: usize) -> Result<Self> {
        let mut files = BTreeMap::new();
        for (tag, fill) in tags.iter().zip(1..) {
            files.extend(image(tag, &vec![fill; bytes])?);
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(State {
            files,
            requests: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        let thread = thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let state = Arc::clone(&shared);
                // A client that hangs up is its own affair.
                thread::spawn(move || state.answer(&stream));
            }
        });
        Ok(Registry {
            port,
            state,
            thread: Some(thread),
        })
    }

    /// Whether something of the image `tag` was asked for.
    pub fn was_asked_for(&self, tag: &str) -> bool {
        let requests = self.state.requests.lock();
        let requests = requests.unwrap_or_else(PoisonError::into_inner);
        requests.iter().any(|path| path.ends_with(tag))
    }

    /// Command lines that connect the machine with the registry at its router's address, and part them again.
    pub fn connection(&self, router: Ipv4Addr) -> [String; 2] {
        let (port, host) = (self.port, HOST.replace(':', " tcp dport "));
        let rules = format!(
            "table {TABLE} {{ chain output {{ type nat hook output priority -100; ip daddr {host} dnat to {router}:{port}; }}; \
             chain postrouting {{ type nat hook postrouting priority 100; ip daddr {router} tcp dport {port} masquerade; }}; }}"
        );
        // Without it, nothing that comes from a loopback address leaves the machine.
        let local = "net/ipv4/conf/all/route_localnet";
        [
            format!("nft '{rules}' && echo 1 > /proc/sys/{local}"),
            format!("nft delete table {TABLE}; echo 0 > /proc/sys/{local}"),
        ]
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Relaxed);
        // The thread wakes up.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl State {
    fn answer(&self, stream: &TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(SILENT))?;
        let mut reader = BufReader::new(stream);
        // Docker tries TLS first (RFC 8446, 5.1: a handshake begins with 22).
        if reader.fill_buf()?.first() == Some(&22) {
            return Ok(());
        }
        let mut first = String::new();
        reader.read_line(&mut first)?;
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            line.clear();
        }
        let mut words = first.split(' ');
        let (method, path) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.push(path.to_string());
        drop(requests);
        let missing = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
        let (status, kind, content) = match self.files.get(path.rsplit('/').next().unwrap_or("")) {
            Some((kind, content)) => ("200 OK", *kind, content.as_slice()),
            None if path == "/v2/" => ("200 OK", "application/json", &b"{}"[..]),
            None => ("404 Not Found", "application/json", &missing[..]),
        };
        let mut stream = stream;
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nDocker-Content-Digest: {}\r\n\
             Connection: close\r\n\r\n",
            content.len(),
            digest_of(content)
        )?;
        if method != "HEAD" {
            stream.write_all(content)?;
        }
        Ok(())
    }
}

fn digest_of(content: &[u8]) -> String {
    format!("sha256:{}", sha256_hex(content))
}

/// The files of an image with the one file `data`: its manifest by tag and digest, its configuration and its layer.
fn image(tag: &str, data: &[u8]) -> Result<[(String, (&'static str, Vec<u8>)); 4]> {
    const BINARY: &str = "application/octet-stream";
    let mut layer = tar::Builder::new(Vec::new());
    append(&mut layer, "data", 0o644, data)?;
    let layer = layer.into_inner()?;
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": [digest_of(&layer)] },
    });
    let config = config.to_string().into_bytes();
    let part = |kind: &str, content: &[u8]| json!({ "mediaType": kind, "digest": digest_of(content), "size": content.len() });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": part("application/vnd.docker.container.image.v1+json", &config),
        "layers": [part("application/vnd.docker.image.rootfs.diff.tar.gzip", &layer)],
    });
    let manifest = manifest.to_string().into_bytes();
    Ok([
        (tag.to_string(), (MANIFEST, manifest.clone())),
        (digest_of(&manifest), (MANIFEST, manifest)),
        (digest_of(&config), (BINARY, config)),
        (digest_of(&layer), (BINARY, layer)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_served_as_registries_do() {
        let registry = Registry::start(&["a", "b"], 10).unwrap();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .new_agent();
        let base = format!("http://127.0.0.1:{}/v2/", registry.port);
        assert_eq!(agent.get(&base).call().unwrap().status(), 200);
        let a = agent
            .get(format!("{base}{NAME}/manifests/a"))
            .call()
            .unwrap();
        assert_eq!(a.headers()["content-type"], MANIFEST);
        let by_digest = a.headers()["docker-content-digest"]
            .to_str()
            .unwrap()
            .to_string();
        let text = a.into_body().read_to_string().unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
        let layer = manifest["layers"][0]["digest"].as_str().unwrap();
        let blob = agent.get(format!("{base}{NAME}/blobs/{layer}")).call();
        let blob = blob.unwrap().into_body().read_to_vec().unwrap();
        assert_eq!(digest_of(&blob), layer);
        let head = agent
            .head(format!("{base}{NAME}/manifests/{by_digest}"))
            .call();
        assert_eq!(head.unwrap().status(), 200);
        let none = agent.get(format!("{base}{NAME}/manifests/none")).call();
        assert_eq!(none.unwrap().status(), 404);
        assert!(registry.was_asked_for("none") && !registry.was_asked_for("b"));
    }
}
