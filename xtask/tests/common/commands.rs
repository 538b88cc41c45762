//! Checks that the commands in documents and workflows exist.

use std::fs;

use clap::Parser;
use regex::Regex;
use xtask::cli::Cli;
use xtask::scenario::SCENARIOS;
use xtask::snapshot;

use super::root;

/// Programs whose calls are not checked further, each with the reason.
pub const UNCHECKED: &[(&str, &str)] = &[
    ("apt-get", "installs packages on the reader's computer"),
    ("cat", "prints one of the reader's files"),
    ("cd", "goes to one of the reader's folders"),
    ("cp", "copies one of the reader's files"),
    (
        "curl",
        "the address is the reader's; the promise ollama.answers sends the same request",
    ),
    ("dd", "writes to a real device"),
    ("diskutil", "part of macOS"),
    ("gh", "needs an account on GitHub"),
    ("git", "needs the network"),
    (
        "gpg",
        "needs the reader's key or a downloaded release; the tests of `cargo xtask release` make and check both",
    ),
    ("lsblk", "shows the reader's disks"),
    ("mv", "moves one of the reader's files"),
    ("poweroff", "switches the reader's PC off"),
    ("scp", "the address is the reader's"),
    (
        "sha256sum",
        "needs a downloaded release; the tests of `cargo xtask verify` cover the same",
    ),
    ("shasum", "sha256sum on macOS"),
    (
        "ssh",
        "the address is the reader's; the promise ssh.key-accepted does the same",
    ),
    ("ssh-keygen", "creates the reader's own key"),
    ("tar", "saves and restores the reader's PERSIST over SSH"),
    ("zstd", "needs a downloaded release"),
];

/// What the commands are checked against, read once.
pub struct Facts {
    flake: String,
    units: Vec<String>,
    container: String,
    image: String,
    /// The script of the machine's command `ollamalive`.
    status: String,
    /// The one of `ollamalive update`.
    update: String,
}

impl Facts {
    pub fn read() -> Self {
        let folder = snapshot::folder(&root());
        let contract = snapshot::load(&folder).expect("the record");
        let mut units: Vec<String> = contract.texts.units.keys().cloned().collect();
        // Some units are only in the configurations of owners who need them.
        for name in snapshot::variants::recorded(&folder).expect("the variants") {
            let variant = snapshot::variants::folder(&folder, &name);
            let variant = snapshot::load_variant(&folder, &variant).expect("a variant's record");
            units.extend(variant.texts.units.into_keys());
        }
        Facts {
            flake: fs::read_to_string(root().join("flake.nix")).expect("flake.nix"),
            units,
            container: contract.ollama.container,
            image: contract.ollama.image,
            status: fs::read_to_string(root().join("modules/status.sh")).expect("status.sh"),
            update: fs::read_to_string(root().join("modules/update.sh")).expect("update.sh"),
        }
    }

    /// Checks every command of a script. Returns the programs it calls that are listed in [`UNCHECKED`].
    ///
    /// # Errors
    /// Each command that does not exist, with the reason.
    pub fn check(&self, script: &str) -> Result<Vec<&'static str>, Vec<String>> {
        let (mut unchecked, mut wrong) = (Vec::new(), Vec::new());
        for line in script.replace("\\\n", " ").lines() {
            let Some(words) = shlex::split(line) else {
                wrong.push(format!("{line}: unclosed quote"));
                continue;
            };
            for command in words.split(|word| matches!(word.as_str(), "&&" | "||" | "|" | ";")) {
                let command: Vec<&str> = command.iter().map(String::as_str).collect();
                match self.command(&command) {
                    Ok(program) => unchecked.extend(program),
                    Err(reason) => wrong.push(format!("{}: {reason}", command.join(" "))),
                }
            }
        }
        if wrong.is_empty() {
            Ok(unchecked)
        } else {
            Err(wrong)
        }
    }

    /// Checks one command. Returns the programs it calls that are listed in [`UNCHECKED`].
    fn command(&self, words: &[&str]) -> Result<Vec<&'static str>, String> {
        match words {
            [] => Ok(Vec::new()),
            ["sudo", rest @ ..] => self.command(rest),
            [variable, rest @ ..] if is_assignment(variable) => self.command(rest),
            ["cargo", "xtask", ..] => self.xtask(&words[1..]),
            // The same tool, run as root.
            ["cargo", "build", "--package", "xtask"] => Ok(Vec::new()),
            ["target/debug/xtask", ..] => self.xtask(words),
            ["cargo", "test", rest @ ..] => cargo_test(rest),
            ["cargo", "install", "--locked", tool] => pinned(tool, "@"),
            ["cargo", tool, ..] if CARGO_TOOLS.contains(tool) => Ok(Vec::new()),
            ["go", "run", tool, ..] => pinned(tool, "@v"),
            ["pipx", "run", "--spec", tool, ..] => pinned(tool, "=="),
            // A message on the page of a workflow's run.
            ["echo", notice] if notice.starts_with("::notice ") => Ok(Vec::new()),
            // Writes a file's content to the outputs of a workflow's step.
            ["jq", "--raw-output", _, file, ">>", "$GITHUB_OUTPUT"] => {
                if root().join(file).exists() {
                    Ok(Vec::new())
                } else {
                    Err(format!("{file} does not exist"))
                }
            }
            ["nix", rest @ ..] => self.nix(rest),
            ["journalctl" | "systemctl", rest @ ..] => self.unit(rest),
            ["ollamalive", rest @ ..] => self.ollamalive(rest),
            ["docker", "exec", options_and_name @ ..] => self.docker_exec(options_and_name),
            ["docker", "run", .., "sh", "-c", script] => {
                self.check(script).map_err(|wrong| wrong.join("; "))
            }
            ["docker", "run", ..] => Ok(Vec::new()),
            ["docker", "pull", "--platform", _, image] | ["docker", "save", image, ..]
                if *image == self.image =>
            {
                Ok(Vec::new())
            }
            ["docker", "pull" | "save", ..] => Err(format!("the image is {}", self.image)),
            ["ssh", rest @ ..] => {
                let options = rest.iter().take_while(|word| word.starts_with('-')).count();
                let mut programs = match rest.get(options + 1..).unwrap_or_default() {
                    [line, ..] if line.contains(' ') => {
                        self.check(line).map_err(|wrong| wrong.join("; "))?
                    }
                    words => self.command(words)?,
                };
                programs.push("ssh");
                Ok(programs)
            }
            [program, ..] => UNCHECKED
                .iter()
                .map(|(name, _)| *name)
                .find(|name| name == program)
                .map(|name| vec![name])
                .ok_or_else(|| "neither checked nor listed in UNCHECKED with a reason".into()),
        }
    }

    fn xtask(&self, words: &[&str]) -> Result<Vec<&'static str>, String> {
        let parsed = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        if let xtask::cli::Command::Test(test) = parsed.command {
            let known = |name: &String| SCENARIOS.iter().any(|scenario| scenario.name == name);
            if let Some(name) = test.scenarios.iter().find(|name| !known(name)) {
                return Err(format!("no scenario is called {name}"));
            }
        }
        Ok(Vec::new())
    }

    /// `nix build .#raw` and the like: the name after `#` has to be in flake.nix.
    fn nix(&self, words: &[&str]) -> Result<Vec<&'static str>, String> {
        let subcommands = ["build", "develop", "flake", "run"];
        if !words.iter().any(|word| subcommands.contains(word)) {
            return Err(format!("nix is called with none of {subcommands:?}"));
        }
        for output in words.iter().filter_map(|word| word.split_once('#')) {
            let name = output.1;
            let scenario = name
                .strip_prefix("checks.x86_64-linux.vm-")
                .is_some_and(|scenario| SCENARIOS.iter().any(|known| known.name == scenario));
            if !scenario && !self.packages().contains(&name) {
                return Err(format!("flake.nix has no package {name}"));
            }
        }
        Ok(Vec::new())
    }

    /// The words in the flake's `packages`: its names, and a few more.
    fn packages(&self) -> Vec<&str> {
        let block = self
            .flake
            .split_once("packages.${system} = {")
            .expect("packages")
            .1;
        let end = block.find("\n    };").expect("the end of packages");
        block[..end]
            .split(|c: char| !c.is_alphanumeric() && c != '-')
            .collect()
    }

    fn unit(&self, words: &[&str]) -> Result<Vec<&'static str>, String> {
        let known = |name: &str| {
            self.units
                .iter()
                .any(|unit| unit == name || unit.strip_suffix(".service") == Some(name))
        };
        // `-g` has a pattern behind it; `-k` are the kernel's messages, which no unit has.
        let is_pattern = |at: usize| at > 0 && words[at - 1] == "-g";
        let names: Vec<&str> = words
            .iter()
            .enumerate()
            .filter(|(at, word)| !word.starts_with('-') && !is_pattern(*at))
            .map(|(_, word)| *word)
            .filter(|word| !["status", "restart"].contains(word))
            .collect();
        match names.iter().find(|name| !known(name)) {
            Some(name) => Err(format!("the record has no unit {name}")),
            None if names.is_empty() && !words.contains(&"-k") => Err("no unit is named".into()),
            None => Ok(Vec::new()),
        }
    }

    /// `ollamalive status` and the like: the script has a case for these words, or the usage of `update` names them.
    fn ollamalive(&self, words: &[&str]) -> Result<Vec<&'static str>, String> {
        if let ["update", options @ ..] = words {
            let usage = self.update.lines().find(|line| line.starts_with("usage="));
            let usage = usage.expect("its usage");
            let known: Vec<&str> = usage.split(['[', ']', '|', ' ']).collect();
            return match options.iter().find(|option| !known.contains(option)) {
                Some(option) => Err(format!("ollamalive update does not know {option}")),
                None => Ok(Vec::new()),
            };
        }
        let words = words.join(" ");
        let cases = [format!("{words})"), format!("\"{words}\")")];
        let is_case = |line: &str| cases.iter().any(|case| line.trim_start().starts_with(case));
        if !words.is_empty() && self.status.lines().any(is_case) {
            Ok(Vec::new())
        } else {
            Err(format!("ollamalive does not know {words:?}"))
        }
    }

    fn docker_exec(&self, words: &[&str]) -> Result<Vec<&'static str>, String> {
        match words.iter().find(|word| !word.starts_with('-')) {
            Some(name) if *name == self.container => Ok(Vec::new()),
            name => Err(format!("the container is {}, not {name:?}", self.container)),
        }
    }
}

/// `cargo test -p PACKAGE --test NAME`; both are checked where they are given.
fn cargo_test(words: &[&str]) -> Result<Vec<&'static str>, String> {
    let after = |flag: &str| {
        let position = words.iter().position(|word| *word == flag)?;
        words.get(position + 1).copied()
    };
    let package = after("-p").unwrap_or("xtask");
    let folder = [root().join(package), root().join("crates").join(package)]
        .into_iter()
        .find(|folder| folder.join("Cargo.toml").exists())
        .ok_or_else(|| format!("the workspace has no package {package}"))?;
    let Some(name) = after("--test") else {
        return Ok(Vec::new());
    };
    // Cargo finds a test program as a file, or as a folder with several.
    let places = [format!("{name}.rs"), format!("{name}/main.rs")];
    if places
        .iter()
        .any(|place| folder.join("tests").join(place).exists())
    {
        Ok(Vec::new())
    } else {
        Err(format!("{package} has no test program {name}"))
    }
}

/// Plugins of Cargo that the workflows install.
const CARGO_TOOLS: &[&str] = &["deny", "hack"];

/// `NAME@1.2.3` and the like: a tool that is downloaded names one version.
fn pinned(tool: &str, separator: &str) -> Result<Vec<&'static str>, String> {
    let version = Regex::new(r"^\d+\.\d+\.\d+$").unwrap();
    match tool.split_once(separator) {
        Some((_, found)) if version.is_match(found) => Ok(Vec::new()),
        _ => Err(format!("{tool} does not name a version: {separator}1.2.3")),
    }
}

/// Whether `word` is `NAME=value`, as before a command.
fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
    })
}
