//! The script, a folder, and what the server answers.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use libtest_mimic::Failed;

use super::common;
use super::server::{Answers, Server};

/// The digest of the one file in the manifests here.
const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The script beside a server, with a folder for models.
pub struct Setup {
    pub server: Server,
    folder: tempfile::TempDir,
}

impl Setup {
    pub fn new(answers: Answers) -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        fs::create_dir_all(folder.path().join("blobs"))?;
        let server = Server::start(answers)?;
        Ok(Setup { server, folder })
    }

    fn notice_file(&self) -> PathBuf {
        self.folder.path().join("notices/pull")
    }

    /// What the login banner would show; empty without a notice.
    pub fn notice(&self) -> String {
        fs::read_to_string(self.notice_file()).unwrap_or_default()
    }

    /// The full name of a model in the server's registry.
    pub fn model(&self) -> String {
        format!("http://127.0.0.1:{}/me/tiny:1", self.server.port)
    }

    /// A file in Ollama's folder of blobs.
    pub fn blob(&self, suffix: &str) -> PathBuf {
        let blobs = self.folder.path().join("blobs");
        blobs.join(format!("sha256-{DIGEST}{suffix}"))
    }

    /// Runs `command` after the script, as NixOS does.
    pub fn run(&self, command: &str, pull: &str, keep_loaded: &str) -> Result<Output, Failed> {
        let modules = common::root().join("modules");
        let modules = modules.display();
        Ok(Command::new("bash")
            .args([
                "-c",
                &format!(
                    "set -e\n. '{modules}/free-space.sh'\n. '{modules}/ollama-pull.sh'\n{command}\n"
                ),
            ])
            .env("SERVER", format!("http://127.0.0.1:{}", self.server.port))
            .env("FOLDER", self.folder.path())
            .env("PULL", pull)
            .env("KEEP_LOADED", keep_loaded)
            .env("NOTICE", self.notice_file())
            .env_remove("http_proxy")
            .output()?)
    }

    /// Runs one attempt; returns whether nothing is left to do.
    pub fn attempt(&self, pull: &str, keep_loaded: &str) -> Result<bool, Failed> {
        Ok(self.run("attempt", pull, keep_loaded)?.status.success())
    }

    pub fn pulls(&self) -> usize {
        let requests = self.server.requests();
        let pulls = requests.iter().filter(|one| one.starts_with("/api/pull"));
        pulls.count()
    }
}

pub fn manifest_of(bytes: u64) -> String {
    format!(
        r#"{{"config":{{"digest":"sha256:{DIGEST}","size":{bytes}}},"layers":[{{"digest":"sha256:{DIGEST}","size":{bytes}}}]}}"#
    )
}

/// Has no model, and a registry with a small one.
pub fn small(path: &str, _: &str) -> (u16, String) {
    match path {
        "/api/version" => (200, r#"{"version":"0.0.0"}"#.into()),
        "/v2/me/tiny/manifests/1" => (200, manifest_of(5)),
        "/api/pull" => (
            200,
            "{\"status\":\"pulling manifest\"}\n{\"digest\":\"a\",\"total\":5,\"completed\":5}\n{\"status\":\"success\"}\n".into(),
        ),
        "/api/generate" => (404, r#"{"error":"model 'x' not found"}"#.into()),
        _ => (404, r#"{"error":"not found"}"#.into()),
    }
}

/// As [`small`], with a model that needs 999,999 GB.
pub fn huge(path: &str, body: &str) -> (u16, String) {
    match path {
        "/v2/me/tiny/manifests/1" => (200, manifest_of(999_999_000_000_000)),
        _ => small(path, body),
    }
}
