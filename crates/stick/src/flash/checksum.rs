//! The checksums that lie beside an image.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Error, Result};

/// What a file beside the image says of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Expected {
    pub said_by: PathBuf,
    /// SHA-256, in lower-case hex.
    pub digest: String,
}

/// What `SHA256SUMS` and `IMAGE.sha256` beside the image say of it. Empty when neither is there or names it.
///
/// # Errors
/// One of them cannot be read, or holds no SHA-256 where it should.
pub fn beside(image: &Path) -> Result<Vec<Expected>> {
    let name = image.file_name().unwrap_or_default().to_string_lossy();
    let own = image.with_file_name(format!("{name}.sha256"));
    let shared = image.with_file_name("SHA256SUMS");
    let mut expected = Vec::new();
    for (file, is_own) in [(shared, false), (own, true)] {
        let text = match fs::read(&file) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                return Err(Error::msg(format!(
                    "cannot read {}: {error}",
                    file.display()
                )));
            }
        };
        let found = digest_of(&text, &name, is_own).map_err(|line| {
            Error::msg(format!(
                "{}: {line:?} is no SHA-256 of {name}: download it again, or take it away to flash without a check",
                file.display()
            ))
        })?;
        expected.extend(found.map(|digest| Expected {
            said_by: file,
            digest,
        }));
    }
    Ok(expected)
}

/// The digest of `name` in the output of sha256sum; with `alone` a digest without a name will do, and one has to be there.
fn digest_of(text: &str, name: &str, alone: bool) -> Result<Option<String>, String> {
    for line in text.lines() {
        let (digest, rest) = line.split_once(' ').unwrap_or((line, ""));
        // Two spaces, or a space and a star for "binary"; the folder that it was made in does not matter.
        let named = rest.trim_start_matches([' ', '*']).trim_end();
        let named = named.rsplit('/').next().unwrap_or_default();
        if named == name || (alone && named.is_empty() && !digest.is_empty()) {
            let sound = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
            return match sound {
                true => Ok(Some(digest.to_ascii_lowercase())),
                false => Err(line.to_string()),
            };
        }
    }
    match alone {
        true => Err(text.lines().next().unwrap_or_default().to_string()),
        false => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn what_is_no_digest_is_named() {
        assert_eq!(
            digest_of("123  image\n", "image", false),
            Err("123  image".into())
        );
        assert_eq!(digest_of("", "image", true), Err(String::new()));
        let other = format!("{}  other\n", "a".repeat(64));
        assert!(digest_of(&other, "image", true).is_err());
    }
}
