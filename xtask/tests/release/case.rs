//! A copy of the project with a commit, a test report and a small image to release.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use stick::testing::SmallImage;

use libtest_mimic::Failed;
use serde_json::{Value, json};
use tempfile::TempDir;
use xtask::scenario::PROMISES;

use crate::common::{copy_of_project, xtask};

/// The image's length, most of it a hole.
pub const BYTES: u64 = 24 << 20;
/// Where its store begins, and how much of it is noise.
const NOISE: (u64, usize) = (9 << 20, 1 << 20);
/// The version of its system.
pub const VERSION: &str = "20261128051225";

pub struct Case {
    pub folder: TempDir,
    pub project: PathBuf,
    pub image: PathBuf,
    pub report: PathBuf,
    pub out: PathBuf,
}

impl Case {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let project = copy_of_project(folder.path());
        let image = folder.path().join("image.raw");
        let case = Case {
            project,
            report: folder.path().join("report.json"),
            out: folder.path().join("out"),
            image,
            folder,
        };
        case.commit("Start with an <image>");
        disk(&case.image);
        case.tested();
        case
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        let identity = [
            "-c",
            "user.name=Tester",
            "-c",
            "user.email=tester@example.org",
        ];
        let output = Command::new("git")
            .args(identity)
            .args(arguments)
            .current_dir(&self.project)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_string()
    }

    pub fn commit(&self, subject: &str) {
        self.git(&[
            "commit",
            "--quiet",
            "--all",
            "--allow-empty",
            "--message",
            subject,
        ]);
    }

    /// Writes a report of the present commit that keeps every promise.
    pub fn tested(&self) {
        let promise = |id: &str| json!({ "id": id, "promise": "it holds", "verdict": "pass", "evidence": "seen", "seconds": 1.0 });
        let promises: Vec<Value> = PROMISES.iter().map(|known| promise(known.id)).collect();
        self.report(&json!({
            "guest": "standin", "accelerator": "tcg", "nixpkgs": "the record", "verdict": "pass",
            "commit": self.git(&["rev-parse", "HEAD"]),
            "seconds": 1.0, "boots": 1, "boot_seconds": 1.0,
            "scenarios": [{ "name": "all", "seconds": 1.0, "promises": promises }],
        }));
    }

    pub fn report(&self, report: &Value) {
        fs::write(&self.report, report.to_string()).unwrap();
    }

    /// `xtask release` with everything that it needs, and `more`.
    pub fn release(&self, more: &[&str]) -> Command {
        let image = format!("raw={}", self.image.display());
        let mut command = self.bare(&["--image", &image, "--level", "1"]);
        command.args(more);
        command
    }

    /// The same without an image.
    pub fn bare(&self, more: &[&str]) -> Command {
        let mut command = xtask(&self.folder.path().join("cache"), &["release"]);
        command
            .arg("--report")
            .arg(&self.report)
            .arg("--out")
            .arg(&self.out)
            .args(more)
            .env_remove("GITHUB_RUN_NUMBER")
            .current_dir(&self.project);
        command
    }

    /// Makes the release v1.2.0.
    pub fn made(&self) -> Result<Output, Failed> {
        let output = self.release(&["--version", "1.2.0"]).output()?;
        if !output.status.success() {
            return Err(format!("no release: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(output)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.out.join(name)
    }

    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    pub fn manifest(&self) -> Value {
        serde_json::from_str(&self.text("manifest.json")).unwrap()
    }

    /// Fails if anything was created, even the folder.
    pub fn untouched(&self) -> Result<(), Failed> {
        if self.out.exists() {
            return Err(format!("{:?} was created", names(&self.out)).into());
        }
        Ok(())
    }

    /// Changes a byte of the image that no update contains.
    pub fn change_image(&self) {
        flip(&self.image, BYTES - (2 << 20));
    }

    /// Changes a byte of the system's store.
    pub fn change_store(&self) {
        flip(&self.image, NOISE.0);
    }

    /// The names of the update's files: hashes, store, UKI.
    pub fn update_files(&self) -> [String; 3] {
        let id = |name: &str| {
            let name = format!("{name}_{VERSION}");
            stick::gpt::partition_id(&self.image, &name).unwrap()
        };
        [
            format!("ollamalive_{VERSION}_{}.verity", id("verity")),
            format!("ollamalive_{VERSION}_{}.store", id("store")),
            format!("ollamalive_{VERSION}.efi"),
        ]
    }
}

/// The names of everything in `folder`.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Changes the byte at `offset`.
pub fn flip(path: &Path, offset: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[!byte[0]], offset).unwrap();
}

/// The partitions of the image.
pub fn parts() -> SmallImage {
    SmallImage {
        esp: 7,
        verity: 1,
        store: 14,
        version: VERSION.into(),
        ..SmallImage::default()
    }
}

/// A sparse image of a stick with a small system, all of its store noise.
pub fn disk(path: &Path) {
    let os_release =
        "ID=nixos\nOLLAMALIVE_USER=alice\nOLLAMALIVE_MODELS_DRIVE=\"LABEL=AI Models\"\n";
    let store = random(NOISE.1);
    parts().with_system(path, store, os_release).unwrap();
}

/// Bytes that do not compress.
fn random(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let mut random = File::open("/dev/urandom").unwrap();
    std::io::Read::read_exact(&mut random, &mut bytes).unwrap();
    bytes
}

/// Writes `length` bytes that do not compress.
pub fn noise(path: &Path, offset: u64, length: usize) {
    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(&random(length), offset).unwrap();
}
