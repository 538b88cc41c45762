//! A release from ready images.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::case::{BYTES, Case, names, noise};
use crate::common::{ended_with, trial};

const ASSET: &str = "ollamalive-v1.2.0.raw.zst";
/// The file that lets the next run resume.
const HIDDEN: &str = ".raw.made.json";

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
    let visible = ["RELEASE_NOTES.md", "SHA256SUMS", "manifest.json", ASSET];
    assert_eq!(names(&case.out), [&[HIDDEN], &visible[..]].concat());
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
    let notes = case.text("RELEASE_NOTES.md");
    let words = [
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
    let unfinished = || {
        case.out.exists()
            && names(&case.out)
                .iter()
                .any(|name| name.ends_with(".partial"))
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
    assert_eq!(names(&case.out), [""; 0]);
    Ok(())
}
