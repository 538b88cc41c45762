//! A folder of evidence for each machine on which a promise was not kept: console, screen, journal, QEMU's command line,
//! disks, and what the checks saw.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::disk_fixtures;
use crate::outcome::{PromiseOutcome, ScenarioOutcome, Verdict};
use crate::report::screenshot_file;
use crate::scenario::{Observer, Promise};
use vm::Machine;

/// Collects evidence while a job runs, and passes every event on to `console`.
pub struct FailureArtifacts<'a> {
    folder: PathBuf,
    console: &'a dyn Observer,
    begun: AtomicBool,
}

impl<'a> FailureArtifacts<'a> {
    /// `folder` is created when there is something to put into it.
    pub fn new(folder: PathBuf, console: &'a dyn Observer) -> Self {
        FailureArtifacts {
            folder,
            console,
            begun: AtomicBool::new(false),
        }
    }

    /// Adds what is known at the end of the job, if a promise was not kept in it.
    pub fn conclude(&self, machine: &Machine, scenarios: &[ScenarioOutcome]) -> Result<()> {
        let promises = || scenarios.iter().flat_map(|scenario| &scenario.promises);
        if !promises().any(|promise| promise.verdict.is_open()) {
            return Ok(());
        }
        self.begin()?;
        self.write("promises.txt", &evidence(promises()))?;
        self.save_logs(machine)
    }

    /// Keeps the logs of a machine with which the run cannot go on because of `error`.
    pub fn give_up(&self, machine: &Machine, error: &anyhow::Error) -> Result<()> {
        self.begin()?;
        self.write("promises.txt", &format!("{error:#}\n"))?;
        self.save_logs(machine)
    }

    fn save_logs(&self, machine: &Machine) -> Result<()> {
        machine.leave_logs(&self.folder)?;
        let disks = disk_fixtures::describe(machine.disks());
        self.write("disks.json", &format!("{disks:#}\n"))
    }

    fn begin(&self) -> Result<()> {
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make {}", self.folder.display()))
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let file = self.folder.join(name);
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))
    }

    /// The machine may be in any state: if it gives no evidence, the file holds the reason.
    fn collect(&self, machine: &mut Machine, report: &PromiseOutcome) -> Result<()> {
        let first = !self.begun.swap(true, Ordering::SeqCst);
        // If the machine did not come up, nothing changes from one promise to the next.
        if !first && report.verdict == Verdict::Skip {
            return Ok(());
        }
        self.begin()?;
        if let Err(error) = machine.screenshot(&screenshot_file(&self.folder, &report.id)) {
            let note = format!("no screenshot: {error:#}\n");
            self.write(&format!("{}.txt", report.id), &note)?;
        }
        if first {
            let journal = match machine.journal() {
                Ok(journal) => format!("after the check of {}:\n{journal}", report.id),
                Err(error) => format!("after the check of {}: {error:#}\n", report.id),
            };
            self.write("journal.txt", &journal)?;
        }
        Ok(())
    }
}

impl Observer for FailureArtifacts<'_> {
    fn booting(&self, machine: &str) {
        self.console.booting(machine);
    }

    fn booted(&self, machine: &str, took: Duration) {
        self.console.booted(machine, took);
    }

    fn judging(&self, promise: &Promise) {
        self.console.judging(promise);
    }

    fn judged(&self, report: &PromiseOutcome) {
        self.console.judged(report);
    }

    fn not_kept(&self, machine: &mut Machine, report: &PromiseOutcome) {
        self.console.not_kept(machine, report);
        if let Err(error) = self.collect(machine, report) {
            errln!("the evidence about {} is lost: {error:#}", report.id);
        }
    }
}

/// What the checks saw; promises that are not kept come first.
fn evidence<'r>(promises: impl Iterator<Item = &'r PromiseOutcome>) -> String {
    let mut all: Vec<&PromiseOutcome> = promises.collect();
    all.sort_by_key(|promise| !promise.verdict.is_open());
    let mut text = String::new();
    for promise in all {
        text += &format!(
            "{} {} ({:.1} s)\npromised: {}\nseen: {}\n\n",
            promise.verdict.word(),
            promise.id,
            promise.seconds,
            promise.promise,
            promise.evidence
        );
    }
    text
}

/// Moves the folders in `collected` to `place`, where they replace those of an earlier run; returns their new paths. If
/// nothing was collected, the earlier ones stay.
pub fn keep(collected: &Path, place: &Path) -> Result<Vec<PathBuf>> {
    if !collected.exists() {
        return Ok(Vec::new());
    }
    if place.exists() {
        fs::remove_dir_all(place).with_context(|| format!("cannot clear {}", place.display()))?;
    }
    fs::rename(collected, place).with_context(|| format!("cannot make {}", place.display()))?;
    let mut folders: Vec<PathBuf> = fs::read_dir(place)?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::tests::sample;

    #[test]
    fn promises_that_are_not_kept_come_first() {
        let report = sample(&[Verdict::Pass, Verdict::Fail]);
        insta::assert_snapshot!(evidence(report.promises()), @r"
        FAIL ssh.promise-1 (0.2 s)
        promised: it holds
        seen: what was <seen>

        pass ssh.promise-0 (0.2 s)
        promised: it holds
        seen: what was <seen>
        ");
    }

    #[test]
    fn the_last_failure_replaces_the_one_before() {
        let cache = tempfile::tempdir().unwrap();
        let (collected, place) = (cache.path().join("run"), cache.path().join("last"));
        fs::create_dir_all(place.join("old")).unwrap();
        assert!(keep(&collected, &place).unwrap().is_empty());
        assert!(
            place.join("old").exists(),
            "a run without failure leaves it"
        );
        fs::create_dir_all(collected.join("main")).unwrap();
        fs::write(collected.join("main/ssh.x.png"), "").unwrap();
        let folders = keep(&collected, &place).unwrap();
        assert_eq!(folders, [place.join("main")]);
        assert!(!place.join("old").exists() && !collected.exists());
    }
}
