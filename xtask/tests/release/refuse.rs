//! Refusals before any work, on one line.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use libtest_mimic::{Failed, Trial};
use serde_json::json;
use stick::testing::{SmallImage, verity_superblock};
use xtask::release::LIMIT;

use crate::case::{Case, parts};
use crate::common::{path_with, refused, trial};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("a_dirty_tree_is_refused", &["git"], dirty),
        trial(
            "files_in_the_tree_are_refused_unless_ignored",
            &["git"],
            out_in_tree,
        ),
        trial("a_shallow_clone_is_refused", &["git"], shallow),
        trial("an_existing_tag_is_refused", &["git"], tag),
        trial("an_invalid_version_is_refused", &["git"], version),
        trial("anything_but_an_image_is_refused", &["git"], images),
        trial("an_insufficient_report_is_refused", &["git"], reports),
        trial("an_image_without_a_system_is_refused", &["git"], no_system),
        trial(
            "an_update_that_github_would_not_take_is_refused",
            &["git"],
            long_update,
        ),
        trial("without_nix_images_have_to_be_given", &["git"], no_nix),
    ]
}

fn dirty() -> Result<(), Failed> {
    let case = Case::new();
    fs::write(case.project.join("new.nix"), "{}")?;
    let output = case
        .release(&["--version", "1.2.0", "--dry-run"])
        .output()?;
    refused(&output, &["dirty", "commit, stash or ignore new.nix"])?;
    fs::remove_file(case.project.join("new.nix"))?;
    fs::write(case.project.join("flake.nix"), "{}")?;
    let output = case.release(&["--version", "1.2.0"]).output()?;
    refused(&output, &["dirty", "flake.nix"])?;
    case.untouched()
}

fn out_in_tree() -> Result<(), Failed> {
    let mut case = Case::new();
    case.out = case.project.join("files");
    let output = case.release(&["--version", "1.2.0"]).output()?;
    refused(&output, &["--out", "in the tree", "git ignores"])?;
    case.untouched()?;
    fs::write(case.project.join(".gitignore"), "/files/\n")?;
    case.git(&["add", "."]);
    case.commit("Ignore files");
    case.tested();
    case.made()?;
    Ok(())
}

fn shallow() -> Result<(), Failed> {
    let mut case = Case::new();
    case.commit("Second");
    let clone = case.folder.path().join("clone");
    let from = format!("file://{}", case.project.display());
    case.git(&[
        "clone",
        "--quiet",
        "--depth=1",
        &from,
        &clone.display().to_string(),
    ]);
    case.project = clone;
    case.tested();
    let output = case.release(&["--version", "1.2.0"]).output()?;
    refused(
        &output,
        &["shallow", "git fetch --unshallow --tags", "fetch-depth: 0"],
    )?;
    case.untouched()
}

fn tag() -> Result<(), Failed> {
    let case = Case::new();
    case.git(&["tag", "v1.2.0"]);
    let output = case.release(&["--version", "1.2.0"]).output()?;
    refused(&output, &["the tag v1.2.0 exists", "another --version"])?;
    case.untouched()
}

fn version() -> Result<(), Failed> {
    let case = Case::new();
    let output = case.release(&["--version", "newest"]).output()?;
    refused(&output, &["newest", "such as 1.2.0", "build-N"])?;
    let output = case.release(&["--publish"]).output()?;
    refused(&output, &["--publish needs a --version"])?;
    case.untouched()
}

fn images() -> Result<(), Failed> {
    let case = Case::new();
    let other = case.folder.path().join("other");
    let file = File::create(&other)?;
    file.set_len(1 << 20)?;
    file.write_all_at(b"PK\x03\x04", 0)?;
    let (other, folder) = (
        other.display().to_string(),
        case.folder.path().display().to_string(),
    );
    let good = case.image.display().to_string();
    let cases: Vec<(Vec<String>, Vec<&str>)> = vec![
        (
            vec![format!("raw={other}")],
            vec!["image raw", "is not GPT", &other],
        ),
        (
            vec![format!("iso={other}")],
            vec!["image iso", "is not an ISO", &other],
        ),
        (
            vec![format!("iso={good}")],
            vec!["image iso", "is not an ISO", &good],
        ),
        (
            vec![format!("lab={other}")],
            vec!["image lab", "is not GPT"],
        ),
        (
            vec!["raw=/no/such.raw".into()],
            vec!["image raw", "cannot read /no/such.raw"],
        ),
        (
            vec![format!("raw={folder}")],
            vec!["image raw", "is not a file"],
        ),
        (vec![good.clone()], vec!["--image", "is not NAME=FILE"]),
        (
            vec![format!("raw={good}"), format!("raw={good}")],
            vec!["--image raw= is given twice"],
        ),
    ];
    for (options, words) in cases {
        let mut release = case.bare(&["--version", "1.2.0"]);
        for option in options {
            release.args(["--image", &option]);
        }
        refused(&release.output()?, &words)?;
    }
    case.untouched()
}

fn reports() -> Result<(), Failed> {
    let case = Case::new();
    let good: serde_json::Value = serde_json::from_str(&fs::read_to_string(&case.report)?)?;
    let mut cases = vec![(
        json!({ "verdict": "pass" }),
        "is not a report of `cargo xtask test --json`",
    )];
    let mut changed = |pointer: &str, value: serde_json::Value, words| {
        let mut report = good.clone();
        *report.pointer_mut(pointer).unwrap() = value;
        cases.push((report, words));
    };
    changed(
        "/commit",
        json!("0123456789abcdef"),
        "was made from 0123456789abcdef and not from",
    );
    changed("/commit", json!(null), "does not name the tested commit");
    let dirty = format!("{}-dirty", case.git(&["rev-parse", "HEAD"]));
    changed("/commit", json!(dirty), "with uncommitted changes");
    changed(
        "/scenarios/0/promises/0/verdict",
        json!("fail"),
        "does not pass, see ",
    );
    changed("/scenarios", json!([]), "leaves out");
    for (report, words) in &cases {
        case.report(report);
        let output = case.release(&["--version", "1.2.0"]).output()?;
        refused(&output, &["report.json", words])?;
    }
    fs::remove_file(&case.report)?;
    let output = case.release(&["--version", "1.2.0"]).output()?;
    refused(&output, &["cannot read", "report.json"])?;
    case.untouched()
}

/// A store that is one block longer than a file of a release may be; a hole, but for what tells its length.
fn long_update() -> Result<(), Failed> {
    let case = Case::new();
    fs::remove_file(&case.image)?;
    let parts = SmallImage {
        verity: 20,
        store: 2001,
        ..parts()
    };
    let file = parts.with_system(&case.image, vec![0; 1 << 20], "ID=nixos\n")?;
    let blocks: u32 = LIMIT as u32 / 4096 + 1;
    let superblock = parts.store().offset + 1024;
    file.write_all_at(&blocks.to_le_bytes(), superblock + 36)?;
    let hashes = verity_superblock(blocks.into());
    file.write_all_at(&hashes, parts.verity().offset)?;
    let output = case.release(&["--version", "1.2.0"]).output()?;
    let bytes = format!("{} bytes", LIMIT + 4096);
    refused(&output, &[".store", &bytes, "under 2 GiB", "configuration"])?;
    case.untouched()
}

/// An image of layout 2 from which no update can be made.
fn no_system() -> Result<(), Failed> {
    let case = Case::new();
    fs::remove_file(&case.image)?;
    parts().with_store(&case.image, vec![7; 1 << 20])?;
    let output = case.release(&["--version", "1.2.0"]).output()?;
    refused(&output, &["image raw", "hashes", "build it again"])?;
    case.untouched()
}

fn no_nix() -> Result<(), Failed> {
    let case = Case::new();
    let path = path_with(case.folder.path(), &["nix"], &[]);
    let output = case
        .bare(&["--version", "1.2.0"])
        .env("PATH", path)
        .output()?;
    refused(&output, &["no nix on the PATH", "--image NAME=FILE"])?;
    case.untouched()
}
