//! The only place that runs git.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::error::usage;
use vm::process;

/// Git answers at once, except for the status of a large tree on a slow disk.
const ASK: Duration = Duration::from_secs(60);
/// Suffix of a commit whose sources were changed. Nix marks its `dirtyRev` the same way.
const DIRTY: &str = "-dirty";
/// How many changed files a message names.
const NAMED: usize = 3;

/// The git repository that holds the project.
#[derive(Debug, Clone)]
pub struct Git {
    root: PathBuf,
}

/// A commit in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Abbreviated.
    pub commit: String,
    /// The first line of its message.
    pub subject: String,
}

impl Git {
    pub fn at(root: &Path) -> Self {
        Git {
            root: root.to_path_buf(),
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut git = process::command("git");
        git.args(arguments).current_dir(&self.root);
        git
    }

    fn run(&self, arguments: &[&str]) -> Result<String> {
        let what = format!("git {}", arguments.first().unwrap_or(&""));
        process::run(self.command(arguments), &what, ASK).map(|text| text.trim_end().to_string())
    }

    /// Git's output, or None when its exit status is not 0.
    fn ask(&self, arguments: &[&str]) -> Result<Option<String>> {
        let finished = process::finish(self.command(arguments), "git", ASK)?;
        let succeeded = finished.status.success();
        Ok(succeeded.then(|| finished.stdout.trim_end().to_string()))
    }

    /// The commit that is checked out, in full.
    ///
    /// # Errors
    /// No git, no repository, or no commit in it.
    pub fn commit(&self) -> Result<String> {
        self.ask(&["rev-parse", "--verify", "--quiet", "HEAD"])?
            .ok_or_else(|| {
                usage(format!(
                    "{} is not a git repository with a commit: make the release from a clone",
                    self.root.display()
                ))
            })
    }

    /// The differences from the commit, as `git status --porcelain` lists them. New files that are not ignored count.
    fn dirt(&self) -> Result<Vec<String>> {
        let status = self.run(&["status", "--porcelain"])?;
        Ok(status.lines().map(str::to_string).collect())
    }

    /// The commit that is checked out, with `-dirty` behind it when the sources differ from it. None without git.
    pub fn state(&self) -> Option<String> {
        let commit = self.commit().ok()?;
        match self.dirt() {
            Ok(dirt) if dirt.is_empty() => Some(commit),
            _ => Some(commit + DIRTY),
        }
    }

    /// `before`, with `-dirty` behind it when the sources have changed since.
    pub fn state_since(&self, before: Option<String>) -> Option<String> {
        let before = before?;
        if self.state().as_ref() == Some(&before) || is_dirty(&before) {
            Some(before)
        } else {
            Some(before + DIRTY)
        }
    }

    /// # Errors
    /// Files differ from the commit; the message names the first.
    pub fn require_clean(&self) -> Result<()> {
        let dirt = self.dirt()?;
        if dirt.is_empty() {
            return Ok(());
        }
        let mut names: Vec<&str> = dirt
            .iter()
            .take(NAMED)
            .map(|line| line[2..].trim())
            .collect();
        let more = format!("and {} more", dirt.len() - names.len());
        if dirt.len() > names.len() {
            names.push(&more);
        }
        Err(usage(format!(
            "the tree is dirty and a release is made from a commit: commit, stash or ignore {}",
            names.join(", ")
        )))
    }

    /// # Errors
    /// The clone is shallow: tags and changes are unknown.
    pub fn require_history(&self) -> Result<()> {
        if self.run(&["rev-parse", "--is-shallow-repository"])? == "true" {
            return Err(usage(
                "the clone is shallow, its tags and changes are unknown: run `git fetch --unshallow --tags` (in a workflow: fetch-depth: 0)",
            ));
        }
        Ok(())
    }

    /// # Errors
    /// `folder` is in the tree and not ignored: files in it would make the tree dirty.
    pub fn require_ignored(&self, folder: &Path) -> Result<()> {
        let top = PathBuf::from(self.run(&["rev-parse", "--show-toplevel"])?);
        if !folder.starts_with(&top) {
            return Ok(());
        }
        // The slash at the end marks a folder, which patterns for folders need.
        let name = format!("{}/", folder.display());
        if folder != top
            && self
                .ask(&["check-ignore", "--quiet", "--", &name])?
                .is_some()
        {
            return Ok(());
        }
        Err(usage(format!(
            "--out {} is in the tree and would make it dirty: take a folder elsewhere, or one that git ignores",
            folder.display()
        )))
    }

    /// The branches of the repository at `url` that match `pattern`, as `git ls-remote` lists them.
    ///
    /// # Errors
    /// It cannot be reached.
    pub fn remote_heads(&self, url: &str, pattern: &str) -> Result<String> {
        self.run(&["ls-remote", "--heads", url, pattern])
    }

    pub fn has_tag(&self, tag: &str) -> Result<bool> {
        let name = format!("refs/tags/{tag}");
        let found = self.ask(&["rev-parse", "--verify", "--quiet", &name])?;
        Ok(found.is_some())
    }

    /// The newest tag before this commit that matches `pattern`, other than `but`.
    pub fn previous_tag(&self, pattern: &str, but: &str) -> Result<Option<String>> {
        let (fits, not) = (format!("--match={pattern}"), format!("--exclude={but}"));
        self.ask(&["describe", "--tags", "--abbrev=0", &fits, &not])
    }

    /// The commits since `tag`, or all, newest first, without merges.
    pub fn changes(&self, since: Option<&str>) -> Result<Vec<Change>> {
        let range = since.map_or("HEAD".to_string(), |tag| format!("refs/tags/{tag}..HEAD"));
        let log = self.run(&["log", "--no-merges", "--format=%h%x09%s", &range, "--"])?;
        let change = |line: &str| {
            let (commit, subject) = line.split_once('\t')?;
            Some(Change {
                commit: commit.to_string(),
                subject: subject.to_string(),
            })
        };
        Ok(log.lines().filter_map(change).collect())
    }
}

/// Whether a [`Git::state`] is marked.
pub fn is_dirty(state: &str) -> bool {
    state.ends_with(DIRTY)
}
