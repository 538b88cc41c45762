//! Verifying a download.

use std::fs::{self, File};
use std::path::Path;
use std::process::Output;

use libtest_mimic::{Failed, Trial};
use serde_json::json;

use crate::case::{Case, flip};
use crate::common::{refused, trial, xtask};

const ASSET: &str = "ollamalive-v1.2.0.raw.zst";
const IMAGE: &str = "ollamalive-v1.2.0.raw";

pub fn trials() -> Vec<Trial> {
    vec![
        trial("a_complete_release_is_ok", &["git"], whole),
        trial("one_file_can_be_verified", &["git"], one_file),
        trial("a_damaged_asset_is_reported", &["git"], damaged),
        trial("a_truncated_asset_is_reported", &["git"], cut_off),
        trial("an_asset_of_another_image_is_reported", &["git"], forged),
        trial("a_missing_file_is_reported", &["git"], missing),
        trial(
            "an_update_file_without_a_sum_is_reported",
            &["git"],
            missing_update,
        ),
        trial("an_uncheckable_file_is_refused", &["git"], uncheckable),
        trial("joined_parts_are_checked", &["git"], joined),
    ]
}

pub fn verify(path: &Path) -> std::io::Result<Output> {
    verify_with(path, &[])
}

pub fn verify_with(path: &Path, more: &[&str]) -> std::io::Result<Output> {
    let path = path.display().to_string();
    let mut command = xtask(Path::new("/nonexistent"), &["verify", &path]);
    command.args(more).output()
}

fn made() -> Result<Case, Failed> {
    let case = Case::new();
    case.made()?;
    Ok(case)
}

pub fn holds(output: &Output) -> Result<String, Failed> {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() || !(said.contains("files are OK") || said.contains("1 file is OK"))
    {
        return Err(format!("{output:?}").into());
    }
    Ok(said)
}

/// Fails unless it is exit 1 with exactly `count` failures, and `words` are in their lines.
pub fn breaks(output: &Output, count: usize, words: &[&str]) -> Result<(), Failed> {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let failed: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("FAILED"))
        .collect();
    if output.status.code() != Some(1) || failed.len() != count {
        return Err(format!("not {count} failures: {output:?}").into());
    }
    match words
        .iter()
        .find(|word| !failed.iter().any(|line| line.contains(*word)))
    {
        Some(word) => Err(format!("{word:?} is not in {failed:?}").into()),
        None => Ok(()),
    }
}

fn whole() -> Result<(), Failed> {
    let case = made()?;
    let said = holds(&verify(&case.out)?)?;
    for name in [ASSET, IMAGE, "manifest.json", "RELEASE_NOTES.md"] {
        assert!(said.contains(&format!("ok      {name}\n")), "{said}");
    }
    assert!(
        said.contains("not signed: there is no SHA256SUMS.gpg\n"),
        "{said}"
    );
    fs::write(case.file("unknown.txt"), "")?;
    assert!(holds(&verify(&case.out)?)?.contains("not part of the release: unknown.txt"));
    Ok(())
}

fn one_file() -> Result<(), Failed> {
    let case = made()?;
    holds(&verify(&case.file(ASSET))?)?;
    fs::copy(&case.image, case.file(IMAGE))?;
    holds(&verify(&case.file(IMAGE))?)?;
    flip(&case.file(IMAGE), 9 << 20);
    breaks(
        &verify(&case.file(IMAGE))?,
        1,
        &[IMAGE, "has digest", "manifest.json says"],
    )?;
    // Without the manifest the asset can be checked, and nothing else can.
    fs::remove_file(case.file("manifest.json"))?;
    holds(&verify(&case.file(ASSET))?)?;
    refused(
        &verify(&case.file(IMAGE))?,
        &[IMAGE, "is not in", "SHA256SUMS"],
    )
}

fn damaged() -> Result<(), Failed> {
    let case = made()?;
    flip(&case.file(ASSET), 500_000);
    for path in [case.out.clone(), case.file(ASSET)] {
        let words = ["SHA256SUMS says", "cannot be decompressed"];
        breaks(&verify(&path)?, 2, &words)?;
    }
    Ok(())
}

fn cut_off() -> Result<(), Failed> {
    let case = made()?;
    let asset = File::options().write(true).open(case.file(ASSET))?;
    asset.set_len(asset.metadata()?.len() - 100)?;
    breaks(
        &verify(&case.out)?,
        2,
        &["SHA256SUMS says", "cannot be decompressed"],
    )
}

/// The asset matches the sums but not the manifest.
fn forged() -> Result<(), Failed> {
    let case = made()?;
    let bytes = zstd::encode_all(&b"another image"[..], 1)?;
    let old = stick::digest::sha256_hex(&fs::read(case.file(ASSET))?);
    fs::write(case.file(ASSET), &bytes)?;
    let sums = case
        .text("SHA256SUMS")
        .replace(&old, &stick::digest::sha256_hex(&bytes));
    fs::write(case.file("SHA256SUMS"), sums)?;
    let words = [
        "13 bytes long",
        "manifest.json and SHA256SUMS give different digests",
    ];
    breaks(&verify(&case.out)?, 2, &words)
}

fn missing() -> Result<(), Failed> {
    let case = made()?;
    fs::remove_file(case.file(ASSET))?;
    breaks(&verify(&case.out)?, 1, &[ASSET, "is missing"])?;
    for file in &case.update_files() {
        fs::remove_file(case.file(file))?;
    }
    let files = case.update_files();
    breaks(
        &verify(&case.out)?,
        4,
        &files.each_ref().map(|file| &file[..]),
    )
}

/// An update file that is missing from the sums too.
fn missing_update() -> Result<(), Failed> {
    let case = made()?;
    let [_, store, _] = &case.update_files();
    fs::remove_file(case.file(store))?;
    let sums = case.text("SHA256SUMS");
    let rest: Vec<&str> = sums.lines().filter(|line| !line.contains(store)).collect();
    fs::write(case.file("SHA256SUMS"), rest.join("\n") + "\n")?;
    let words = [store, "is in manifest.json and not in SHA256SUMS"];
    breaks(&verify(&case.out)?, 1, &words)?;
    let mut manifest = case.manifest();
    manifest["update"]["files"][1]["file"] = json!("../x.store");
    fs::write(case.file("manifest.json"), manifest.to_string())?;
    refused(
        &verify(&case.out)?,
        &["has an update of another form", "../x.store"],
    )
}

/// Puts the asset's two halves in its place, as in a release of a longer image, and returns their names.
fn split(case: &Case) -> Result<[String; 2], Failed> {
    let bytes = fs::read(case.file(ASSET))?;
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let names = [1, 2].map(|number| format!("{ASSET}.part{number}"));
    let mut manifest = case.manifest();
    let (mut assets, mut sums) = (Vec::new(), String::new());
    let of_update = |line: &&str| line.contains("  ollamalive_");
    for line in case.text("SHA256SUMS").lines().filter(of_update) {
        sums.push_str(&format!("{line}\n"));
    }
    for (name, half) in names.iter().zip([first, second]) {
        fs::write(case.file(name), half)?;
        let sha256 = stick::digest::sha256_hex(half);
        sums.push_str(&format!("{sha256}  {name}\n"));
        assets.push(json!({ "file": name, "bytes": half.len(), "sha256": sha256 }));
    }
    manifest["images"][0]["assets"] = assets.into();
    let manifest = manifest.to_string();
    let sha256 = stick::digest::sha256_hex(manifest.as_bytes());
    sums.push_str(&format!("{sha256}  manifest.json\n"));
    fs::write(case.file("manifest.json"), manifest)?;
    fs::write(case.file("SHA256SUMS"), sums)?;
    Ok(names)
}

fn joined() -> Result<(), Failed> {
    let case = made()?;
    let parts = split(&case)?;
    // The asset, which was left, is what the parts make.
    let said = holds(&verify(&case.out)?)?;
    for name in [ASSET, IMAGE, &parts[0], &parts[1]] {
        assert!(said.contains(&format!("ok      {name}\n")), "{said}");
    }
    holds(&verify(&case.file(ASSET))?)?;
    let manifest = case.text("manifest.json");
    fs::remove_file(case.file("manifest.json"))?;
    refused(
        &verify(&case.file(ASSET))?,
        &[
            "cannot be checked, because SHA256SUMS lists its parts",
            "give a part",
        ],
    )?;
    fs::write(case.file("manifest.json"), manifest)?;
    for part in &parts {
        fs::remove_file(case.file(part))?;
    }
    let said = holds(&verify(&case.out)?)?;
    assert!(!said.contains("part1"), "{said}");
    flip(&case.file(ASSET), 500_000);
    for path in [case.out.clone(), case.file(ASSET)] {
        breaks(&verify(&path)?, 1, &[ASSET, "cannot be decompressed"])?;
    }
    fs::remove_file(case.file(ASSET))?;
    breaks(
        &verify(&case.out)?,
        2,
        &["part1: is missing", "part2: is missing"],
    )
}

fn uncheckable() -> Result<(), Failed> {
    let case = made()?;
    let nowhere = case.folder.path().join("nowhere");
    refused(&verify(&nowhere)?, &["no file or folder", "nowhere"])?;
    refused(&verify(&case.image)?, &["there is no", "SHA256SUMS"])?;
    refused(
        &verify(&case.file("SHA256SUMS"))?,
        &["is the list of checksums", "give its folder"],
    )?;
    fs::write(case.file("other.zst"), "")?;
    refused(
        &verify(&case.file("other.zst"))?,
        &["other.zst is not in", "SHA256SUMS"],
    )?;
    let sums = case.text("SHA256SUMS");
    for (text, words) in [
        ("<html>Not found</html>\n", "line 1 is not a digest"),
        ("", "is empty"),
        (
            &sums.replace("  ", "  ../"),
            "does not name a file of this folder",
        ),
    ] {
        fs::write(case.file("SHA256SUMS"), text)?;
        refused(&verify(&case.out)?, &["SHA256SUMS", words])?;
    }
    fs::write(case.file("SHA256SUMS"), &sums)?;
    fs::write(case.file("manifest.json"), "{}")?;
    refused(
        &verify(&case.out)?,
        &["manifest.json", "is not the manifest of a release"],
    )?;
    fs::remove_file(case.file("SHA256SUMS"))?;
    refused(
        &verify(&case.out)?,
        &["there is no", "SHA256SUMS", "belongs beside its files"],
    )
}
