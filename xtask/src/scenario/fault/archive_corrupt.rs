//! `fault.archive-corrupt`

use anyhow::{Error, Result, ensure};

use super::connect;
use crate::disk_fixtures::{BROKEN_ARCHIVE, OTHER_ARCHIVE};
use crate::scenario::{Context, Finding, ollama};

/// What is said of an archive that is used.
const UNCHECKED: &str = "digest is not checked: loaded from an archive";
/// The image that was loaded: its name, `@` with the digest that was configured then, and its ID.
const RECORD: &str = "/persist/images/loaded";

#[derive(Debug, Clone)]
struct Facts {
    /// Ollama's version, or why there is none.
    ollama: Result<String, String>,
    /// The journal's line about the unreadable archive.
    broken: Option<String>,
    /// The journal's line about the archive of another image.
    other: Option<String>,
    /// The journal says that the used archive's digest was not checked.
    unchecked: bool,
    /// [`RECORD`], without the digest.
    record: String,
    /// The name and the ID of the image that the container runs.
    image: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    connect(cx)?.map_err(Error::msg)?;
    let ollama = ollama::answer(cx)?;
    let (unit, container) = (&cx.contract.ollama.unit, &cx.contract.ollama.container);
    let journal = format!("journalctl -b --no-pager -o cat -u {unit}");
    let skipped = |archive: &str| format!("{journal} | grep -m1 {archive}.*skipped");
    let [archives, broken, other, unchecked, record, image] = cx.exec([
        &format!("cd /persist/images && ls {BROKEN_ARCHIVE} {OTHER_ARCHIVE}"),
        &skipped(BROKEN_ARCHIVE),
        &skipped(OTHER_ARCHIVE),
        &format!("{journal} | grep -q '{UNCHECKED}'"),
        &format!("sed 's/@[^ ]*//' {RECORD}"),
        &format!("docker inspect --format '{{{{.Config.Image}}}} {{{{.Image}}}}' {container}"),
    ])?;
    ensure!(
        archives.ok(),
        "the archives are not there: {}",
        archives.text
    );
    Ok(Facts {
        ollama,
        broken: broken.ok().then_some(broken.text),
        other: other.ok().then_some(other.text),
        unchecked: unchecked.ok(),
        record: record.text,
        image: image.text,
    })
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = Vec::new();
    if let Err(why) = &facts.ollama {
        faults.push(format!("the good archive beside them is not used: {why}"));
    }
    if facts.broken.is_none() {
        faults.push("the journal does not name the unreadable one".to_string());
    }
    if facts.other.is_none() {
        faults.push("the archive of another image is not skipped".to_string());
    }
    if !facts.unchecked {
        faults.push("the journal does not say that the digest was not checked".to_string());
    }
    if facts.ollama.is_ok() && facts.record.trim() != facts.image.trim() {
        faults.push(format!(
            "{RECORD} says {:?}, and the container runs {:?}",
            facts.record, facts.image
        ));
    }
    let line = |line: &Option<String>| line.clone().unwrap_or_default();
    let kept = format!(
        "says {:?} and {:?}, and uses the third one",
        line(&facts.broken),
        line(&facts.other)
    );
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            ollama: Ok("0.1".to_string()),
            broken: Some("a-broken.tar: skipped".to_string()),
            other: Some("b-other.tar: skipped".to_string()),
            unchecked: true,
            record: "ollama/ollama:1 sha256:5\n".to_string(),
            image: "ollama/ollama:1 sha256:5".to_string(),
        }
    }

    #[test]
    fn kept_when_both_archives_are_skipped_by_name() {
        assert_kept(
            judge(&good()),
            "says \"a-broken.tar: skipped\" and \"b-other.tar: skipped\", and uses the third one",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.ollama = Err("no answer".to_string()),
                    "the good archive beside them is not used: no answer",
                ),
                (
                    |facts| facts.broken = None,
                    "the journal does not name the unreadable one",
                ),
                (
                    |facts| facts.other = None,
                    "the archive of another image is not skipped",
                ),
                (
                    |facts| facts.unchecked = false,
                    "the journal does not say that the digest was not checked",
                ),
                (
                    |facts| facts.record = String::new(),
                    "/persist/images/loaded says \"\", and the container runs \"ollama/ollama:1 sha256:5\"",
                ),
            ],
        );
    }
}
