//! The recorded scripts of Ollama's unit, beside a Docker that only notes what it is asked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use libtest_mimic::Failed;
use tempfile::TempDir;
use vm::process;
use xtask::snapshot;

use super::common;

const DEADLINE: Duration = Duration::from_secs(60);
const DOCKER: &str = include_str!("docker.sh");
/// What is free at first: everything fits.
const MUCH: u64 = 1 << 40;
/// df(1) for the folder with Docker's images.
const SLEEP: &str = "#!/bin/sh\necho \"sleep $1\" >>\"${0%/*}/asked\"\n";
const DF: &str = "#!/bin/sh\necho Avail && cat \"${0%/*}/free\"\n";
/// The start script calls it by its path in the Nix store.
const PROGRAM: &str = "ollamalive-image";

pub struct Scripts {
    folder: TempDir,
    /// The name that the container runs by.
    pub image: String,
    /// The name that the registry is asked for.
    pub remote: String,
    /// The digest that the image must have.
    pub digest: String,
}

impl Scripts {
    pub fn new() -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        let record = snapshot::load_json(&snapshot::folder(&common::root()))?;
        let text = |pointer: &str| {
            let value = record.pointer(pointer).and_then(|value| value.as_str());
            value.unwrap_or_else(|| panic!("{pointer}")).to_string()
        };
        let variable =
            |name: &str| text(&format!("/units/docker-ollama.service/environment/{name}"));
        let scripts = Scripts {
            image: variable("IMAGE"),
            remote: variable("REMOTE"),
            digest: variable("DIGEST"),
            folder,
        };
        assert_eq!(scripts.image, text("/ollama/image"));
        assert_eq!(scripts.remote, text("/ollama/remote"));
        let here = scripts.folder.path().display().to_string();
        for name in ["docker-ollama-pre-start", "docker-ollama-start", PROGRAM] {
            let script = text(&format!("/scripts/{name}"))
                .replace(
                    &format!("/nix/store/{PROGRAM}"),
                    &format!("bash {here}/{PROGRAM}"),
                )
                .replace("/persist/images", &here)
                .replace("/run/ollamalive", &here)
                .replace("storage=/var/lib/docker", &format!("storage={here}"))
                // The models' part of the script is not meant here.
                .replace("/persist", &here)
                .replace("root=/mnt", &format!("root={here}"));
            scripts.write(name, &script)?;
        }
        fs::create_dir(scripts.path("models"))?;
        for name in ["images", "registry", "asked", "used"] {
            scripts.write(name, "")?;
        }
        for (name, script) in [("docker", DOCKER), ("df", DF), ("sleep", SLEEP)] {
            scripts.write(name, script)?;
            fs::set_permissions(scripts.path(name), fs::Permissions::from_mode(0o755))?;
        }
        scripts.set_free(MUCH)?;
        Ok(scripts)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> Result<(), Failed> {
        Ok(fs::write(self.path(name), text)?)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    pub fn set_free(&self, bytes: u64) -> Result<(), Failed> {
        self.write("free", &bytes.to_string())
    }

    /// An image of the same name in another version.
    pub fn has_old(&self, bytes: u64) -> Result<(), Failed> {
        self.write(
            "images",
            &format!("ollama/ollama:0.1 sha256:9 {bytes} ollama/ollama@sha256:9\n"),
        )
    }

    pub fn old_is_there(&self) -> bool {
        self.read("images").contains("ollama/ollama:0.1 ")
    }

    /// The registry has the image. It is `download` bytes to be downloaded, which the registry says, and takes `bytes`.
    pub fn at_registry(&self, download: u64, bytes: u64) -> Result<(), Failed> {
        let layers = format!(r#"{{"layers":[{{"size":{download}}},{{"size":0}}]}}"#);
        let index = r#"{"manifests":[
            {"digest":"sha256:arm","platform":{"os":"linux","architecture":"arm64"}},
            {"digest":"sha256:amd","platform":{"os":"linux","architecture":"amd64"}},
            {"digest":"sha256:proof","platform":{"os":"unknown","architecture":"unknown"}}]}"#;
        self.write(&format!("manifest-{}", self.digest), index)?;
        self.write("manifest-sha256:amd", &layers)?;
        self.pullable(bytes)
    }

    /// The registry has the image, and does not say how large it is.
    pub fn pullable(&self, bytes: u64) -> Result<(), Failed> {
        let remote = &self.remote;
        self.write("registry", &format!("{remote} sha256:1 {bytes} {remote}\n"))
    }

    /// Runs both scripts as the unit does. Returns what Docker was asked to do, and what was printed.
    pub fn start(&self) -> Result<(Vec<String>, String), Failed> {
        self.write("asked", "")?;
        let path = std::env::var("PATH")?;
        let path = format!("{}:{path}", self.folder.path().display());
        let mut printed = String::new();
        for name in ["docker-ollama-pre-start", "docker-ollama-start"] {
            let mut bash = process::command("bash");
            bash.arg(self.path(name))
                .env("PATH", &path)
                .env("IMAGE", &self.image)
                .env("REMOTE", &self.remote)
                .env("DIGEST", &self.digest);
            let output = process::finish(bash, name, DEADLINE)?;
            printed += &output.stdout;
            if !output.status.success() {
                break;
            }
        }
        let asked = self.read("asked").lines().map(str::to_string).collect();
        Ok((asked, printed))
    }

    /// As [`Scripts::start`], without the questions about sizes.
    pub fn asked(&self) -> Result<Vec<String>, Failed> {
        let mut asked = self.start()?.0;
        asked.retain(|one| !one.starts_with("size "));
        Ok(asked)
    }

    /// What the login banner shows about the image.
    pub fn notice(&self) -> String {
        self.read("notices/image")
    }
}
