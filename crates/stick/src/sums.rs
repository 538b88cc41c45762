//! `SHA256SUMS`, as sha256sum(1) writes and checks it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Error, Result};

use crate::manifest::{self, MANIFEST};
use crate::split::{self, Asset};

/// The name of the file.
pub const SUMS: &str = "SHA256SUMS";

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SumLine {
    pub file: String,
    /// In lower-case hex.
    pub sha256: String,
}

/// The file's text.
pub fn render(assets: &[Asset]) -> String {
    let line = |asset: &Asset| format!("{}  {}\n", asset.digest.sha256, asset.file);
    assets.iter().map(line).collect()
}

/// The lines of `SHA256SUMS` in `folder`.
///
/// # Errors
/// There is no such file, it is empty, a line has another form, or a name leads out of the folder.
pub fn read(folder: &Path) -> Result<Vec<SumLine>> {
    let path = folder.join(SUMS);
    let text = fs::read_to_string(&path).map_err(|error| {
        let path = path.display();
        Error::msg(match error.kind() {
            ErrorKind::NotFound => {
                format!("there is no {path}: the release's {SUMS} belongs beside its files")
            }
            _ => format!("cannot read {path}: {error}"),
        })
    })?;
    let sums = parse(&text).map_err(|why| Error::msg(format!("{}: {why}", path.display())))?;
    if sums.is_empty() {
        return Err(Error::msg(format!(
            "{} is empty: download it again",
            path.display()
        )));
    }
    Ok(sums)
}

/// Every line of `text`.
///
/// # Errors
/// A line has another form; the message names it.
pub fn parse(text: &str) -> Result<Vec<SumLine>, String> {
    (1..)
        .zip(text.lines())
        .map(|(number, line)| {
            let wrong = |why: &str| format!("line {number} {why}: download it again");
            let (sha256, file) =
                split(line).ok_or_else(|| wrong("is not a digest and a file name"))?;
            let sha256 =
                digest(sha256).ok_or_else(|| wrong("does not start with a SHA-256 in hex"))?;
            if file.is_empty() || file.contains(['/', '\\']) || file == ".." {
                return Err(wrong("does not name a file of this folder"));
            }
            let file = file.to_string();
            Ok(SumLine { file, sha256 })
        })
        .collect()
}

/// Digest and name. Two spaces are between them, or a space and a star: text or binary, which is the same today.
fn split(line: &str) -> Option<(&str, &str)> {
    let (digest, rest) = line.split_once(' ')?;
    Some((digest, rest.strip_prefix([' ', '*'])?))
}

/// A SHA-256 in hex, in lower case.
pub(crate) fn digest(text: &str) -> Option<String> {
    let sound = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    sound.then(|| text.to_ascii_lowercase())
}

/// What a digest is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestOf {
    /// The file, packed or not.
    File,
    /// The image, unpacked.
    Image,
}

/// The digest that a file beside an image gives for it.
#[derive(Debug, PartialEq, Eq)]
pub struct ExpectedDigest {
    pub of: DigestOf,
    /// `SHA256SUMS`, the image's own `.sha256` file, or `manifest.json`.
    pub source: PathBuf,
    /// In lower-case hex.
    pub sha256: String,
}

/// The digests that `SHA256SUMS`, `IMAGE.sha256` and `manifest.json` beside the image give for it. Empty when none names it.
///
/// # Errors
/// One of them cannot be read, or has no SHA-256 where the image's should be.
pub fn beside(image: &Path) -> Result<Vec<ExpectedDigest>> {
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    let own = image.with_file_name(format!("{name}.sha256"));
    let shared = image.with_file_name(SUMS);
    let mut expected = Vec::new();
    for (source, is_own) in [(shared, false), (own, true)] {
        let text = match fs::read(&source) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                return Err(Error::msg(format!(
                    "cannot read {}: {error}",
                    source.display()
                )));
            }
        };
        let found = digest_of(&text, &name, is_own).map_err(|line| {
            Error::msg(format!(
                "{}: {line:?} is not a SHA-256 of {name}: download it again, or remove it to flash without a check",
                source.display()
            ))
        })?;
        expected.extend(found.map(|sha256| ExpectedDigest {
            of: DigestOf::File,
            source,
            sha256,
        }));
    }
    expected.extend(manifest::digest_beside(image).map(|sha256| ExpectedDigest {
        of: DigestOf::Image,
        source: image.with_file_name(MANIFEST),
        sha256,
    }));
    Ok(expected)
}

/// Whether `SHA256SUMS` beside the image lists parts of it: then the image is what they make when they are joined.
pub fn lists_parts_of(image: &Path) -> bool {
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    let text = fs::read_to_string(image.with_file_name(SUMS)).unwrap_or_default();
    matches!(digest_of(&text, &split::part(&name, 1), false), Ok(Some(_)))
}

/// The digest of `name`; with `own` a digest without a name will do, and one has to be there. A folder before the
/// name does not matter.
fn digest_of(text: &str, name: &str, own: bool) -> Result<Option<String>, String> {
    for line in text.lines().map(str::trim_end) {
        let (sha256, file) = split(line).unwrap_or_else(|| {
            let (sha256, file) = line.split_once(' ').unwrap_or((line, ""));
            (sha256, file.trim_start())
        });
        let file = file.rsplit(['/', '\\']).next().unwrap_or_default();
        if file == name || (own && file.is_empty() && !sha256.is_empty()) {
            return digest(sha256).map(Some).ok_or_else(|| line.to_string());
        }
    }
    match own {
        true => Err(text.lines().next().unwrap_or_default().to_string()),
        false => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_binary_lines_are_read_and_other_lines_are_refused() {
        let digest = "0123456789abcdef".repeat(4);
        let text = format!("{digest}  a b\n{} *c\n", digest.to_uppercase());
        let sums = parse(&text).unwrap();
        assert_eq!(sums[0].file, "a b");
        assert_eq!((&sums[1].file[..], &sums[1].sha256), ("c", &digest));
        for (line, why) in [
            ("<html>".to_string(), "line 1 is not a digest"),
            (format!("{}  a", &digest[1..]), "does not start with"),
            (format!("{digest}  ../a"), "does not name a file"),
            (format!("{digest}  .."), "does not name a file"),
        ] {
            let error = parse(&line).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn the_line_that_names_the_image_counts() {
        let (a, b) = ("A".repeat(64), "b".repeat(64));
        let text = format!("{a}  other.zst\n{b} *out/image.zst\n");
        assert_eq!(digest_of(&text, "image.zst", false), Ok(Some(b.clone())));
        assert_eq!(digest_of(&text, "image", false), Ok(None));
        assert_eq!(
            digest_of(&format!("{a}\n"), "image", true),
            Ok(Some(a.to_ascii_lowercase()))
        );
    }

    #[test]
    fn a_line_without_a_digest_is_quoted() {
        assert_eq!(
            digest_of("123  image\n", "image", false),
            Err("123  image".into())
        );
        assert_eq!(digest_of("", "image", true), Err(String::new()));
        let other = format!("{}  other\n", "a".repeat(64));
        assert!(digest_of(&other, "image", true).is_err());
    }
}
