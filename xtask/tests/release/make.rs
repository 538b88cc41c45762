//! A release from ready images.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use stick::testing::SmallImage;

use crate::case::{BYTES, Case, VERSION, names, noise, parts};
use crate::common::{ended_with, refused, trial};

const ASSET: &str = "ollamalive-v1.2.0.raw.zst";
/// The files that let the next run resume.
const HIDDEN: [&str; 2] = [".raw.made.json", ".raw.update.json"];

pub fn trials() -> Vec<Trial> {
    vec![
        trial(
            "a_release_is_complete_and_described",
            &["git", "sha256sum"],
            whole,
        ),
        trial("plain_zstd_unpacks_an_asset", &["git", "zstd"], plain_zstd),
        trial(
            "notes_list_the_changes_since_the_last_release",
            &["git"],
            changes,
        ),
        trial("a_second_run_makes_only_missing_files", &["git"], again),
        trial(
            "update_files_are_resumed_and_replaced",
            &["git"],
            update_again,
        ),
        trial("an_image_of_layout_1_has_no_update", &["git"], layout_1),
        trial(
            "a_version_of_another_system_is_refused",
            &["git"],
            another_system,
        ),
        trial(
            "a_workflow_names_the_release_after_its_run",
            &["git"],
            workflow,
        ),
        trial(
            "an_interrupt_leaves_no_unfinished_files",
            &["git"],
            interrupt,
        ),
    ]
}

fn whole() -> Result<(), Failed> {
    let case = Case::new();
    let output = case.made()?;
    let said = String::from_utf8(output.stderr)?;
    assert!(said.contains("no list of packages (SBOM)"), "{said}");
    let [verity, store, uki] = case.update_files();
    let mut visible = [
        "RELEASE_NOTES.md",
        "SHA256SUMS",
        "manifest.json",
        ASSET,
        &verity,
        &store,
        &uki,
    ];
    visible.sort_unstable();
    assert_eq!(names(&case.out), [&HIDDEN[..], &visible[..]].concat());
    let check = Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(&case.out)
        .output()?;
    assert!(check.status.success(), "{check:?}");
    let sums = case.text("SHA256SUMS");
    for file in visible.iter().filter(|file| **file != "SHA256SUMS") {
        assert!(sums.contains(&format!("  {file}\n")), "{file} has no sum");
    }
    let manifest = case.manifest();
    assert_eq!(manifest["version"], "v1.2.0");
    assert_eq!(manifest["commit"], case.git(&["rev-parse", "HEAD"]));
    assert_eq!(manifest["layoutVersion"], 2);
    assert_eq!(manifest["nixpkgs"].as_str().map(str::len), Some(40));
    assert_eq!(manifest["images"][0]["bytes"], BYTES);
    assert_eq!(
        manifest["images"][0]["sha256"],
        digest(&fs::read(&case.image)?)
    );
    assert_eq!(
        manifest["images"][0]["assets"][0]["sha256"],
        digest(&fs::read(case.file(ASSET))?)
    );
    let update = &manifest["update"];
    assert_eq!(update["version"], VERSION);
    assert_eq!(update["layoutVersion"], 2);
    let configuration = &update["configuration"];
    assert_eq!(configuration["OLLAMALIVE_MODELS_DRIVE"], "LABEL=AI Models");
    for (at, file) in [verity, store, uki].iter().enumerate() {
        let bytes = fs::read(case.file(file))?;
        assert_eq!(update["files"][at]["file"], **file);
        assert_eq!(update["files"][at]["bytes"], bytes.len());
        assert_eq!(update["files"][at]["sha256"], digest(&bytes));
    }
    let notes = case.text("RELEASE_NOTES.md");
    let words = [
        "updates itself with the files `ollamalive_20261128051225…`",
        "Start with an &lt;image>",
        "| `ssh.root-refused` | it holds | pass |",
        ASSET,
    ];
    for words in words {
        assert!(notes.contains(words), "{words} is not in:\n{notes}");
    }
    Ok(())
}

fn digest(bytes: &[u8]) -> String {
    stick::digest::sha256_hex(bytes)
}

fn plain_zstd() -> Result<(), Failed> {
    let case = Case::new();
    case.made()?;
    let unpacked = Command::new("zstd")
        .args(["-d", "-q", "-c"])
        .arg(case.file(ASSET))
        .output()?;
    assert!(
        unpacked.status.success(),
        "{}",
        String::from_utf8_lossy(&unpacked.stderr)
    );
    assert!(unpacked.stdout == fs::read(&case.image)?);
    Ok(())
}

fn changes() -> Result<(), Failed> {
    let case = Case::new();
    for tag in ["v1.1.0", "build-8"] {
        case.git(&["tag", tag]);
        case.commit(&format!("Follow {tag}"));
    }
    case.tested();
    case.made()?;
    let notes = case.text("RELEASE_NOTES.md");
    assert!(notes.contains("## Changes since v1.1.0"), "{notes}");
    assert!(
        notes.contains("Follow v1.1.0") && notes.contains("Follow build-8"),
        "{notes}"
    );
    assert!(!notes.contains("Start with"), "{notes}");
    Ok(())
}

fn again() -> Result<(), Failed> {
    let case = Case::new();
    let said = |output: std::process::Output| String::from_utf8(output.stderr).unwrap();
    case.made()?;
    let (asset, sums) = (fs::metadata(case.file(ASSET))?, case.text("SHA256SUMS"));
    // As after an interrupt: the image is packed, the rest is missing.
    fs::remove_file(case.file("SHA256SUMS"))?;
    fs::remove_file(case.file("manifest.json"))?;
    assert!(said(case.made()?).contains("raw: finished before"));
    assert_eq!(
        fs::metadata(case.file(ASSET))?.modified()?,
        asset.modified()?
    );
    assert_eq!(case.text("SHA256SUMS"), sums);
    // A changed asset.
    crate::case::flip(&case.file(ASSET), 1000);
    assert!(said(case.made()?).contains("raw: packing"));
    assert_eq!(case.text("SHA256SUMS"), sums);
    // Another image of the same length.
    case.change_image();
    assert!(said(case.made()?).contains("raw: packing"));
    assert_ne!(case.text("SHA256SUMS"), sums);
    Ok(())
}

fn update_again() -> Result<(), Failed> {
    let case = Case::new();
    let said = |output: std::process::Output| String::from_utf8(output.stderr).unwrap();
    let [_, store, uki] = case.update_files();
    assert!(said(case.made()?).contains("update: version 20261128051225, "));
    let (before, sums) = (fs::metadata(case.file(&store))?, case.text("SHA256SUMS"));
    assert!(said(case.made()?).contains("update: finished before"));
    let now = fs::metadata(case.file(&store))?;
    assert_eq!(now.modified()?, before.modified()?);
    // A changed file is made again.
    crate::case::flip(&case.file(&uki), 100);
    assert!(said(case.made()?).contains("update: reading"));
    assert_eq!(case.text("SHA256SUMS"), sums);
    // The files of another version take the place of the old ones.
    fs::remove_file(&case.image)?;
    let newer = SmallImage {
        version: "20261129000000".into(),
        ..parts()
    };
    newer.with_system(&case.image, vec![7; 1 << 20], "ID=nixos\n")?;
    case.made()?;
    let files = names(&case.out);
    let of = |version: &str| files.iter().filter(|name| name.contains(version)).count();
    assert_eq!((of(VERSION), of("20261129000000")), (0, 3), "{files:?}");
    Ok(())
}

fn layout_1() -> Result<(), Failed> {
    let case = Case::new();
    fs::remove_file(&case.image)?;
    let older = SmallImage {
        layout: 1,
        ..parts()
    };
    older.with_store(&case.image, vec![7; 1 << 20])?;
    case.made()?;
    assert!(case.manifest().get("update").is_none());
    assert!(!names(&case.out).iter().any(|name| name.contains("_2026")));
    Ok(())
}

fn another_system() -> Result<(), Failed> {
    let case = Case::new();
    case.made()?;
    case.change_store();
    let sums = case.text("SHA256SUMS");
    let output = case.release(&["--version", "1.2.0"]).output()?;
    let folder = case.out.display().to_string();
    let words = [VERSION, "v1.2.0", &folder, "make a new commit", "remove"];
    refused(&output, &words)?;
    assert_eq!(case.text("SHA256SUMS"), sums);
    fs::remove_dir_all(&case.out)?;
    case.made()?;
    assert_ne!(case.text("SHA256SUMS"), sums);
    Ok(())
}

fn workflow() -> Result<(), Failed> {
    let case = Case::new();
    let output = case
        .release(&["--dry-run"])
        .env("GITHUB_RUN_NUMBER", "31")
        .output()?;
    let said = String::from_utf8(output.stdout)?;
    assert!(said.contains("dry run, not done: tag build-31"), "{said}");
    assert_eq!(case.manifest()["version"], "build-31");
    Ok(())
}

fn interrupt() -> Result<(), Failed> {
    let case = Case::new();
    // Enough that packing still runs when the interrupt arrives.
    noise(&case.image, BYTES, 64 << 20);
    let image = format!("raw={}", case.image.display());
    let child = case
        .bare(&["--version", "1.2.0", "--image", &image, "--level", "19"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let start = Instant::now();
    // The update is finished, the image is not.
    let unfinished = || {
        let names = match case.out.exists() {
            true => names(&case.out),
            false => Vec::new(),
        };
        let packing = names.iter().any(|name| name.ends_with(".partial"));
        packing && names.iter().any(|name| name == HIDDEN[1])
    };
    while !unfinished() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "nothing is being packed"
        );
        thread::sleep(Duration::from_millis(5));
    }
    kill(Pid::from_raw(child.id() as i32), Signal::SIGINT)?;
    ended_with(130, &child.wait_with_output()?, &["interrupted"])?;
    let mut finished = case.update_files().to_vec();
    finished.push(HIDDEN[1].into());
    finished.sort();
    assert_eq!(names(&case.out), finished);
    Ok(())
}
