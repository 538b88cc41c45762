//! Which image the recorded scripts of Ollama's unit run, with a Docker that only notes what it is asked.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use vm::process;
use xtask::snapshot;

const DEADLINE: Duration = Duration::from_secs(60);
/// Keeps its images in the file `images`, one per line: name, ID, digests. Pulled images come from the file `registry`.
const DOCKER: &str = r#"#!/bin/bash
cd "${0%/*}" || exit 2
case $1 in
  image) grep -m1 "^${*: -1} " images | cut -d ' ' -f "$([[ $4 == '{{.Id}}' ]] && echo 2 || echo 2-)" | grep . ;;
  load) cat "$3" >> images && sed 's/ .*//; s/^/Loaded image: /' "$3" ;;
  pull) echo "pull $2" >> asked && grep "^$2 " registry >> images ;;
  tag) { echo "$3 $(grep "^$2 " images | cut -d ' ' -f 2-)"; cat images; } > new && mv new images ;;
  run) echo "run ${*: -1}" >> asked ;;
esac
"#;

struct Scripts {
    folder: TempDir,
    image: String,
    remote: String,
}

impl Scripts {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let record = snapshot::load_json(&snapshot::folder(&common::root())).unwrap();
        let text = |pointer: &str| {
            record
                .pointer(pointer)
                .unwrap()
                .as_str()
                .unwrap()
                .to_string()
        };
        let scripts = Scripts {
            image: text("/ollama/image"),
            remote: text("/ollama/remote"),
            folder,
        };
        let here = scripts.folder.path().display().to_string();
        for name in ["pre-start", "start"] {
            let script = text(&format!("/scripts/docker-ollama-{name}"))
                .replace("/persist/images", &here)
                .replace("/run/ollamalive", &here)
                .replace("models=/mnt", &format!("models={here}"));
            scripts.write(name, &script);
        }
        for name in ["images", "registry", "asked"] {
            scripts.write(name, "");
        }
        scripts.write("docker", DOCKER);
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(scripts.path("docker"), mode).unwrap();
        scripts
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Runs both scripts as the unit does. Returns what Docker was asked to pull and run, and what was printed.
    fn start(&self) -> (String, String) {
        self.write("asked", "");
        let path = format!(
            "{}:{}",
            self.folder.path().display(),
            std::env::var("PATH").unwrap()
        );
        let mut printed = String::new();
        for name in ["pre-start", "start"] {
            let mut bash = process::command("bash");
            bash.arg(self.path(name)).env("PATH", &path);
            let output = process::finish(bash, name, DEADLINE).unwrap();
            printed += &output.stdout;
            if !output.status.success() {
                break;
            }
        }
        (self.read("asked"), printed)
    }
}

#[test]
fn an_image_is_pulled_by_digest_once_and_run_by_its_tag() {
    let scripts = Scripts::new();
    let Scripts { image, remote, .. } = &scripts;
    assert_eq!(scripts.start().0, format!("pull {remote}\n"), "offline");
    scripts.write("registry", &format!("{remote} sha256:1 {remote}\n"));
    let both = format!("pull {remote}\nrun {image}\n");
    assert_eq!(scripts.start().0, both);
    assert_eq!(
        scripts.start().0,
        format!("run {image}\n"),
        "the second time"
    );
}

#[test]
fn an_image_of_the_tag_with_another_digest_is_replaced() {
    let scripts = Scripts::new();
    let Scripts { image, remote, .. } = &scripts;
    scripts.write(
        "images",
        &format!("{image} sha256:2 ollama/ollama@sha256:2\n"),
    );
    scripts.write("registry", &format!("{remote} sha256:1 {remote}\n"));
    let both = format!("pull {remote}\nrun {image}\n");
    assert_eq!(scripts.start().0, both);
}

#[test]
fn an_archive_is_taken_by_its_tag_and_remembered_by_its_id() {
    let scripts = Scripts::new();
    let image = &scripts.image;
    scripts.write("a.tar", "other/image:1 sha256:3\n");
    scripts.write("b.tar", &format!("{image} sha256:4\n"));
    let (asked, printed) = scripts.start();
    assert_eq!(asked, format!("run {image}\n"));
    assert!(printed.contains("a.tar does not hold"), "{printed}");
    assert!(printed.contains("digest is not checked"), "{printed}");
    assert_eq!(scripts.read("loaded"), format!("{image} sha256:4\n"));
    fs::remove_file(scripts.path("b.tar")).unwrap();
    let (asked, printed) = scripts.start();
    assert_eq!(asked, format!("run {image}\n"), "from the record");
    assert!(printed.is_empty(), "{printed}");
}
