//! `release`: from a commit to files that can be downloaded, verified and flashed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cli::{Release, Test};
use crate::error::usage;
use crate::nix::{self, Nix};
use crate::outcome::Report;
use crate::project;
use crate::release::describe::{self, Closure};
use crate::release::git::Git;
use crate::release::github::GitHub;
use crate::release::image::{self, Image};
use crate::release::manifest::{Asset, FORMAT, Manifest, Packed, System};
use crate::release::pack::{self, Manner};
use crate::release::version::Version;
use crate::release::{MANIFEST, NOTES, SUMS, hash, made, notes, parts, proof, sbom, size, sums};
use crate::report::ConsoleReporter;

/// What users download, by name: the flake's attribute.
const BUILT: &[(&str, &str)] = &[
    ("iso", "packages.x86_64-linux.iso"),
    ("raw", "packages.x86_64-linux.raw"),
];

/// A release of which nothing speaks against making it.
struct Plan<'a> {
    options: &'a Release,
    root: PathBuf,
    git: Git,
    commit: String,
    version: Version,
    out: PathBuf,
    /// The ready images; where there are none, Nix builds them.
    images: Vec<Image>,
    nix: Option<Nix>,
    reports: Vec<Report>,
    github: Option<GitHub>,
    console: ConsoleReporter,
}

pub fn run(options: &Release) -> Result<()> {
    let mut plan = Plan::check(options)?;
    if plan.reports.is_empty() {
        plan.reports.push(plan.test()?);
    }
    let images = match &plan.nix {
        Some(nix) => plan.build(nix)?,
        None => plan.images.clone(),
    };
    fs::create_dir_all(&plan.out)
        .map_err(|error| usage(format!("cannot make {}: {error}", plan.out.display())))?;
    parts::sweep(&plan.out)?;
    // From here to the end the folder is not finished.
    for name in [SUMS, MANIFEST, NOTES] {
        let _ = fs::remove_file(plan.out.join(name));
    }
    let mut packed = Vec::new();
    for image in &images {
        packed.push(plan.pack(image)?);
    }
    let (system, closure) = plan.describe()?;
    let manifest = plan.manifest(packed, system);
    let assets = plan.write(&manifest, closure)?;
    plan.conclude(&manifest, &assets)
}

impl<'a> Plan<'a> {
    /// Everything that can be refused is refused here, before any work.
    fn check(options: &'a Release) -> Result<Self> {
        let root = project::root()?;
        let git = Git::at(&root);
        let commit = git.commit()?;
        let version = Version::choose(options.version.as_deref(), &commit)?;
        let images = image::all(&options.image)?;
        let out = match &options.out {
            Some(out) => real(out)?,
            None => real(&root.join("target/distrib").join(&version.name))?,
        };
        if out.exists() && !out.is_dir() {
            return Err(usage(format!("--out {} is no folder", out.display())));
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
            .map(|path| proof::read(path, &commit))
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
        let nix = images.is_empty().then(|| builder(&root)).transpose()?;
        Ok(Plan {
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
            console: ConsoleReporter::default(),
        })
    }

    /// Runs the tests as `test` does.
    fn test(&self) -> Result<Report> {
        let folder = tempfile::tempdir().context("cannot make a folder for the report")?;
        let json = folder.path().join("report.json");
        super::test::run(&Test {
            json: Some(json.clone()),
            // What is released has gone through everything.
            fault: true,
            consent: self.options.consent.clone(),
            ..Test::default()
        })?;
        proof::read(&json, &self.commit)
    }

    fn build(&self, nix: &Nix) -> Result<Vec<Image>> {
        let mut images = Vec::new();
        for (name, attribute) in BUILT {
            self.console.say(&format!("building {name}"));
            let output = nix.build(attribute)?;
            let path = match *name {
                "iso" => image::iso_in(&output)?,
                _ => nix::image_in(&output)?,
            };
            images.push(image::inspect(name, &path)?);
        }
        Ok(images)
    }

    /// Packs `image`, unless that was done before.
    fn pack(&self, image: &Image) -> Result<Packed> {
        let file = format!("ollamalive-{}.{}", self.version.name, image.name);
        let manner = Manner {
            level: self.options.level,
            limit: parts::LIMIT,
        };
        if let Some(packed) = made::find(image, &file, &self.out, manner)? {
            self.console.say(&format!("{}: made before", image.name));
            return Ok(packed);
        }
        made::forget(image, &file, &self.out)?;
        self.console
            .say(&format!("{}: packing {}", image.name, image.path.display()));
        let say = &mut |text: &str| self.console.say(text);
        let packed = pack::pack(image, &file, &self.out, manner, say)?;
        made::remember(image, &packed, &self.out, manner)?;
        self.console.say(&format!(
            "{}: {} of {}",
            image.name,
            size(packed.packed_bytes()),
            size(packed.digest.bytes)
        ));
        if packed.assets.len() > 1 {
            self.console.say(&format!(
                "{}: in {} parts of at most {}, for GitHub takes only files under 2 GiB; {NOTES} says how they are joined",
                image.name,
                packed.assets.len(),
                size(parts::LIMIT)
            ));
        }
        Ok(packed)
    }

    fn describe(&self) -> Result<(System, Option<Closure>)> {
        let Some(nix) = &self.nix else {
            self.console
                .say("no list of packages (SBOM): what ready images hold is not known");
            return Ok((describe::from_sources(&self.root)?, None));
        };
        self.console.say("listing the packages");
        let (system, closure) = describe::with_nix(&self.root, nix)?;
        Ok((system, Some(closure)))
    }

    fn manifest(&self, images: Vec<Packed>, system: System) -> Manifest {
        Manifest {
            format: FORMAT,
            version: self.version.name.clone(),
            commit: self.commit.clone(),
            system,
            images,
            tests: self.reports.iter().map(proof::run).collect(),
        }
    }

    /// Writes what goes with the images. Returns all files, in the order in which they are published.
    fn write(&self, manifest: &Manifest, closure: Option<Closure>) -> Result<Vec<Asset>> {
        if self.git.state().as_ref() != Some(&self.commit) {
            return Err(usage(
                "the tree changed while the release was made: commit, and run it again",
            ));
        }
        let mut manifest = manifest.clone();
        let mut assets: Vec<Asset> = manifest
            .images
            .iter()
            .flat_map(|image| image.assets.clone())
            .collect();
        let mut place = |name: &str, text: &str| -> Result<()> {
            parts::place(&self.out, name, text)?;
            assets.push(Asset {
                file: name.to_string(),
                digest: hash::file(&self.out.join(name))?,
            });
            Ok(())
        };
        if let Some(closure) = &closure {
            let name = format!("ollamalive-{}.spdx.json", manifest.version);
            let date = self.git.date(&self.commit)?;
            let document = sbom::render(&manifest, date, closure.keys());
            place(&name, &format!("{document:#}\n"))?;
            manifest.system.sbom = Some(name);
        }
        let text = serde_json::to_string_pretty(&manifest)?;
        place(MANIFEST, &format!("{text}\n"))?;
        let previous = self
            .git
            .previous_tag(self.version.peers(), &self.version.name)?;
        let changes = self.git.changes(previous.as_deref())?;
        place(
            NOTES,
            &notes::render(&manifest, previous.as_deref(), &changes),
        )?;
        let listed = sums::render(&assets);
        parts::place(&self.out, SUMS, &listed)?;
        assets.push(Asset {
            file: SUMS.to_string(),
            digest: hash::file(&self.out.join(SUMS))?,
        });
        Ok(assets)
    }

    fn conclude(&self, manifest: &Manifest, assets: &[Asset]) -> Result<()> {
        for asset in assets {
            outln!("{:>12}  {}", size(asset.digest.bytes), asset.file);
        }
        outln!("made: {}", self.out.display());
        let tag = &manifest.version;
        let (files, bytes) = (
            assets.len(),
            size(assets.iter().map(|asset| asset.digest.bytes).sum()),
        );
        match &self.github {
            _ if self.options.dry_run && self.version.tagged => {
                outln!(
                    "not done, for --dry-run: tag {tag} on {}, {files} files ({bytes}) to GitHub",
                    self.commit
                );
            }
            Some(github) => {
                let say = &mut |text: &str| self.console.say(text);
                github.publish(tag, &self.commit, &self.out, assets, say)?;
                outln!(
                    "published: {tag} of {}, {files} files ({bytes})",
                    self.commit
                );
            }
            None if self.version.tagged => outln!("not published: the same with --publish does it"),
            None => outln!("not published: that takes a --version"),
        }
        Ok(())
    }
}

/// Nix, able to build every image here.
fn builder(root: &Path) -> Result<Nix> {
    let instead = "or name ready images with --image NAME=FILE";
    let nix = Nix::find(root, None).map_err(|_| {
        usage(format!(
            "there is no nix on the PATH to build the images: install Nix (https://nixos.org/download), {instead}"
        ))
    })?;
    let hindrance = match nix.nixpkgs_unreachable()? {
        Some(unreachable) => Some(unreachable),
        None => BUILT
            .iter()
            .find_map(|(_, attribute)| nix.realisable(attribute).transpose())
            .transpose()?,
    };
    match hindrance {
        None => Ok(nix),
        Some(reason) => Err(usage(format!(
            "Nix cannot build the images here: {}; make it reachable, {instead}",
            reason.0
        ))),
    }
}

/// `path` without symbolic links, as far as it exists.
fn real(path: &Path) -> Result<PathBuf> {
    let whole = std::path::absolute(path).context("cannot tell the current folder")?;
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
