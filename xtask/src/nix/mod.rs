//! The only module that runs Nix.

mod changed;
mod parse;
mod realisable;

pub use changed::Changed;
pub use realisable::Unrealisable;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use self::parse::{features, reason};
use crate::error::usage;
use vm::process;

/// Deadline for evaluating the whole system, on a slow machine.
const EVALUATE: Duration = Duration::from_secs(600);
/// Deadline for fetching or building sbomnix, and running it on the whole system.
const SBOM: Duration = Duration::from_secs(1800);
/// Deadline for building an image; most of it is downloaded.
const BUILD: Duration = Duration::from_secs(3600);
/// Deadline for an answer from a binary cache.
const ASK_CACHE: Duration = Duration::from_secs(20);
/// The attribute with the whole contract.
const CONTRACT: &str = "lib.contract";
/// The evaluated system, which can be extended.
const APPLIANCE: &str = "nixosConfigurations.OllamaLive";

/// Nix, pointed at this project's flake.
#[derive(Debug, Clone)]
pub struct Nix {
    root: PathBuf,
    nixpkgs: Option<String>,
}

impl Nix {
    /// # Errors
    /// There is no `nix` on the PATH.
    pub fn find(root: &Path, nixpkgs: Option<String>) -> Result<Self> {
        which::which("nix").map_err(|_| {
            usage("there is no nix on the PATH: install Nix (https://nixos.org/download), or use --guest standin")
        })?;
        Ok(Nix {
            root: root.to_path_buf(),
            nixpkgs,
        })
    }

    /// The flake reference of nixpkgs, for the report.
    pub fn nixpkgs(&self) -> &str {
        self.nixpkgs.as_deref().unwrap_or("flake.lock")
    }

    fn command(&self, subcommand: &[&str]) -> Command {
        let mut nix = process::command("nix");
        nix.args(["--extra-experimental-features", "nix-command flakes"])
            .args(subcommand)
            .current_dir(&self.root);
        nix
    }

    /// A command on the flake, with the chosen nixpkgs; it does not write the lock file.
    fn on_flake(&self, subcommand: &[&str]) -> Command {
        let mut nix = self.command(subcommand);
        nix.arg("--no-write-lock-file");
        if let Some(nixpkgs) = &self.nixpkgs {
            nix.args(["--override-input", "nixpkgs", nixpkgs]);
        }
        nix
    }

    /// The evaluated configuration by concern, store paths as Nix gives them.
    ///
    /// # Errors
    /// Nix's own message, reduced to the line with the cause.
    pub fn contract(&self) -> Result<Value> {
        let mut eval = self.on_flake(&["eval", "--json"]);
        eval.arg(format!(".#{CONTRACT}"));
        let text = self.finish(eval, "evaluating the configuration", EVALUATE)?;
        serde_json::from_str(&text).context("the contract is not JSON")
    }

    /// Builds a derivation and returns its output's path.
    pub fn build_derivation(&self, derivation: &str) -> Result<PathBuf> {
        let mut build = self.command(&["build", "--no-link", "--print-out-paths"]);
        build.arg(format!("{derivation}^*"));
        let text = self.finish(build, &format!("building {derivation}"), BUILD)?;
        let path = text.lines().last().context("nix build printed no path")?;
        Ok(PathBuf::from(path.trim()))
    }

    /// The value of `attribute`, which is a string.
    pub fn text(&self, attribute: &str) -> Result<String> {
        let mut eval = self.on_flake(&["eval", "--raw"]);
        eval.arg(format!(".#{attribute}"));
        self.finish(eval, &format!("evaluating {attribute}"), EVALUATE)
    }

    /// The closure of `path`, itself included: store path -> bytes.
    pub fn closure(&self, path: &Path) -> Result<BTreeMap<String, u64>> {
        // Not as JSON: its form differs between versions.
        let mut info = self.command(&["path-info", "--recursive", "--size"]);
        info.arg(path);
        let text = self.finish(info, "nix path-info", EVALUATE)?;
        let line = |line: &str| {
            let (path, bytes) = line.split_once(char::is_whitespace)?;
            Some((path.to_string(), bytes.trim().parse().ok()?))
        };
        text.lines()
            .map(|text| line(text).with_context(|| format!("nix path-info says {text:?}")))
            .collect()
    }

    /// The list of packages (SBOM) that the store path `path` needs, as SPDX in JSON, made by sbomnix from the flake's
    /// nixpkgs. The inner error is the reason why sbomnix cannot be run here.
    ///
    /// # Errors
    /// Ctrl-C, or sbomnix does not end in time.
    pub fn sbom(&self, path: &Path) -> Result<Result<String, Unrealisable>> {
        let folder = tempfile::tempdir().context("cannot create a folder for the SBOM")?;
        let file = |name: &str| folder.path().join(name);
        let mut sbomnix = self.on_flake(&["run", "--inputs-from", "."]);
        sbomnix
            .args(["nixpkgs#sbomnix", "--"])
            .arg(path)
            .arg("--spdx")
            .arg(file("spdx.json"))
            .arg("--cdx")
            .arg(file("cdx.json"))
            .arg("--csv")
            .arg(file("sbom.csv"));
        let finished = process::finish(sbomnix, "running sbomnix", SBOM)?;
        if !finished.status.success() {
            return Ok(Err(Unrealisable(reason(&finished.stderr))));
        }
        let text = std::fs::read_to_string(file("spdx.json"));
        Ok(text.map_err(|error| Unrealisable(format!("sbomnix wrote no SPDX file: {error}"))))
    }

    /// The derivation of `attribute`, evaluated but not built.
    pub fn instantiate(&self, attribute: &str) -> Result<String> {
        let mut eval = self.on_flake(&["eval", "--raw"]);
        eval.arg(format!(".#{attribute}.drvPath"));
        self.finish(eval, &format!("instantiating {attribute}"), EVALUATE)
    }

    /// `nix flake check`, without building the checks.
    pub fn flake_check(&self) -> Result<()> {
        let mut check = self.on_flake(&["flake", "check"]);
        check.arg("--no-build");
        self.finish(check, "nix flake check", EVALUATE).map(drop)
    }

    /// The system features of Nix here, such as `kvm`.
    pub fn system_features(&self) -> Result<Vec<String>> {
        // The subcommand was called `show-config` before Nix 2.20.
        for subcommand in [&["config", "show"][..], &["show-config"]] {
            let mut show = self.command(subcommand);
            show.arg("--json");
            let finished = process::finish(show, "asking Nix for its settings", ASK_CACHE)?;
            if finished.status.success() {
                return features(&finished.stdout);
            }
        }
        Err(usage(
            "this Nix does not show its settings: 2.4 or newer is needed",
        ))
    }

    /// Builds `attribute` and returns its output's path.
    pub fn build(&self, attribute: &str) -> Result<PathBuf> {
        let mut build = self.on_flake(&["build", "--no-link", "--print-out-paths"]);
        build.arg(format!(".#{attribute}"));
        let text = self.finish(build, &format!("building {attribute}"), BUILD)?;
        Ok(PathBuf::from(
            text.lines()
                .last()
                .context("nix build printed no path")?
                .trim(),
        ))
    }

    fn finish(&self, command: Command, what: &str, deadline: Duration) -> Result<String> {
        let finished = process::finish(command, what, deadline)?;
        if finished.status.success() {
            Ok(finished.stdout)
        } else {
            Err(self.explain(&finished.stderr, what))
        }
    }

    fn explain(&self, stderr: &str, what: &str) -> anyhow::Error {
        usage(format!("{what}: {}", reason(stderr)))
    }

    /// Nix's version, for people.
    pub fn version(&self) -> Result<String> {
        let mut nix = process::command("nix");
        nix.arg("--version");
        Ok(process::run(nix, "nix --version", ASK_CACHE)?
            .trim()
            .to_string())
    }
}

/// The raw image in a build's output: the file itself, or the one in the folder.
pub fn image_in(output: &Path) -> Result<PathBuf> {
    if output.is_file() {
        return Ok(output.to_path_buf());
    }
    let mut found: Vec<PathBuf> = std::fs::read_dir(output)
        .with_context(|| format!("cannot read {}", output.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "raw" || extension == "img")
        })
        .collect();
    found.sort();
    match found.pop() {
        Some(image) => Ok(image),
        None => bail!("{} holds no .raw image", output.display()),
    }
}
