//! Publishing, with a gh that keeps its releases in a folder.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use libtest_mimic::{Failed, Trial};
use serde_json::json;

use crate::case::{Case, VERSION, names};
use crate::common::{path_with, refused, trial};
use crate::keys::Keys;

const SIGNED: &[&str] = &["git", "sha256sum", "gpg", "gpg-agent", "gpgconf"];

/// `STATE` is the folder; other files in it choose what goes wrong.
const GH: &str = r#"
state=STATE
none() { echo "gh: Not Found (HTTP 404)" >&2; exit 1; }
echo "$@" >> $state/log
case "$1 $2" in
  "api repos/{owner}/{repo}/releases?per_page=100") cat $state/releases ;;
  "auth status") test ! -e $state/signed-out ;;
  "api --silent")
    case $3 in
      */git/ref/tags/*) test -e $state/published || none ;;
      */commits/*) test ! -e $state/not-pushed || none ;;
    esac ;;
  "release view")
    test -e $state/draft -o -e $state/published || { echo "release not found" >&2; exit 1; }
    printf '{"isDraft":true,"targetCommitish":"%s","assets":[' "$(cat $state/draft)"
    comma=
    for file in $state/assets/*; do
      test -e "$file" || continue
      set -- $(sha256sum "$file") $(stat -c %s "$file")
      printf '%s{"name":"%s","size":%s,"state":"uploaded","digest":"sha256:%s"}' "$comma" "${file##*/}" "$3" "$1"
      comma=,
    done
    echo ']}' ;;
  "release create") echo "$8" > $state/draft; mkdir -p $state/assets ;;
  "release upload")
    case $4 in
      *manifest.json) test ! -e $state/cut || { echo "Post https://uploads.github.com: connection reset by peer" >&2; exit 1; } ;;
    esac
    cp "$4" $state/assets/ ;;
  "release edit") mv $state/draft $state/published ;;
  *) echo "what is $*?" >&2; exit 1 ;;
esac
"#;

pub fn trials() -> Vec<Trial> {
    vec![
        trial("without_gh_publishing_is_refused", &["git"], no_gh),
        trial(
            "without_a_login_publishing_is_refused",
            &["git"],
            signed_out,
        ),
        trial("an_unpushed_commit_is_refused", &["git"], not_pushed),
        trial("a_release_is_published_once", &["git", "sha256sum"], once),
        trial(
            "an_interrupted_upload_is_resumed",
            &["git", "sha256sum"],
            resumed,
        ),
        trial("a_signature_is_published", SIGNED, signed),
        trial(
            "a_version_of_another_published_system_is_refused",
            &["git", "sha256sum"],
            another_system,
        ),
        trial("a_dry_run_publishes_nothing", &["git"], dry_run),
        trial(
            "a_draft_of_another_commit_is_refused",
            &["git"],
            foreign_draft,
        ),
    ]
}

struct GitHub {
    case: Case,
    state: PathBuf,
    path: String,
}

impl GitHub {
    fn new() -> Self {
        let case = Case::new();
        let state = case.folder.path().join("github");
        fs::create_dir_all(&state).unwrap();
        fs::write(state.join("releases"), "[]").unwrap();
        let script = GH.replace("STATE", &state.display().to_string());
        let path = path_with(case.folder.path(), &[], &[("gh", &script)]);
        GitHub { case, state, path }
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = self.case.release(&["--version", "1.2.0", "--publish"]);
        command.args(more).env("PATH", &self.path);
        command
    }

    fn publish(&self) -> std::io::Result<Output> {
        self.command(&[]).output()
    }

    fn set(&self, name: &str) {
        fs::write(self.state.join(name), "").unwrap();
    }

    fn has(&self, name: &str) -> bool {
        self.state.join(name).exists()
    }

    /// How often gh was called with these words.
    fn calls(&self, words: &str) -> usize {
        let log = fs::read_to_string(self.state.join("log")).unwrap();
        log.lines().filter(|line| line.contains(words)).count()
    }
}

fn no_gh() -> Result<(), Failed> {
    let case = Case::new();
    let path = path_with(case.folder.path(), &["gh"], &[]);
    let output = case
        .release(&["--version", "1.2.0", "--publish"])
        .env("PATH", path)
        .output()?;
    refused(
        &output,
        &["no gh on the PATH", "https://cli.github.com", "--publish"],
    )?;
    case.untouched()
}

fn signed_out() -> Result<(), Failed> {
    let github = GitHub::new();
    github.set("signed-out");
    refused(
        &github.publish()?,
        &["not signed in", "gh auth login", "GH_TOKEN"],
    )?;
    github.case.untouched()
}

fn not_pushed() -> Result<(), Failed> {
    let github = GitHub::new();
    github.set("not-pushed");
    refused(
        &github.publish()?,
        &["does not have the commit", "git push"],
    )?;
    github.case.untouched()
}

fn once() -> Result<(), Failed> {
    let github = GitHub::new();
    let output = github.publish()?;
    assert!(output.status.success(), "{output:?}");
    let visible: Vec<_> = names(&github.case.out)
        .into_iter()
        .filter(|name| !name.starts_with('.'))
        .collect();
    assert_eq!(names(&github.state.join("assets")), visible);
    assert!(github.has("published") && !github.has("draft"));
    refused(&github.publish()?, &["the tag v1.2.0 exists on GitHub"])
}

fn resumed() -> Result<(), Failed> {
    let github = GitHub::new();
    github.set("cut");
    let output = github.publish()?;
    refused(
        &output,
        &[
            "uploading manifest.json",
            "connection reset",
            "nothing is published",
            "run the same command again",
        ],
    )?;
    assert!(github.has("draft") && !github.has("published"));
    // The folder can be verified: only publishing was interrupted.
    assert!(github.case.file("SHA256SUMS").exists());
    fs::remove_file(github.state.join("cut"))?;
    let output = github.publish()?;
    assert!(output.status.success(), "{output:?}");
    assert!(github.has("published"));
    assert_eq!(github.calls("release create"), 1);
    assert_eq!(
        github.calls("release upload v1.2.0"),
        4 + 2 + 2,
        "the image and the update are not sent again"
    );
    Ok(())
}

/// As build.yml does it: the step that publishes has no key.
fn signed() -> Result<(), Failed> {
    let github = GitHub::new();
    let keys = Keys::new();
    keys.make("release");
    let secret = keys.secret("release").display().to_string();
    let case = &github.case;
    let output = case
        .release(&["--version", "1.2.0", "--sign", &secret])
        .output()?;
    assert!(output.status.success(), "{output:?}");
    let signature = fs::read(case.file("SHA256SUMS.gpg"))?;
    let output = github.publish()?;
    assert!(output.status.success(), "{output:?}");
    let published = github.state.join("assets/SHA256SUMS.gpg");
    assert_eq!(fs::read(published)?, signature);
    Ok(())
}

fn another_system() -> Result<(), Failed> {
    let github = GitHub::new();
    let [_, store, _] = github.case.update_files();
    let release = |draft: bool, name: &str| {
        let asset = json!({ "name": name, "digest": null });
        json!([{ "tag_name": "build-7", "draft": draft, "assets": [asset] }]).to_string()
    };
    let other = format!("ollamalive_{VERSION}_0.store");
    let releases = github.state.join("releases");
    fs::write(&releases, release(false, &other))?;
    let words = [VERSION, "build-7 on GitHub", "make a new commit"];
    refused(&github.publish()?, &words)?;
    assert!(!github.has("draft"));
    assert_eq!(names(&github.case.out), [""; 0]);
    // The same system, or one that nobody could download.
    fs::write(&releases, release(false, &store))?;
    let output = github.publish()?;
    assert!(output.status.success(), "{output:?}");
    fs::remove_file(github.state.join("published"))?;
    fs::write(&releases, release(true, &other))?;
    let output = github.publish()?;
    assert!(output.status.success(), "{output:?}");
    Ok(())
}

fn dry_run() -> Result<(), Failed> {
    let github = GitHub::new();
    let output = github.command(&["--dry-run"]).output()?;
    let said = String::from_utf8(output.stdout)?;
    assert!(output.status.success());
    assert!(said.contains("dry run, not done: tag v1.2.0 on "), "{said}");
    assert!(github.case.file("SHA256SUMS").exists());
    assert!(!github.has("draft") && !github.has("published"));
    Ok(())
}

fn foreign_draft() -> Result<(), Failed> {
    let github = GitHub::new();
    fs::write(github.state.join("draft"), "0123abc")?;
    refused(
        &github.publish()?,
        &["draft v1.2.0 of 0123abc", "gh release delete v1.2.0"],
    )?;
    github.case.untouched()
}
