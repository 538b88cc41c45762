//! Whether Nix can build something here: nothing has to be downloaded, or everything can be.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use vm::process;

use super::parse::{fixed_outputs, reason, to_be_built};
use super::{ASK_CACHE, EVALUATE, Nix};
use crate::error::usage;

/// The binary cache of nixpkgs.
const CACHE: &str = "https://cache.nixos.org";

/// Why the image cannot be built here; one line.
#[derive(Debug)]
pub struct Unrealisable(pub String);

impl Nix {
    /// Nix, if it can build all `attributes` here, which are `what`. `instead` is what else the user can do: "or …".
    ///
    /// # Errors
    /// Nix is missing, or cannot build one of them.
    pub fn builder<'a>(
        root: &Path,
        attributes: impl IntoIterator<Item = &'a str>,
        what: &str,
        instead: &str,
    ) -> Result<Self> {
        let nix = Nix::find(root, None).map_err(|_| {
            usage(format!(
                "there is no nix on the PATH to build {what}: install Nix (https://nixos.org/download), {instead}"
            ))
        })?;
        let obstacle = match nix.nixpkgs_unreachable()? {
            Some(unreachable) => Some(unreachable),
            None => attributes
                .into_iter()
                .find_map(|attribute| nix.realisable(attribute).transpose())
                .transpose()?,
        };
        match obstacle {
            None => Ok(nix),
            Some(reason) => Err(usage(format!(
                "Nix cannot build {what} here: {}; make it reachable, {instead}",
                reason.0
            ))),
        }
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
        // The subcommand was called `ping` before Nix 2.19.
        for subcommand in ["info", "ping"] {
            let start = Instant::now();
            let mut ask = self.command(&["store", subcommand]);
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
}
