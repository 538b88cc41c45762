//! The releases of Ollama: the newest tag of its image, and the files that name it.

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::error::usage;

/// The list of the image's tags, the last changed first: a release is among the first.
pub const TAGS: &str =
    "https://hub.docker.com/v2/repositories/ollama/ollama/tags?page_size=100&ordering=last_updated";
/// Holds the pin.
pub const PIN: &str = "modules/ollama.nix";
/// Name the image that an owner downloads by hand.
pub const DOCS: &[&str] = &["docs/contributor.md", "docs/owner.md"];
/// The image without its version.
const IMAGE: &str = "ollama/ollama";
/// The processor of every PC that the appliance runs on.
const ARCHITECTURE: &str = "amd64";

/// A version such as 0.40.2, in an order in which newer ones are larger.
type Version = (u32, u32, u32);

/// A release, as the registry has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The tag, which is the version.
    pub version: String,
    /// Of the list of its images, one for each processor: `sha256:…`.
    pub digest: String,
}

impl Release {
    /// Where its changes are described.
    pub fn changelog(&self) -> String {
        format!(
            "https://github.com/ollama/ollama/releases/tag/v{}",
            self.version
        )
    }

    fn reference(&self) -> String {
        format!("{IMAGE}:{}@{}", self.version, self.digest)
    }
}

#[derive(Deserialize)]
struct Page {
    results: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
    /// None while a tag has no images.
    digest: Option<String>,
    #[serde(default)]
    images: Vec<Image>,
}

#[derive(Deserialize)]
struct Image {
    architecture: String,
}

/// The newest release in the registry's answer to [`TAGS`]. Candidates (`0.41.0-rc1`) and variants (`0.40.2-rocm`) are none, and
/// neither is a tag that has no image for a PC yet.
///
/// # Errors
/// The answer has another form, or no release in it.
pub fn newest(answer: &str) -> Result<Release> {
    let page: Page = serde_json::from_str(answer).map_err(|error| {
        usage(format!(
            "{TAGS} did not answer with a list of tags ({error}); try again later"
        ))
    })?;
    page.results
        .into_iter()
        .filter_map(release)
        .max_by_key(|release| version(&release.version))
        .ok_or_else(|| usage(format!("{TAGS} shows no release such as 0.40.2")))
}

fn release(tag: Tag) -> Option<Release> {
    version(&tag.name)?;
    let ours = |image: &Image| image.architecture == ARCHITECTURE;
    let digest = tag.digest.filter(|digest| is_digest(digest))?;
    tag.images.iter().any(ours).then_some(Release {
        version: tag.name,
        digest,
    })
}

/// The numbers of a release's tag; none for any other tag.
fn version(tag: &str) -> Option<Version> {
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = tag.split('.').collect();
    let [major, minor, patch] = parts[..] else {
        return None;
    };
    let number = |part: &str| digits(part).then(|| part.parse().ok()).flatten();
    Some((number(major)?, number(minor)?, number(patch)?))
}

fn is_digest(text: &str) -> bool {
    let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.strip_prefix("sha256:")
        .is_some_and(|digits| digits.len() == 64 && digits.bytes().all(hex))
}

/// The release that `module`, the text of [`PIN`], pins.
///
/// # Errors
/// It pins none by tag and digest.
pub fn pinned(module: &str) -> Result<Release> {
    let default = format!("default = \"{IMAGE}:");
    module
        .split_once(&default)
        .and_then(|(_, rest)| rest.split_once('"')?.0.split_once('@'))
        .filter(|(tag, digest)| version(tag).is_some() && is_digest(digest))
        .map(|(tag, digest)| Release {
            version: tag.to_string(),
            digest: digest.to_string(),
        })
        .with_context(|| format!("{PIN} pins no {IMAGE}:VERSION@sha256:DIGEST"))
}

/// Whether `to` replaces `from`: it is newer, or the same version was published again with other content.
pub fn replaces(to: &Release, from: &Release) -> bool {
    let (new, old) = (version(&to.version), version(&from.version));
    new > old || (new == old && to.digest != from.digest)
}

/// `text`, one of the project's files, with `to` in the place of `from`.
pub fn moved(text: &str, from: &Release, to: &Release) -> String {
    let [old, new] = [from, to].map(|release| format!("{IMAGE}:{}", release.version));
    let pinned = text.replace(&from.reference(), &to.reference());
    let mut parts = pinned.split(&old);
    let mut moved = parts.next().unwrap_or_default().to_string();
    for part in parts {
        // 0.40.2 is also the beginning of 0.40.21 and 0.40.2-rocm.
        let longer = part.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '-');
        moved += if longer { &old } else { &new };
        moved += part;
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(digit: char) -> String {
        format!("sha256:{}", digit.to_string().repeat(64))
    }

    fn release(version: &str, digit: char) -> Release {
        Release {
            version: version.to_string(),
            digest: digest(digit),
        }
    }

    fn tag(name: &str, digest: Option<&str>, architecture: &str) -> serde_json::Value {
        serde_json::json!({
            "name": name, "digest": digest, "images": [{ "architecture": architecture, "os": "linux" }], "v2": true,
        })
    }

    fn answer(tags: &[serde_json::Value]) -> String {
        serde_json::json!({ "count": tags.len(), "next": null, "results": tags }).to_string()
    }

    #[test]
    fn the_newest_release_is_found_by_version_and_not_by_date() {
        let (one, two) = (digest('1'), digest('2'));
        let tags = answer(&[
            tag("0.9.9", Some(&one), "amd64"),
            tag("latest", Some(&one), "amd64"),
            tag("0.41.0-rc1", Some(&one), "amd64"),
            tag("0.41.0-rocm", Some(&one), "amd64"),
            tag("0.40.10", Some(&two), "amd64"),
            tag("0.40.9", Some(&one), "amd64"),
            tag("v0.50.0", Some(&one), "amd64"),
            tag("0.50", Some(&one), "amd64"),
            tag("0.+1.0", Some(&one), "amd64"),
        ]);
        assert_eq!(newest(&tags).unwrap(), release("0.40.10", '2'));
    }

    #[test]
    fn a_tag_that_is_not_complete_yet_is_no_release() {
        let one = digest('1');
        let tags = [
            tag("0.43.0", None, "amd64"),
            tag("0.42.0", Some("sha256:1"), "amd64"),
            tag("0.41.0", Some(&one), "arm64"),
            tag("0.40.2", Some(&one), "amd64"),
        ];
        assert_eq!(newest(&answer(&tags)).unwrap(), release("0.40.2", '1'));
        let none = newest(&answer(&tags[..3])).unwrap_err().to_string();
        assert!(none.contains("shows no release such as"), "{none}");
    }

    #[test]
    fn another_answer_is_an_error_in_one_line() {
        for junk in ["", "<html>", r#"{"message": "too many requests"}"#] {
            let error = newest(junk).unwrap_err().to_string();
            assert!(
                error.contains("did not answer with a list of tags"),
                "{error}"
            );
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn only_a_newer_release_or_other_content_replaces_the_pin() {
        let now = release("0.40.2", '1');
        for (to, expected) in [
            (release("0.40.2", '1'), false),
            (release("0.40.1", '2'), false),
            (release("0.9.9", '2'), false),
            (release("0.40.2", '2'), true),
            (release("0.40.10", '1'), true),
            (release("1.0.0", '2'), true),
        ] {
            assert_eq!(replaces(&to, &now), expected, "{to:?}");
        }
    }

    #[test]
    fn the_pin_and_every_mention_of_its_version_move() {
        let (from, to) = (release("0.40.2", '1'), release("0.41.0", '2'));
        let module = format!(
            "example = \"ollama/ollama:0.40.1\";\ndefault = \"ollama/ollama:0.40.2@{}\";\n",
            from.digest
        );
        assert_eq!(pinned(&module).unwrap(), from);
        let after = moved(&module, &from, &to);
        assert_eq!(pinned(&after).unwrap(), to);
        assert!(after.starts_with("example = \"ollama/ollama:0.40.1\";\n"));
        assert_eq!(
            moved(
                "pull ollama/ollama:0.40.2\nollama/ollama:0.40.21 ollama/ollama:0.40.2-rocm. ollama/ollama:0.40.2",
                &from,
                &to
            ),
            "pull ollama/ollama:0.41.0\nollama/ollama:0.40.21 ollama/ollama:0.40.2-rocm. ollama/ollama:0.41.0"
        );
    }

    #[test]
    fn a_pin_of_another_form_is_refused() {
        for module in [
            "",
            "default = \"ollama/ollama:0.40.2\";",
            "default = \"ollama/ollama:latest@sha256:1\";",
        ] {
            assert!(pinned(module).is_err(), "{module}");
        }
    }

    #[test]
    fn the_changelog_is_the_releases_page() {
        assert_eq!(
            release("0.41.0", '1').changelog(),
            "https://github.com/ollama/ollama/releases/tag/v0.41.0"
        );
    }
}
