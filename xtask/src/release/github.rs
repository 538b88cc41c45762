//! Publishing through gh, GitHub's own program. It knows who is signed in; this knows what a release needs.
//!
//! A release is a draft until all is there. GitHub makes its tag when it is published, so that what was cut off leaves
//! neither a tag nor anything to download, and the next run goes on with the draft.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use serde::Deserialize;

use super::NOTES;
use super::manifest::Asset;
use crate::error::usage;
use vm::process;

const PROGRAM: &str = "gh";
/// One question to GitHub.
const ASK: Duration = Duration::from_secs(60);
/// One file of 2 GiB over a slow line.
const UPLOAD: Duration = Duration::from_secs(4 * 3600);
/// Smaller files are rather sent again than compared by their length alone.
const SMALL: u64 = 1 << 20;
/// What GitHub calls a file that has arrived whole (docs.github.com, REST API, "Release assets").
const ARRIVED: &str = "uploaded";

/// gh, signed in, in the project's repository.
pub struct GitHub {
    root: PathBuf,
}

/// A release on GitHub, as `gh release view --json` prints it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Draft {
    is_draft: bool,
    /// A commit, or a branch where the release was made by hand.
    target_commitish: String,
    assets: Vec<Uploaded>,
}

#[derive(Debug, Deserialize)]
struct Uploaded {
    name: String,
    size: u64,
    state: String,
    /// `sha256:` and hex; older servers leave it out.
    digest: Option<String>,
}

/// A release on GitHub, as its REST API lists it.
#[derive(Debug, Deserialize)]
pub struct PublishedRelease {
    pub tag_name: String,
    draft: bool,
    pub assets: Vec<PublishedAsset>,
}

/// A file of a [`PublishedRelease`].
#[derive(Debug, Deserialize)]
pub struct PublishedAsset {
    pub name: String,
    /// `sha256:` and hex; older servers leave it out.
    pub digest: Option<String>,
}

impl Uploaded {
    /// Whether it is `asset`, whole.
    fn is(&self, asset: &Asset) -> bool {
        let digest = format!("sha256:{}", asset.digest.sha256);
        self.name == asset.file
            && self.size == asset.digest.bytes
            && self.state == ARRIVED
            && self
                .digest
                .as_ref()
                .map_or(asset.digest.bytes >= SMALL, |known| *known == digest)
    }
}

impl GitHub {
    /// # Errors
    /// gh is missing or not signed in, or GitHub does not answer.
    pub fn find(root: &Path) -> Result<Self> {
        which::which(PROGRAM).map_err(|_| {
            usage("there is no gh on the PATH: install it (https://cli.github.com), or leave --publish out")
        })?;
        let github = GitHub {
            root: root.to_path_buf(),
        };
        let finished = process::finish(github.command(&["auth", "status"]), "gh auth status", ASK)?;
        if !finished.status.success() {
            return Err(usage(
                "gh is not signed in to GitHub: run `gh auth login`, or set GH_TOKEN",
            ));
        }
        Ok(github)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut gh = process::command(PROGRAM);
        gh.args(arguments)
            .current_dir(&self.root)
            .env("GH_PROMPT_DISABLED", "1")
            .env("GH_NO_UPDATE_NOTIFIER", "1");
        gh
    }

    /// gh's output; None when GitHub answers that it does not exist.
    fn ask(&self, arguments: &[&str]) -> Result<Option<String>> {
        let finished = process::finish(self.command(arguments), "gh", ASK)?;
        if finished.status.success() {
            return Ok(Some(finished.stdout));
        }
        let why = finished.stderr.trim().to_string();
        // "gh: Not Found (HTTP 404)" of `gh api`, with 422 for a name that is not a commit; "release not found" of `gh release`.
        if ["HTTP 404", "HTTP 422", "release not found"]
            .iter()
            .any(|sign| why.contains(sign))
        {
            return Ok(None);
        }
        Err(usage(format!(
            "cannot query GitHub (gh {}): {why}",
            arguments.join(" ")
        )))
    }

    fn draft(&self, tag: &str) -> Result<Option<Draft>> {
        let fields = "isDraft,targetCommitish,assets";
        let answer = self.ask(&["release", "view", tag, "--json", fields])?;
        let parse = |text: String| {
            serde_json::from_str(&text).map_err(|error| {
                usage(format!(
                    "cannot read the output of gh release view: {error}: update gh"
                ))
            })
        };
        answer.map(parse).transpose()
    }

    /// Makes sure that `tag` can be published from `commit`.
    ///
    /// # Errors
    /// The tag or the release exists, a draft is of another commit, or GitHub does not have the commit.
    pub fn require_free(&self, tag: &str, commit: &str) -> Result<()> {
        let exists = |what: &str| {
            usage(format!(
                "{what} {tag} exists on GitHub: take another --version"
            ))
        };
        let of_tag = format!("repos/{{owner}}/{{repo}}/git/ref/tags/{tag}");
        if self.ask(&["api", "--silent", &of_tag])?.is_some() {
            return Err(exists("the tag"));
        }
        match self.draft(tag)? {
            Some(release) if !release.is_draft => return Err(exists("the release")),
            Some(draft) if draft.target_commitish != commit => {
                return Err(usage(format!(
                    "GitHub has a draft {tag} of {} and not of {commit}: `gh release delete {tag}` removes it",
                    draft.target_commitish
                )));
            }
            _ => {}
        }
        let of_commit = format!("repos/{{owner}}/{{repo}}/commits/{commit}");
        if self.ask(&["api", "--silent", &of_commit])?.is_none() {
            return Err(usage(format!(
                "GitHub does not have the commit {commit}: run `git push` first"
            )));
        }
        Ok(())
    }

    /// The releases that are published, newest first, as far as updates need to know them.
    ///
    /// # Errors
    /// GitHub does not answer, or answers with another form.
    pub fn published(&self) -> Result<Vec<PublishedRelease>> {
        let newest = "repos/{owner}/{repo}/releases?per_page=100";
        let Some(text) = self.ask(&["api", newest])? else {
            return Ok(Vec::new());
        };
        let mut releases: Vec<PublishedRelease> = serde_json::from_str(&text).map_err(|error| {
            usage(format!(
                "cannot read the output of gh api: {error}: update gh"
            ))
        })?;
        releases.retain(|release| !release.draft);
        Ok(releases)
    }

    /// Publishes `assets`, all in `folder`, as `tag` of `commit`. What a draft has already is not sent again.
    ///
    /// # Errors
    /// GitHub refuses, or the network is lost; the draft stays for the next run.
    pub fn publish(
        &self,
        tag: &str,
        commit: &str,
        folder: &Path,
        assets: &[Asset],
        say: &mut dyn FnMut(&str),
    ) -> Result<()> {
        let notes = folder.join(NOTES).display().to_string();
        let draft = match self.draft(tag)? {
            Some(draft) => Some(draft),
            None => {
                say(&format!("draft {tag}"));
                let create = ["release", "create", tag, "--draft", "--title", tag];
                self.change(
                    self.command(
                        &[&create[..], &["--target", commit, "--notes-file", &notes]].concat(),
                    ),
                    "making the draft",
                )?;
                None
            }
        };
        for asset in assets {
            if draft
                .iter()
                .flat_map(|draft| &draft.assets)
                .any(|there| there.is(asset))
            {
                say(&format!("{} is there", asset.file));
                continue;
            }
            say(&format!("uploading {}", asset.file));
            let path = folder.join(&asset.file).display().to_string();
            let upload = self.command(&["release", "upload", tag, &path, "--clobber"]);
            self.change(upload, &format!("uploading {}", asset.file))?;
        }
        let publish = [
            "release",
            "edit",
            tag,
            "--draft=false",
            "--notes-file",
            &notes,
        ];
        self.change(self.command(&publish), "publishing the draft")
    }

    fn change(&self, command: Command, what: &str) -> Result<()> {
        match process::run(command, what, UPLOAD) {
            Ok(_) => Ok(()),
            Err(error) => {
                process::check_interrupt()?;
                Err(usage(format!(
                    "{error:#}; nothing is published, run the same command again to go on from here"
                )))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stick::digest::FileDigest;

    #[test]
    fn only_what_has_arrived_whole_is_there() {
        let (bytes, sha256) = (3_000_000, "ab".to_string());
        let asset = Asset {
            file: "x".into(),
            digest: FileDigest { bytes, sha256 },
        };
        let there = |text: &str| serde_json::from_str::<Uploaded>(text).unwrap().is(&asset);
        assert!(there(
            r#"{"name":"x","size":3000000,"state":"uploaded","digest":"sha256:ab"}"#
        ));
        assert!(there(r#"{"name":"x","size":3000000,"state":"uploaded"}"#));
        assert!(!there(
            r#"{"name":"x","size":3000000,"state":"uploaded","digest":"sha256:ac"}"#
        ));
        assert!(!there(r#"{"name":"x","size":3000000,"state":"starter"}"#));
        assert!(!there(r#"{"name":"x","size":2,"state":"uploaded"}"#));
        assert!(!there(r#"{"name":"y","size":3000000,"state":"uploaded"}"#));
    }
}
