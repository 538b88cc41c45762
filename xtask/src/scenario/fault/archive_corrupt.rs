//! `fault.archive-corrupt`

use anyhow::{Error, Result, ensure};

use super::connect;
use crate::disk_fixtures::BROKEN_ARCHIVE;
use crate::scenario::{Context, Finding, ollama};

#[derive(Debug, Clone)]
struct Facts {
    /// Ollama's version, or why there is none.
    ollama: Result<String, String>,
    /// The journal's line about the broken archive.
    journal: Option<String>,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    connect(cx)?.map_err(Error::msg)?;
    let ollama = ollama::answer(cx)?;
    let unit = &cx.contract.ollama.unit;
    let [archive, journal] = cx.exec([
        &format!("ls /persist/images/{BROKEN_ARCHIVE}"),
        &format!("journalctl -b --no-pager -o cat -u {unit} | grep -m1 {BROKEN_ARCHIVE}.*skipped"),
    ])?;
    ensure!(archive.ok(), "the archive is not there: {}", archive.text);
    Ok(Facts {
        ollama,
        journal: journal.ok().then_some(journal.text),
    })
}

fn judge(facts: &Facts) -> Finding {
    let mut faults = Vec::new();
    if let Err(why) = &facts.ollama {
        faults.push(format!("the good archive beside it is not used: {why}"));
    }
    if facts.journal.is_none() {
        faults.push("the journal does not name it".to_string());
    }
    let line = facts.journal.as_deref().unwrap_or_default();
    Finding::from_faults(&faults, format!("says {line:?}, and uses the other one"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            ollama: Ok("0.1".to_string()),
            journal: Some("a-broken.tar: skipped".to_string()),
        }
    }

    #[test]
    fn kept_when_the_archive_is_skipped_by_name() {
        assert_kept(
            judge(&good()),
            "says \"a-broken.tar: skipped\", and uses the other one",
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
                    "the good archive beside it is not used: no answer",
                ),
                (|facts| facts.journal = None, "the journal does not name it"),
            ],
        );
    }
}
