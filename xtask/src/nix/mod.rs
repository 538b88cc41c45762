//! The only module that runs Nix.

mod changed;
mod parse;

pub use changed::Changed;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use self::parse::{features, fixed_outputs, reason, to_be_built};
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
/// The binary cache of nixpkgs.
const CACHE: &str = "https://cache.nixos.org";

/// Nix, pointed at this project's flake.
#[derive(Debug, Clone)]
pub struct Nix {
    root: PathBuf,
    nixpkgs: Option<String>,
}

/// Why the image cannot be built here; one line.
#[derive(Debug)]
pub struct Unrealisable(pub String);

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

    fn command(&self, verb: &[&str]) -> Command {
        let mut nix = process::command("nix");
        nix.args(["--extra-experimental-features", "nix-command flakes"])
            .args(verb)
            .current_dir(&self.root);
        nix
    }

    /// A command on the flake, with the chosen nixpkgs; it does not write the lock file.
    fn on_flake(&self, verb: &[&str]) -> Command {
        let mut nix = self.command(verb);
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
        // The verb was called `show-config` before Nix 2.20.
        for verb in [&["config", "show"][..], &["show-config"]] {
            let mut show = self.command(verb);
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

    /// Why Nix cannot build `attribute` here, if so: a source must be downloaded, and cannot be.
    ///
    /// # Errors
    /// The configuration does not evaluate, which has nothing to do with this machine.
    pub fn realisable(&self, attribute: &str) -> Result<Option<Unrealisable>> {
        let mut dry = self.on_flake(&["build", "--dry-run"]);
        dry.arg(format!(".#{attribute}"));
        let finished = process::finish(dry, "nix build --dry-run", EVALUATE)?;
        if !finished.status.success() {
            return Err(self.explain(&finished.stderr, &format!("evaluating {attribute}")));
        }
        let downloads = self.downloads(&to_be_built(&finished.stderr))?;
        if downloads.is_empty() || self.cache_answers()? {
            return Ok(None);
        }
        Ok(Some(Unrealisable(format!(
            "{} and {} other sources would have to be downloaded, and {CACHE} does not answer",
            downloads[0],
            downloads.len() - 1
        ))))
    }

    /// The names of those `derivations` that are downloads: their output hash is fixed.
    fn downloads(&self, derivations: &[String]) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for some in derivations.chunks(500) {
            let mut show = self.command(&["derivation", "show"]);
            show.args(some);
            let text = self.finish(show, "nix derivation show", EVALUATE)?;
            names.extend(fixed_outputs(
                &serde_json::from_str(&text).context("derivations are not JSON")?,
            ));
        }
        Ok(names)
    }

    fn cache_answers(&self) -> Result<bool> {
        // The verb was called `ping` before Nix 2.19.
        for verb in ["info", "ping"] {
            let start = Instant::now();
            let mut ask = self.command(&["store", verb]);
            ask.args(["--store", CACHE]);
            match process::finish(ask, "asking the binary cache", ASK_CACHE) {
                Ok(finished) if finished.status.success() => return Ok(true),
                _ => process::check_interrupt()?,
            }
            if start.elapsed() > ASK_CACHE / 2 {
                break;
            }
        }
        Ok(false)
    }

    /// Why the flake's nixpkgs cannot be fetched here, if so.
    pub fn nixpkgs_unreachable(&self) -> Result<Option<Unrealisable>> {
        let mut metadata = self.on_flake(&["eval", "--raw"]);
        metadata.arg(".#lib.release");
        let finished = process::finish(metadata, "fetching nixpkgs", EVALUATE)?;
        if finished.status.success() {
            return Ok(None);
        }
        let why = reason(&finished.stderr);
        let unreachable = [
            "unable to download",
            "Could not resolve host",
            "cannot connect",
            "unable to fetch",
        ];
        if unreachable
            .iter()
            .any(|sign| finished.stderr.contains(sign))
        {
            return Ok(Some(Unrealisable(format!(
                "nixpkgs cannot be downloaded: {why}"
            ))));
        }
        Err(usage(format!("evaluating the flake: {why}")))
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
