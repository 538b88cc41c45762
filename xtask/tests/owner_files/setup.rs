//! The scripts, and folders for what they read and write.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Failed;

use super::common;
use super::fixtures::FIXTURES;

/// In the order in which esp.nix joins them, but for the one that mounts the partition.
const SCRIPTS: [&str; 5] = [
    "esp-text.sh",
    "esp-keys.sh",
    "esp-connections.sh",
    "esp-files.sh",
    "esp-report.sh",
];
/// In the place of nmcli where it is not installed: takes what has a known type and all that it needs.
const NMCLI: &str = r#"text=$(cat)
fail() { echo "Error: Error writing connection: $1" >&2; exit 1; }
type=$(printf '%s\n' "$text" | sed -n 's/^type=//p')
case $type in wifi | ethernet | wireguard) ;; *) fail "connection.type: '$type' is not known" ;; esac
[ "$type" != wifi ] || printf '%s\n' "$text" | grep -q '^ssid=' || fail "802-11-wireless.ssid: property is missing"
printf '%s\n' "$text""#;

/// What the scripts say of a thing: verdict, name, words.
pub type Line = (String, String, String);

pub struct Setup {
    folder: tempfile::TempDir,
}

impl Setup {
    /// An empty stick.
    pub fn new() -> Result<Self, Failed> {
        let setup = Setup {
            folder: tempfile::tempdir()?,
        };
        for folder in ["esp/ollamalive", "persist", "run", "bin"] {
            fs::create_dir_all(setup.folder.path().join(folder))?;
        }
        if !xtask::packages::has("nmcli") {
            common::path_with(setup.folder.path(), &[], &[("nmcli", NMCLI)]);
        }
        Ok(setup)
    }

    /// A stick with all fixtures.
    pub fn with_fixtures() -> Result<Self, Failed> {
        let setup = Setup::new()?;
        for fixture in FIXTURES {
            match fixture.content.bytes() {
                Some(bytes) => setup.put(fixture.path, &bytes)?,
                None => fs::create_dir_all(setup.esp(fixture.path))?,
            }
        }
        Ok(setup)
    }

    pub fn esp(&self, path: &[u8]) -> PathBuf {
        self.folder
            .path()
            .join("esp")
            .join(Path::new(OsStr::from_bytes(path)))
    }

    pub fn persist(&self, path: &str) -> PathBuf {
        self.folder.path().join("persist").join(path)
    }

    pub fn put(&self, path: &[u8], content: &[u8]) -> Result<(), Failed> {
        let path = self.esp(path);
        fs::create_dir_all(path.parent().expect("it is in a folder"))?;
        Ok(fs::write(path, content)?)
    }

    /// Runs `command` after the scripts, as NixOS does; returns what it prints. It has to be silent otherwise.
    pub fn run(&self, command: &str) -> Result<String, Failed> {
        let modules = common::root().join("modules");
        let sources: String = SCRIPTS
            .iter()
            .map(|name| format!(". '{}'\n", modules.join(name).display()))
            .collect();
        let at = |name: &str| self.folder.path().join(name);
        let path = std::env::var("PATH")?;
        let output = Command::new("bash")
            .args(["-c", &format!("set -e\n{sources}{command}\n")])
            .env("PATH", format!("{}:{path}", at("bin").display()))
            .env("esp", at("esp"))
            .env("persist", at("persist"))
            .env("run", at("run"))
            .output()?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && stderr.is_empty(),
            "{command}: {stderr}"
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub fn import(&self) -> Result<(), Failed> {
        self.run("handle_all").map(drop)
    }

    pub fn report(&self) -> Result<String, Failed> {
        self.run("report pc 192.168.1.5 22 SHA256:x 'Ollama is serving.'")
    }

    pub fn lines(&self) -> Result<Vec<Line>, Failed> {
        let text = fs::read_to_string(self.folder.path().join("run/files"))?;
        let fields = |line: &str| -> Option<Line> {
            let mut fields = line.splitn(3, '\t').map(str::to_string);
            Some((fields.next()?, fields.next()?, fields.next()?))
        };
        text.lines()
            .map(|line| fields(line).ok_or_else(|| format!("not three fields: {line:?}").into()))
            .collect()
    }

    /// The authorized keys on PERSIST.
    pub fn keys(&self) -> String {
        fs::read_to_string(self.persist("ssh/authorized_keys")).unwrap_or_default()
    }

    /// The names of the connections on PERSIST.
    pub fn connections(&self) -> Result<BTreeSet<String>, Failed> {
        let entries = fs::read_dir(self.persist("network"))?;
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        names.collect()
    }
}
