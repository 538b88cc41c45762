//! The only place that runs Nix.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::error::usage;
use vm::process;

/// Evaluating the whole system from nothing, on a slow machine.
const EVALUATE: Duration = Duration::from_secs(600);
/// Fetching or building sbomnix, and running it on the whole system.
const SBOM: Duration = Duration::from_secs(1800);
/// Building an image, most of it fetched.
const BUILD: Duration = Duration::from_secs(3600);
/// Whether a cache answers is known at once, or not at all.
const ASK_CACHE: Duration = Duration::from_secs(20);
/// The attribute that hands over the whole contract in one evaluation.
const CONTRACT: &str = "lib.contract";
/// The evaluated system, which can be extended.
const APPLIANCE: &str = "nixosConfigurations.OllamaLive";
/// Where nixpkgs' builds are published.
const CACHE: &str = "https://cache.nixos.org";

/// Nix, pointed at this project's flake.
#[derive(Debug, Clone)]
pub struct Nix {
    root: PathBuf,
    nixpkgs: Option<String>,
}

/// A configuration with one change, evaluated.
#[derive(Debug, Deserialize)]
pub struct Changed {
    /// As [`Nix::contract`].
    pub contract: Value,
    /// The derivation of its image.
    pub image: String,
}

/// Why the image cannot be had here; one line.
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

    /// What the flake's nixpkgs is, for the report.
    pub fn nixpkgs(&self) -> &str {
        self.nixpkgs.as_deref().unwrap_or("flake.lock")
    }

    fn command(&self, verb: &[&str]) -> Command {
        let mut nix = Command::new("nix");
        nix.args(["--extra-experimental-features", "nix-command flakes"])
            .args(verb)
            .current_dir(&self.root);
        nix
    }

    /// A command on the flake, with the nixpkgs that was asked for and the lock left alone.
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
    /// Nix's own message, reduced to the line that says what is wrong.
    pub fn contract(&self) -> Result<Value> {
        let mut eval = self.on_flake(&["eval", "--json"]);
        eval.arg(format!(".#{CONTRACT}"));
        let text = self.finish(eval, "evaluating the configuration", EVALUATE)?;
        serde_json::from_str(&text).context("the contract is not JSON")
    }

    /// The configuration with more modules: each of `modules` is what goes between its braces, `{ lib, pkgs, ... }: { … }`.
    ///
    /// # Errors
    /// As [`Nix::contract`].
    pub fn changed(&self, modules: &[&str]) -> Result<Changed> {
        // The contract's maker is read from the sources, which a pure evaluation would not allow.
        let mut eval = self.on_flake(&["eval", "--impure", "--json"]);
        eval.arg(format!(".#{APPLIANCE}"))
            .args(["--apply", &changing(modules, &self.root)]);
        let text = self.finish(eval, "evaluating the changed configuration", EVALUATE)?;
        serde_json::from_str(&text).context("the changed contract is not JSON")
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

    /// Everything in the store that `path` needs, itself included: path -> bytes.
    pub fn closure(&self, path: &Path) -> Result<BTreeMap<String, u64>> {
        // Not as JSON: that has another form in every other version.
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

    /// The kinds of build that Nix takes on here, such as `kvm`.
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

    /// Whether Nix can build `attribute` here: what would have to be downloaded must be downloadable.
    ///
    /// # Errors
    /// The configuration does not evaluate: that is no matter of this machine.
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

    /// The names of those `derivations` that are downloads: their output's hash is known beforehand.
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

    /// Why the flake's nixpkgs cannot be had here, if so.
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
        let mut nix = Command::new("nix");
        nix.arg("--version");
        Ok(process::run(nix, "nix --version", ASK_CACHE)?
            .trim()
            .to_string())
    }
}

/// A function in Nix: the appliance -> contract and image of the appliance with `modules` added.
fn changing(modules: &[&str], root: &Path) -> String {
    let maker = root.join("tests/contract.nix").display().to_string();
    let maker = maker
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace("${", "\\${");
    let modules: String = modules
        .iter()
        .map(|module| format!("({{ lib, pkgs, ... }}: {{ {module} }}) "))
        .collect();
    format!(
        "appliance: let changed = appliance.extendModules {{ modules = [ {modules}]; }}; \
         in {{ contract = import (/. + \"{maker}\") changed; image = changed.config.system.build.images.raw.drvPath; }}"
    )
}

/// `system-features` in the output of `nix config show --json`.
fn features(settings: &str) -> Result<Vec<String>> {
    let settings: Value = serde_json::from_str(settings).context("Nix's settings are not JSON")?;
    serde_json::from_value(settings["system-features"]["value"].clone())
        .context("Nix's settings have no system-features")
}

/// The derivations that `nix build --dry-run` says it would build.
fn to_be_built(stderr: &str) -> Vec<String> {
    stderr
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("/nix/store/") && line.ends_with(".drv"))
        .map(str::to_string)
        .collect()
}

/// The names of fixed-output derivations in the output of `nix derivation show`, old form and new.
fn fixed_outputs(shown: &Value) -> Vec<String> {
    let derivations = shown.get("derivations").unwrap_or(shown);
    let Some(derivations) = derivations.as_object() else {
        return Vec::new();
    };
    let fixed = |derivation: &Value| {
        derivation["outputs"]
            .as_object()
            .is_some_and(|outputs| outputs.values().any(|output| output.get("hash").is_some()))
    };
    derivations
        .values()
        .filter(|derivation| fixed(derivation))
        .map(|derivation| {
            derivation["name"]
                .as_str()
                .unwrap_or("a source")
                .to_string()
        })
        .collect()
}

/// The part of Nix's message that says what is wrong: failed assertions, or the last `error:`.
fn reason(stderr: &str) -> String {
    let text = vm::console::clean(stderr);
    if let Some((_, list)) = text.split_once("Failed assertions:") {
        let sentences: Vec<&str> = list
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(|line| line.trim_start_matches("- "))
            .collect();
        return sentences.join(" ");
    }
    let last = text
        .rfind("error:")
        .map(|at| &text[at + "error:".len()..])
        .unwrap_or(&text);
    let lines: Vec<&str> = last
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .take(6)
        .collect();
    lines.join(" ")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivations_are_read_from_a_dry_run() {
        let text = "these 2 derivations will be built:\n  /nix/store/aaa-a.drv\n  /nix/store/bbb-b.drv\nthese 1 paths will be fetched\n  /nix/store/ccc-c\n";
        assert_eq!(
            to_be_built(text),
            ["/nix/store/aaa-a.drv", "/nix/store/bbb-b.drv"]
        );
    }

    #[test]
    fn features_are_read_from_the_settings() {
        let text =
            r#"{ "cores": { "value": 0 }, "system-features": { "value": ["benchmark", "kvm"] } }"#;
        assert_eq!(features(text).unwrap(), ["benchmark", "kvm"]);
        assert!(features("{}").is_err());
    }

    #[test]
    fn downloads_are_known_by_their_hash_in_both_forms() {
        let shown = serde_json::json!({
            "/nix/store/aaa-a.drv": { "name": "linux.tar.xz", "outputs": { "out": { "hash": "00" } } },
            "/nix/store/bbb-b.drv": { "name": "unit", "outputs": { "out": { "path": "/nix/store/x" } } },
        });
        assert_eq!(fixed_outputs(&shown), ["linux.tar.xz"]);
        assert_eq!(
            fixed_outputs(&serde_json::json!({ "derivations": shown })),
            ["linux.tar.xz"]
        );
    }

    #[test]
    fn a_change_is_a_module_and_paths_are_quoted() {
        let text = changing(&["a = 1;"], Path::new("/my \"${project}\""));
        assert!(text.contains("({ lib, pkgs, ... }: { a = 1; })"), "{text}");
        assert!(
            text.contains(r#"(/. + "/my \"\${project}\"/tests/contract.nix")"#),
            "{text}"
        );
    }

    #[test]
    fn the_reason_is_the_assertion_or_the_last_error() {
        let assertion = "error:\n … while evaluating\n\n error:\n Failed assertions:\n - models.drive is \"X\": write LABEL=name\n";
        assert_eq!(reason(assertion), "models.drive is \"X\": write LABEL=name");
        assert_eq!(
            reason("error: a\nerror: unable to download x\n"),
            "unable to download x"
        );
    }
}
