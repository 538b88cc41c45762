//! `SHA256SUMS`, as sha256sum(1) writes and checks it.

use std::path::Path;

use anyhow::Result;

use super::SUMS;
use super::manifest::Asset;
use crate::error::usage;

/// A line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    pub file: String,
    /// In hex, lower case.
    pub sha256: String,
}

/// The file's text.
pub fn render(assets: &[Asset]) -> String {
    let line = |asset: &Asset| format!("{}  {}\n", asset.digest.sha256, asset.file);
    assets.iter().map(line).collect()
}

/// The sums in `folder`.
///
/// # Errors
/// There are none; a line is of another form; or a name leads out of the folder.
pub fn read(folder: &Path) -> Result<Vec<Sum>> {
    let path = folder.join(SUMS);
    let text = std::fs::read_to_string(&path).map_err(|error| {
        usage(format!(
            "cannot read {}: {error}; the release's {SUMS} belongs beside its files",
            path.display()
        ))
    })?;
    let sums = parse(&text).map_err(|why| usage(format!("{}: {why}", path.display())))?;
    if sums.is_empty() {
        return Err(usage(format!("{} is empty", path.display())));
    }
    Ok(sums)
}

fn parse(text: &str) -> Result<Vec<Sum>, String> {
    let mut sums = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let ill = |why: &str| format!("line {} {why}", index + 1);
        // Two spaces, or a space and a star: text or binary, which is the same today.
        let (sha256, file) = line
            .split_once("  ")
            .or_else(|| line.split_once(" *"))
            .ok_or_else(|| ill("is not a digest and a name"))?;
        if sha256.len() != 64 || !sha256.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(ill("does not start with a SHA-256 in hex"));
        }
        if file.is_empty() || file.contains('/') || file == ".." {
            return Err(ill("names no file of this folder"));
        }
        sums.push(Sum {
            file: file.to_string(),
            sha256: sha256.to_ascii_lowercase(),
        });
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_nothing_else_is() {
        let digest = "0123456789abcdef".repeat(4);
        let text = format!("{digest}  a b\n{} *c\n", digest.to_uppercase());
        let sums = parse(&text).unwrap();
        assert_eq!(sums[0].file, "a b");
        assert_eq!((&sums[1].file[..], &sums[1].sha256), ("c", &digest));
        for (line, why) in [
            ("<html>".to_string(), "line 1 is not a digest"),
            (format!("{}  a", &digest[1..]), "does not start with"),
            (format!("{digest}  ../a"), "names no file"),
            (format!("{digest}  .."), "names no file"),
        ] {
            let error = parse(&line).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
