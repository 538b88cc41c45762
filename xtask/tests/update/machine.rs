//! A machine that is a script called ssh, and an image for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use stick::testing::SmallImage;
use tempfile::TempDir;

use crate::common::{path_with, xtask};

pub const OLD: &str = "20261101000000";
pub const NEW: &str = "20261128051225";
/// What ssh says where nothing listens.
pub const DOWN: &str = "down";

/// `STATE` is a folder whose files are the machine's answers: `states` has one a line (the last one stays), and `COMMAND.code`,
/// `COMMAND.out` and `COMMAND.err` belong to the other commands.
const SSH: &str = r#"
state=STATE
echo "$*" >> $state/log
answer() {
  cat $state/$1.err >&2 2>/dev/null
  cat $state/$1.out 2>/dev/null
  exit $(cat $state/$1.code 2>/dev/null || echo 0)
}
case "$*" in
  *" -- pc sudo -n ollamalive update --state")
    test ! -e $state/state.code || answer state
    line=$(head -n 1 $state/states)
    test $(wc -l < $state/states) -le 1 || sed -i 1d $state/states
    if [ "$line" = down ]; then echo "ssh: connect to host pc port 22: Connection refused" >&2; exit 255; fi
    echo "$line" ;;
  *" --examine") cat > $state/examined; answer examine ;;
  *" --pushed"*)
    test ! -e $state/hangs || exec sleep 77.625
    if [ -e $state/cut ]; then head -c 100000 > /dev/null; echo "Connection to pc closed by remote host." >&2; exit 255; fi
    cat > $state/pushed.tar
    answer pushed ;;
  *) echo "what is $*?" >&2; exit 99 ;;
esac
"#;

pub struct Machine {
    pub folder: TempDir,
    pub image: PathBuf,
    path: String,
}

impl Machine {
    /// It runs OLD, takes NEW, and goes on running OLD.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("machine");
        fs::create_dir(&state).unwrap();
        let script = SSH.replace("STATE", &state.display().to_string());
        let path = path_with(folder.path(), &["nix"], &[("ssh", &script)]);
        let image = folder.path().join("image.raw");
        let machine = Machine {
            folder,
            image,
            path,
        };
        // More than a pipe holds.
        image_of(2, &machine.image);
        machine.states(&[runs(OLD, false)]);
        machine
    }

    /// What it answers to `--state`, one after the other.
    pub fn states(&self, states: &[String]) {
        self.set("states", &(states.join("\n") + "\n"));
    }

    pub fn set(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join("machine").join(name)
    }

    /// `xtask update pc` with `arguments`.
    pub fn bare(&self, arguments: &[&str]) -> Command {
        let mut command = xtask(&self.folder.path().join("cache"), &["update", "pc"]);
        command.args(arguments).env("PATH", &self.path);
        command
    }

    /// The same with the image.
    pub fn command(&self, more: &[&str]) -> Command {
        let mut command = self.bare(&["--image"]);
        command.arg(&self.image).args(more);
        command
    }

    pub fn update(&self, more: &[&str]) -> Output {
        self.command(more).output().unwrap()
    }

    /// How ssh was called with these words, if it was.
    pub fn call(&self, words: &str) -> Option<String> {
        let log = fs::read_to_string(self.file("log")).unwrap_or_default();
        let line = log.lines().find(|line| line.contains(words));
        line.map(str::to_string)
    }
}

/// Makes an image of `layout` at `path`; that of layout 2 has NEW.
pub fn image_of(layout: u32, path: &Path) {
    let small = SmallImage {
        layout,
        version: NEW.into(),
        ..SmallImage::default()
    };
    let store = (0..1 << 20).map(|at: u32| at.to_le_bytes()[1]).collect();
    match layout {
        1 => small.with_store(path, store).unwrap(),
        _ => small
            .with_system(path, store, "OLLAMALIVE_USER=alice\n")
            .unwrap(),
    };
}

/// The state of a machine that runs `version`.
pub fn runs(version: &str, trial: bool) -> String {
    json!({ "version": version, "trial": trial, "undone": [] }).to_string()
}

/// The state of a machine that has given NEW up.
pub fn undid(why: &str) -> String {
    let undone = json!({ "version": NEW, "why": why });
    json!({ "version": OLD, "trial": false, "undone": [undone] }).to_string()
}

/// The description in a file of the machine.
pub fn description(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}
