//! `release`: from a commit to files to download, verify and flash.

mod images;
mod progress;
mod refusals;
mod signing;
mod update;

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use stick::archive::{self, PackOptions};
use stick::sums::{self, SUMS};
use stick::units::binary_size;
use stick::update::Update;
use stick::{digest, partial};

use self::images::BUILT;
use self::progress::PackProgress;
use self::signing::{Signed, Signing};
use crate::cli::{Release, Test};
use crate::error::{Broken, usage};
use crate::git::Git;
use crate::nix::{self, Nix};
use crate::outcome::{Report, Verdict};
use crate::release::github::GitHub;
use crate::release::image::{self, ReleaseImage};
use crate::release::manifest::{Asset, FORMAT, Manifest, PackedImage, SystemInfo};
use crate::release::signature::SIGNATURE;
use crate::release::version::Version;
use crate::release::{CtrlC, LIMIT, MANIFEST, NOTES, describe, notes, resume, test_report};
use crate::report::ConsoleReporter;
use crate::scenario::PROMISES;

/// A finished release.
#[derive(Debug, PartialEq, Eq)]
pub struct Released {
    /// The folder with all its files.
    pub folder: PathBuf,
    /// Whether it is on GitHub now.
    pub published: bool,
}

/// A release that has passed all checks and can be made.
struct ReleasePlan<'a> {
    options: &'a Release,
    root: PathBuf,
    git: Git,
    commit: String,
    version: Version,
    out: PathBuf,
    /// The ready images; if there are none, Nix builds them.
    images: Vec<ReleaseImage>,
    nix: Option<Nix>,
    reports: Vec<Report>,
    github: Option<GitHub>,
    signing: Signing,
    console: ConsoleReporter,
}

pub fn run(options: &Release) -> Result<()> {
    release(options).map(drop)
}

/// Tests, builds, packs and describes the images, and publishes them if that was asked for.
///
/// # Errors
/// Something is refused, a promise is broken ([`Broken`], printed already), or a step fails.
pub fn release(options: &Release) -> Result<Released> {
    let mut plan = ReleasePlan::check(options)?;
    if plan.reports.is_empty() {
        plan.reports.push(plan.test()?);
    }
    let images = match &plan.nix {
        Some(nix) => plan.build(nix)?,
        None => plan.images.clone(),
    };
    let source = update::source(&images)?;
    fs::create_dir_all(&plan.out)
        .map_err(|error| usage(format!("cannot create {}: {error}", plan.out.display())))?;
    partial::sweep(&plan.out)?;
    let update = match &source {
        Some(source) => Some(plan.write_update(source)?),
        None => None,
    };
    // From here to the end the folder is unfinished.
    for name in [SUMS, MANIFEST, NOTES] {
        let _ = fs::remove_file(plan.out.join(name));
    }
    let mut packed = Vec::new();
    for image in &images {
        packed.push(plan.pack(image)?);
    }
    let (system, sbom) = plan.describe()?;
    let manifest = plan.manifest(packed, update, system);
    let assets = plan.write(&manifest, sbom.as_deref())?;
    plan.conclude(&manifest, &assets)
}

impl ReleasePlan<'_> {
    /// Runs all tests, those with faults included.
    fn test(&self) -> Result<Report> {
        let report = super::test::report(&Test {
            fault: true,
            consent: self.options.consent.clone(),
            ollama: self.options.ollama.clone(),
            ..Test::default()
        })?;
        if report.verdict == Verdict::Fail {
            return Err(Broken.into());
        }
        match test_report::refusal(&report, &self.commit, &promises()) {
            None => Ok(report),
            Some(why) => Err(usage(format!(
                "the test run {why}: a release needs a run that keeps every promise"
            ))),
        }
    }

    fn build(&self, nix: &Nix) -> Result<Vec<ReleaseImage>> {
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

    fn pack_options(&self) -> PackOptions {
        PackOptions {
            level: self.options.level,
            limit: LIMIT,
        }
    }

    /// Packs `image`, unless an earlier run has done so.
    fn pack(&self, image: &ReleaseImage) -> Result<PackedImage> {
        let file = format!("ollamalive-{}.{}", self.version.name, image.name);
        let options = self.pack_options();
        if let Some(packed) = resume::find(image, &file, &self.out, options)? {
            self.console
                .say(&format!("{}: finished before", image.name));
            return Ok(packed);
        }
        resume::forget(image, &file, &self.out)?;
        self.console
            .say(&format!("{}: packing {}", image.name, image.path.display()));
        let progress = PackProgress::new(&image.name, &self.console);
        let name = format!("{file}.zst");
        let archive = archive::pack(&image.path, &self.out, &name, options, &progress)?;
        let packed = PackedImage {
            name: image.name.clone(),
            kind: image.kind,
            file,
            digest: archive.digest,
            level: options.level,
            assets: archive.assets,
        };
        resume::remember(image, &packed, &self.out, options)?;
        self.console.say(&format!(
            "{}: {} of {}",
            image.name,
            binary_size(packed.packed_bytes()),
            binary_size(packed.digest.bytes)
        ));
        if packed.assets.len() > 1 {
            self.console.say(&format!(
                "{}: in {} parts of at most {}, because GitHub takes only files under 2 GiB; {NOTES} says how to join them",
                image.name,
                packed.assets.len(),
                binary_size(LIMIT)
            ));
        }
        Ok(packed)
    }

    /// The system in the images, and the list of its packages where sbomnix can be run.
    fn describe(&self) -> Result<(SystemInfo, Option<String>)> {
        let Some(nix) = &self.nix else {
            self.console
                .say("no list of packages (SBOM): the content of ready images is not known");
            return Ok((describe::from_sources(&self.root)?, None));
        };
        self.console.say("listing the packages");
        let (system, toplevel) = describe::with_nix(&self.root, nix)?;
        let sbom = nix.sbom(&toplevel)?.map_err(|reason| {
            self.console.say(&format!(
                "no list of packages (SBOM): sbomnix cannot be run here: {}",
                reason.0
            ));
        });
        Ok((system, sbom.ok()))
    }

    fn manifest(
        &self,
        images: Vec<PackedImage>,
        update: Option<Update>,
        system: SystemInfo,
    ) -> Manifest {
        Manifest {
            format: FORMAT,
            version: self.version.name.clone(),
            commit: self.commit.clone(),
            signed_by: self.signing.key().map(str::to_string),
            system,
            images,
            update,
            tests: self.reports.iter().map(test_report::test_run).collect(),
        }
    }

    /// Writes the files beside the images. Returns all files, in the order in which they are published.
    fn write(&self, manifest: &Manifest, sbom: Option<&str>) -> Result<Vec<Asset>> {
        if self.git.state().as_ref() != Some(&self.commit) {
            return Err(usage(
                "the tree changed while the release was made: commit, and run it again",
            ));
        }
        let mut manifest = manifest.clone();
        let mut assets: Vec<Asset> = manifest.assets().cloned().collect();
        let mut place = |name: &str, text: &str| -> Result<()> {
            partial::place(&self.out, name, text)?;
            assets.push(Asset {
                file: name.to_string(),
                digest: digest::of_file(&self.out.join(name), &CtrlC)?,
            });
            Ok(())
        };
        if let Some(sbom) = sbom {
            let name = format!("ollamalive-{}.spdx.json", manifest.version);
            place(&name, sbom)?;
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
        let signed = self.signing.sign(&listed, &self.out)?;
        if let Some(Signed::Before) = signed {
            self.console.say(&format!("{SIGNATURE}: made before"));
        }
        partial::place(&self.out, SUMS, &listed)?;
        for file in signed.map(|_| SIGNATURE).into_iter().chain([SUMS]) {
            assets.push(Asset {
                file: file.to_string(),
                digest: digest::of_file(&self.out.join(file), &CtrlC)?,
            });
        }
        Ok(assets)
    }

    fn conclude(&self, manifest: &Manifest, assets: &[Asset]) -> Result<Released> {
        for asset in assets {
            outln!("{:>12}  {}", binary_size(asset.digest.bytes), asset.file);
        }
        match &manifest.signed_by {
            Some(key) => outln!("signed with the key {key}"),
            None => outln!("not signed: --sign KEYID|FILE signs {SUMS}"),
        }
        outln!("finished: {}", self.out.display());
        let mut published = false;
        let tag = &manifest.version;
        let (files, bytes) = (
            assets.len(),
            binary_size(assets.iter().map(|asset| asset.digest.bytes).sum()),
        );
        match &self.github {
            _ if self.options.dry_run && self.version.tagged => {
                outln!(
                    "dry run, not done: tag {tag} on {}, upload {files} files ({bytes}) to GitHub",
                    self.commit
                );
            }
            Some(github) => {
                let say = &mut |text: &str| self.console.say(text);
                github.publish(tag, &self.commit, &self.out, assets, say)?;
                published = true;
                outln!(
                    "published: {tag} of {}, {files} files ({bytes})",
                    self.commit
                );
            }
            None if self.version.tagged => outln!("not published: add --publish to publish it"),
            None => outln!("not published: publishing needs a --version"),
        }
        Ok(Released {
            folder: self.out.clone(),
            published,
        })
    }
}

/// The ids of all promises, which a release has to keep.
fn promises() -> Vec<&'static str> {
    PROMISES.iter().map(|promise| promise.id).collect()
}
