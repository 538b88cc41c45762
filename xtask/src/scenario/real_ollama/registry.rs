//! A registry of models on the harness's side: the part of the OCI distribution API that Ollama pulls with.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Result, anyhow};
use serde_json::json;
use stick::digest::sha256_hex;
use tiny_http::{Header, Method, Request, Response, Server};

/// How the registry behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    Healthy,
    /// Sends [`SLOW`] bytes of a blob a second.
    Slow,
    /// Answers every request with this status.
    Status(u16),
    /// Answers with words in place of a manifest.
    Garbage,
    /// Sends the model in the right length with other bytes.
    WrongBytes,
}

/// Where the data of blobs is: Ollama requires another host than the registry's. An address for documentation (RFC 5737), which the
/// machine's nftables turn to the registry's port ([`with_registry`](super::lan_registry::with_registry)).
pub const DATA_HOST: &str = "192.0.2.80";
/// Blobs up to this size, in bytes, are a model's configuration and template; larger ones are its weights.
const SMALL: usize = 4096;
/// Bytes a second: a tiny model takes several seconds.
const SLOW: u64 = 64 << 10;

/// Models, served on a port of 127.0.0.1. An Ollama whose registry is dropped may hang: it reuses connections that are not answered
/// any more.
pub struct Registry {
    pub port: u16,
    server: Arc<Server>,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    /// By the model's name, with its namespace.
    manifests: BTreeMap<String, Vec<u8>>,
    /// By digest (`sha256:…`).
    blobs: BTreeMap<String, Arc<Vec<u8>>>,
    behaviour: Mutex<Behaviour>,
    /// The first byte of each request for a part of a blob.
    starts: Mutex<Vec<u64>>,
    stopped: AtomicBool,
}

impl Registry {
    /// Serves `models`: names such as `library/m`, and GGUF files.
    ///
    /// # Errors
    /// No port is free.
    pub fn start(models: Vec<(&str, Vec<u8>)>) -> Result<Self> {
        let server = Server::http("127.0.0.1:0").map_err(|error| anyhow!("registry: {error}"))?;
        let address = server.server_addr().to_ip();
        let port = address
            .ok_or_else(|| anyhow!("registry: it has no TCP port"))?
            .port();
        let server = Arc::new(server);
        let state = Arc::new(State::new(models));
        let (requests, shared) = (Arc::clone(&server), Arc::clone(&state));
        let thread = thread::spawn(move || {
            for request in requests.incoming_requests() {
                let state = Arc::clone(&shared);
                // A slow answer must not hold up the others. Its thread ends with the state's `stopped`.
                thread::spawn(move || state.answer(request));
            }
        });
        Ok(Registry {
            port,
            server,
            state,
            thread: Some(thread),
        })
    }

    pub fn behave(&self, behaviour: Behaviour) {
        *locked(&self.state.behaviour) = behaviour;
    }

    /// The first byte of each request for a part of a blob, in their order; the list begins anew.
    pub fn take_starts(&self) -> Vec<u64> {
        std::mem::take(&mut *locked(&self.state.starts))
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Relaxed);
        self.server.unblock();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn new(models: Vec<(&str, Vec<u8>)>) -> Self {
        let mut manifests = BTreeMap::new();
        let mut blobs = BTreeMap::new();
        for (name, model) in models {
            let (manifest, contents) = described(model);
            manifests.insert(name.to_string(), manifest);
            blobs.extend(contents.map(|content| (digest_of(&content), Arc::new(content))));
        }
        State {
            manifests,
            blobs,
            behaviour: Mutex::new(Behaviour::Healthy),
            starts: Mutex::default(),
            stopped: AtomicBool::new(false),
        }
    }

    fn answer(self: Arc<Self>, request: Request) {
        let behaviour = *locked(&self.behaviour);
        // A client that hangs up is its own affair.
        let _ = match (behaviour, self.what(request.url())) {
            (Behaviour::Status(status), _) => {
                let body =
                    json!({ "errors": [{ "code": "REFUSED", "message": "refused by the test" }] });
                request.respond(Response::from_string(body.to_string()).with_status_code(status))
            }
            (Behaviour::Garbage, What::Manifest(_)) => {
                request.respond(Response::from_string("<html>not a registry</html>"))
            }
            (_, What::Manifest(manifest)) => request.respond(Response::from_data(manifest)),
            (_, What::Blob(digest, content)) => self.blob(request, &digest, &content),
            (_, What::Data(content)) => self.data(request, &content, behaviour),
            (_, What::Nothing) => request.respond(Response::empty(404)),
        };
    }

    fn what(&self, url: &str) -> What {
        if let Some((before, _)) = url.split_once("/manifests/") {
            let name = before.strip_prefix("/v2/").unwrap_or_default();
            return match self.manifests.get(name) {
                Some(manifest) => What::Manifest(manifest.clone()),
                None => What::Nothing,
            };
        }
        let digest = url.rsplit('/').next().unwrap_or_default().to_string();
        match self.blobs.get(&digest) {
            Some(content) if url.starts_with("/data/") => What::Data(Arc::clone(content)),
            Some(content) => What::Blob(digest, Arc::clone(content)),
            None => What::Nothing,
        }
    }

    /// A blob's length or, as registries do, where its data is.
    fn blob(&self, request: Request, digest: &str, content: &[u8]) -> io::Result<()> {
        if *request.method() == Method::Head {
            let length = content.len();
            let body = Response::new(200.into(), Vec::new(), io::empty(), Some(length), None);
            return request.respond(body.with_chunked_threshold(usize::MAX));
        }
        let place = format!("http://{DATA_HOST}/data/{digest}");
        request.respond(Response::empty(307).with_header(field("Location", &place)))
    }

    fn data(
        self: &Arc<Self>,
        request: Request,
        content: &Arc<Vec<u8>>,
        behaviour: Behaviour,
    ) -> io::Result<()> {
        let range = header(&request, "Range");
        let (start, end) = part(range.as_deref(), content.len());
        locked(&self.starts).push(start as u64);
        let mut bytes = content[start..end].to_vec();
        // Ollama removes only the first blob with another digest, and takes the others for good at the next pull.
        if behaviour == Behaviour::WrongBytes && content.len() > SMALL {
            bytes.fill(b'x');
        }
        let reader: Box<dyn Read + Send> = match behaviour {
            Behaviour::Slow => Box::new(Slow {
                bytes: Cursor::new(bytes),
                state: Arc::clone(self),
            }),
            _ => Box::new(Cursor::new(bytes)),
        };
        let status = if range.is_some() { 206 } else { 200 };
        let length = Some(end - start);
        request.respond(
            Response::new(status.into(), Vec::new(), reader, length, None)
                .with_chunked_threshold(usize::MAX),
        )
    }
}

fn digest_of(content: &[u8]) -> String {
    format!("sha256:{}", sha256_hex(content))
}

/// The manifest of a model, and the blobs that it names.
fn described(model: Vec<u8>) -> (Vec<u8>, [Vec<u8>; 3]) {
    let template = b"{{ .Prompt }}".to_vec();
    let config = json!({
        "model_format": "gguf",
        "model_family": "llama",
        "model_families": ["llama"],
        "model_type": "0.1M",
        "file_type": "F32",
        "architecture": "amd64",
        "os": "linux",
        "rootfs": { "type": "layers", "diff_ids": [] },
    });
    let config = config.to_string().into_bytes();
    let layer = |kind: &str, content: &[u8]| json!({ "mediaType": kind, "digest": digest_of(content), "size": content.len() });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": layer("application/vnd.docker.container.image.v1+json", &config),
        "layers": [
            layer("application/vnd.ollama.image.model", &model),
            layer("application/vnd.ollama.image.template", &template),
        ],
    });
    (manifest.to_string().into_bytes(), [model, template, config])
}

enum What {
    Manifest(Vec<u8>),
    /// By the registry's API.
    Blob(String, Arc<Vec<u8>>),
    /// Where that points to.
    Data(Arc<Vec<u8>>),
    Nothing,
}

fn header(request: &Request, name: &'static str) -> Option<String> {
    let mut headers = request.headers().iter();
    let found = headers.find(|header| header.field.equiv(name))?;
    Some(found.value.to_string())
}

fn field(name: &str, value: &str) -> Header {
    Header::from_bytes(name, value).expect("a header of the registry")
}

/// The first byte, and the one behind the last, of `bytes=FIRST-LAST` (RFC 9110, 14.1.2) of `length` bytes.
fn part(range: Option<&str>, length: usize) -> (usize, usize) {
    let bounds = range
        .and_then(|range| range.strip_prefix("bytes="))
        .and_then(|range| range.split_once('-'));
    let Some((first, last)) = bounds else {
        return (0, length);
    };
    let first = first.parse().unwrap_or(0).min(length);
    let last = last.parse::<usize>().map_or(length, |last| last + 1);
    (first, last.clamp(first, length))
}

/// Bytes that come slowly, until the registry stops.
struct Slow {
    bytes: Cursor<Vec<u8>>,
    state: Arc<State>,
}

impl Read for Slow {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        const STEPS: u64 = 20;
        thread::sleep(Duration::from_millis(1000 / STEPS));
        if self.state.stopped.load(Ordering::Relaxed) {
            return Err(io::Error::other("the registry has stopped"));
        }
        let most = into.len().min((SLOW / STEPS) as usize);
        self.bytes.read(&mut into[..most])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent() -> ureq::Agent {
        ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .build()
            .new_agent()
    }

    #[test]
    fn a_model_is_served_as_registries_do() {
        let model = vec![7; 100_000];
        let registry = Registry::start(vec![("library/m", model.clone())]).unwrap();
        let base = format!("http://127.0.0.1:{}", registry.port);
        let manifest = agent()
            .get(format!("{base}/v2/library/m/manifests/latest"))
            .call()
            .unwrap();
        let manifest = manifest.into_body().read_to_string().unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        let digest = manifest["layers"][0]["digest"].as_str().unwrap();
        let blob = format!("{base}/v2/library/m/blobs/{digest}");
        let head = agent().head(&blob).call().unwrap();
        assert_eq!(head.headers()["content-length"], "100000");
        let there = agent().get(&blob).call().unwrap();
        assert_eq!(there.status(), 307);
        let place = there.headers()["location"].to_str().unwrap();
        let place = place.replace(DATA_HOST, &format!("127.0.0.1:{}", registry.port));
        let part = agent().get(&place).header("Range", "bytes=99990-99999");
        let part = part.call().unwrap();
        assert_eq!(part.status(), 206);
        assert_eq!(part.into_body().read_to_vec().unwrap(), [7; 10]);
        assert_eq!(registry.take_starts(), [99990]);
        registry.behave(Behaviour::WrongBytes);
        let wrong = agent().get(&place).call().unwrap();
        let wrong = wrong.into_body().read_to_vec().unwrap();
        assert_eq!((wrong.len(), wrong[0]), (model.len(), b'x'));
        let other = format!("{base}/v2/library/other/manifests/latest");
        assert_eq!(agent().get(&other).call().unwrap().status(), 404);
        registry.behave(Behaviour::Status(429));
        assert_eq!(agent().get(&place).call().unwrap().status(), 429);
    }

    #[test]
    fn a_range_stays_within_the_blob() {
        assert_eq!(part(None, 10), (0, 10));
        assert_eq!(part(Some("bytes=2-4"), 10), (2, 5));
        assert_eq!(part(Some("bytes=2-"), 10), (2, 10));
        assert_eq!(part(Some("bytes=8-40"), 10), (8, 10));
        assert_eq!(part(Some("bytes=40-50"), 10), (10, 10));
        assert_eq!(part(Some("lines=1-2"), 10), (0, 10));
    }
}
