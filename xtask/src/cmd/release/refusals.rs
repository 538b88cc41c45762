//! Refusals of a release, before any work.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::images::builder;
use super::signing::Signing;
use super::{ReleasePlan, promises};
use crate::cli::Release;
use crate::error::usage;
use crate::git::Git;
use crate::outcome::Report;
use crate::project;
use crate::release::github::GitHub;
use crate::release::version::Version;
use crate::release::{image, test_report};
use crate::report::ConsoleReporter;

impl<'a> ReleasePlan<'a> {
    /// Checks everything that can refuse the release, before any work.
    pub(super) fn check(options: &'a Release) -> Result<Self> {
        let root = project::root()?;
        let git = Git::at(&root);
        let commit = git.commit()?;
        let version = Version::choose(options.version.as_deref(), &commit)?;
        let images = image::all(&options.image)?;
        super::update::source(&images)?;
        let out = match &options.out {
            Some(out) => real(out)?,
            None => real(&root.join("target/distrib").join(&version.name))?,
        };
        if out.exists() && !out.is_dir() {
            return Err(usage(format!("--out {} is not a folder", out.display())));
        }
        git.require_clean()?;
        git.require_history()?;
        git.require_ignored(&out)?;
        if version.tagged && git.has_tag(&version.name)? {
            return Err(usage(format!(
                "the tag {} exists: take another --version",
                version.name
            )));
        }
        let reports: Result<Vec<Report>> = options
            .report
            .iter()
            .map(|path| test_report::read(path, &commit, &promises()))
            .collect();
        let reports = reports?;
        if options.publish && !version.tagged {
            return Err(usage(
                "--publish needs a --version, such as 1.2.0 or build-7",
            ));
        }
        let github = options.publish.then(|| GitHub::find(&root)).transpose()?;
        if let Some(github) = &github {
            github.require_free(&version.name, &commit)?;
        }
        let signing = Signing::choose(options, &out, &root)?;
        let nix = images.is_empty().then(|| builder(&root)).transpose()?;
        Ok(ReleasePlan {
            options,
            root,
            git,
            commit,
            version,
            out,
            images,
            nix,
            reports,
            github,
            signing,
            console: ConsoleReporter::default(),
        })
    }
}

/// `path` without symbolic links, as far as it exists.
fn real(path: &Path) -> Result<PathBuf> {
    let whole = std::path::absolute(path).context("cannot find the current folder")?;
    for existing in whole.ancestors() {
        if let Ok(known) = existing.canonicalize() {
            let rest = whole.strip_prefix(existing).unwrap_or(Path::new(""));
            return Ok(if rest.as_os_str().is_empty() {
                known
            } else {
                known.join(rest)
            });
        }
    }
    Ok(whole)
}
