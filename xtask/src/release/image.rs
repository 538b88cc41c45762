//! The images of a release.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use stick::gpt;

use crate::error::usage;

/// The word at the start of an ISO 9660 volume descriptor, and where the first one is (ECMA-119, 8.1 and 6.2.1).
const ISO_WORD: &[u8; 5] = b"CD001";
const ISO_OFFSET: u64 = 16 * 2048 + 1;

/// The medium that an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageKind {
    /// A stick: a disk with a GPT.
    Disk,
    /// A DVD, or the drive of a virtual machine.
    Iso,
}

/// An image that was checked.
#[derive(Debug, Clone)]
pub struct ReleaseImage {
    /// Its short name: `raw`, `iso`.
    pub name: String,
    /// Without symbolic links.
    pub path: PathBuf,
    pub kind: ImageKind,
}

/// `NAME=FILE` of the command line.
///
/// # Errors
/// It has another form; the name holds more than lower-case letters, digits and dashes.
pub fn parse(option: &str) -> Result<(String, PathBuf)> {
    let fits = |name: &str| {
        !name.starts_with('-')
            && !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    match option.split_once('=') {
        Some((name, path)) if fits(name) && !path.is_empty() => Ok((name.into(), path.into())),
        _ => Err(usage(format!(
            "--image {option:?} is not NAME=FILE, such as raw=result/ollamalive.raw; the name has lower-case letters, digits and dashes"
        ))),
    }
}

/// The images named on the command line, each checked.
///
/// # Errors
/// As [`parse`] and [`inspect`]; two have the same name.
pub fn all(options: &[String]) -> Result<Vec<ReleaseImage>> {
    let mut images: Vec<ReleaseImage> = Vec::new();
    for option in options {
        let (name, path) = parse(option)?;
        if images.iter().any(|image| image.name == name) {
            return Err(usage(format!("--image {name}= is given twice")));
        }
        images.push(inspect(&name, &path)?);
    }
    Ok(images)
}

/// Checks the image at `path`: `raw` has to be a disk, `iso` an ISO, any other name either.
///
/// # Errors
/// It cannot be read, or has the wrong format.
pub fn inspect(name: &str, path: &Path) -> Result<ReleaseImage> {
    let shown = path.display();
    let unreadable = |error| usage(format!("image {name}: cannot read {shown}: {error}"));
    let real = fs::canonicalize(path).map_err(unreadable)?;
    if !fs::metadata(&real).map_err(unreadable)?.is_file() {
        return Err(usage(format!("image {name}: {shown} is not a file")));
    }
    let iso = is_iso(&File::open(&real).map_err(unreadable)?);
    // An ISO that also boots from a stick has both; its name decides.
    let kind = if iso && name != "raw" {
        ImageKind::Iso
    } else if name == "iso" {
        return Err(usage(format!(
            "image iso: {shown} is not an ISO: byte {ISO_OFFSET} is not the start of the word CD001"
        )));
    } else {
        gpt::partitions(&real).map_err(|error| {
            usage(format!(
                "image {name}: {shown} is not GPT ({}): give the uncompressed image that `nix build .#raw` makes",
                error.root_cause()
            ))
        })?;
        ImageKind::Disk
    };
    Ok(ReleaseImage {
        name: name.to_string(),
        path: real,
        kind,
    })
}

fn is_iso(file: &File) -> bool {
    let mut word = [0; ISO_WORD.len()];
    file.read_exact_at(&mut word, ISO_OFFSET).is_ok() && word == *ISO_WORD
}

/// The ISO in a build's output: the file itself, or the one in the folder `iso` of it.
///
/// # Errors
/// The output contains no .iso file.
pub fn iso_in(output: &Path) -> Result<PathBuf> {
    if output.is_file() {
        return Ok(output.to_path_buf());
    }
    let mut found: Vec<PathBuf> = [output.join("iso"), output.to_path_buf()]
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "iso"))
        .collect();
    found.sort();
    found
        .pop()
        .ok_or_else(|| usage(format!("{} contains no .iso image", output.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_options_are_parsed() {
        assert_eq!(parse("raw=/a=b").unwrap(), ("raw".into(), "/a=b".into()));
        for option in ["", "raw", "raw=", "=x", "Raw=x", "a/b=x", "-x=y"] {
            assert!(parse(option).is_err(), "{option}");
        }
    }

    #[test]
    fn an_iso_is_recognised_by_its_descriptor() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.iso");
        let file = File::create(&path).unwrap();
        file.set_len(1 << 20).unwrap();
        for name in ["iso", "raw", "other"] {
            let error = inspect(name, &path).unwrap_err().to_string();
            assert!(
                error.contains("is not an ISO") || error.contains("is not GPT"),
                "{error}"
            );
        }
        file.write_all_at(ISO_WORD, ISO_OFFSET).unwrap();
        assert_eq!(inspect("iso", &path).unwrap().kind, ImageKind::Iso);
        assert_eq!(inspect("other", &path).unwrap().kind, ImageKind::Iso);
        assert!(inspect("raw", &path).is_err());
    }
}
