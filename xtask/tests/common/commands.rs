//! Whether a command that a document or a workflow tells someone to type exists.

use std::fs;

use clap::{CommandFactory, Parser};
use xtask::cli::Cli;
use xtask::scenario::SCENARIOS;
use xtask::snapshot;

use super::root;

/// Verbs, and options of verbs, that are written about before they can be called. `nothing_is_pending_that_exists` fails
/// once one can be.
pub const PENDING: &[(&str, &str)] = &[];

/// Programs whose calls are not checked further, and why not.
pub const UNCHECKED: &[(&str, &str)] = &[
    ("cat", "prints a file of the reader's"),
    ("cp", "copies a file of the reader's"),
    (
        "curl",
        "the address is the reader's; the promise ollama.answers asks the same",
    ),
    ("dd", "writes to a device that no test may have"),
    ("diskutil", "part of macOS"),
    ("gh", "needs an account on GitHub"),
    ("git", "needs the network"),
    ("lsblk", "shows the reader's disks"),
    (
        "sha256sum",
        "needs a downloaded release; `cargo xtask verify` is tested to do the same",
    ),
    ("shasum", "as sha256sum, on macOS"),
    (
        "ssh",
        "the address is the reader's; the promise ssh.key-accepted does the same",
    ),
    ("ssh-keygen", "makes the reader's own key"),
    ("zstd", "needs a downloaded release"),
];

/// What commands are held to, read once.
pub struct Facts {
    flake: String,
    units: Vec<String>,
    container: String,
    image: String,
}

impl Facts {
    pub fn read() -> Self {
        let contract = snapshot::load(&snapshot::folder(&root())).expect("the record");
        Facts {
            flake: fs::read_to_string(root().join("flake.nix")).expect("flake.nix"),
            units: contract.texts.units.keys().cloned().collect(),
            container: contract.ollama.container,
            image: contract.ollama.image,
        }
    }

    /// Checks every command of a script. Returns the unchecked programs that it calls.
    ///
    /// # Errors
    /// The commands that do not exist, and what is wrong with them.
    pub fn check(&self, script: &str) -> Result<Vec<&'static str>, Vec<String>> {
        let (mut unchecked, mut wrong) = (Vec::new(), Vec::new());
        for line in script.replace("\\\n", " ").lines() {
            let Some(words) = shlex::split(line) else {
                wrong.push(format!("{line}: a quote is left open"));
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

    /// Checks one command. Returns the unchecked programs that it calls.
    fn command(&self, words: &[&str]) -> Result<Vec<&'static str>, String> {
        match words {
            [] => Ok(Vec::new()),
            ["sudo", rest @ ..] => self.command(rest),
            [variable, rest @ ..] if is_assignment(variable) => self.command(rest),
            ["cargo", "xtask", ..] => self.xtask(&words[1..]),
            ["cargo", "test", rest @ ..] => cargo_test(rest),
            ["nix", rest @ ..] => self.nix(rest),
            ["journalctl" | "systemctl", rest @ ..] => self.unit(rest),
            ["docker", "exec", options_and_name @ ..] => self.docker_exec(options_and_name),
            ["docker", "run", .., "sh", "-c", script] => {
                self.check(script).map_err(|wrong| wrong.join("; "))
            }
            ["docker", "run", ..] => Ok(Vec::new()),
            ["docker", "save", image, ..] if *image == self.image => Ok(Vec::new()),
            ["docker", "save", ..] => Err(format!("the image is {}", self.image)),
            [program, ..] => UNCHECKED
                .iter()
                .map(|(name, _)| *name)
                .find(|name| name == program)
                .map(|name| vec![name])
                .ok_or_else(|| "neither checked nor listed in UNCHECKED with a reason".into()),
        }
    }

    fn xtask(&self, words: &[&str]) -> Result<Vec<&'static str>, String> {
        let pending = PENDING.iter().any(|(verb, option)| {
            words.get(1) == Some(verb)
                && (option.is_empty() || words.contains(&format!("--{option}").as_str()))
        });
        if pending {
            return Ok(Vec::new());
        }
        let parsed = Cli::try_parse_from(words).map_err(|error| error.to_string())?;
        if let xtask::cli::Command::Test(test) = parsed.command {
            let known = |name: &String| SCENARIOS.iter().any(|scenario| scenario.name == name);
            if let Some(name) = test.scenarios.iter().find(|name| !known(name)) {
                return Err(format!("there is no scenario {name}"));
            }
        }
        Ok(Vec::new())
    }

    /// `nix build .#raw` and the like: what follows `#` has to be in flake.nix.
    fn nix(&self, words: &[&str]) -> Result<Vec<&'static str>, String> {
        let verbs = ["build", "develop", "flake", "run"];
        if !words.iter().any(|word| verbs.contains(word)) {
            return Err(format!("nix is called with none of {verbs:?}"));
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

    /// The names in the flake's `packages`, and some more words.
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
        let names: Vec<&&str> = words
            .iter()
            .filter(|word| !word.starts_with('-') && !["status", "restart"].contains(word))
            .collect();
        match names.iter().find(|name| !known(name)) {
            Some(name) => Err(format!("the record has no unit {name}")),
            None if names.is_empty() => Err("no unit is named".into()),
            None => Ok(Vec::new()),
        }
    }

    fn docker_exec(&self, words: &[&str]) -> Result<Vec<&'static str>, String> {
        match words.iter().find(|word| !word.starts_with('-')) {
            Some(name) if *name == self.container => Ok(Vec::new()),
            name => Err(format!("the container is {}, not {name:?}", self.container)),
        }
    }
}

/// `cargo test … --test NAME …`
fn cargo_test(words: &[&str]) -> Result<Vec<&'static str>, String> {
    let name = words.iter().skip_while(|word| **word != "--test").nth(1);
    match name {
        Some(name) if is_test(name) => Ok(Vec::new()),
        Some(name) => Err(format!(
            "there is neither xtask/tests/{name}.rs nor xtask/tests/{name}/main.rs"
        )),
        None => Err("no test program is named".into()),
    }
}

/// Whether Cargo finds a test program of that name: a file, or a folder with several.
fn is_test(name: &str) -> bool {
    let tests = root().join("xtask/tests");
    let places = [format!("{name}.rs"), format!("{name}/main.rs")];
    places.iter().any(|place| tests.join(place).exists())
}

/// `NAME=value` before a command.
fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
    })
}

/// What is pending, and on the command line by now.
pub fn no_longer_pending() -> Vec<&'static (&'static str, &'static str)> {
    let cli = Cli::command();
    let exists = |(verb, option): &(&str, &str)| {
        cli.find_subcommand(verb).is_some_and(|command| {
            option.is_empty()
                || command
                    .get_arguments()
                    .any(|argument| argument.get_long() == Some(option))
        })
    };
    PENDING.iter().filter(|pending| exists(pending)).collect()
}
