//! A folder for each machine on which something went wrong: what its console and its screen showed, its journal, how it
//! was built, and what the checks saw.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

use super::{PromiseOutcome, ScenarioOutcome, Verdict};
use crate::disk_fixtures;
use crate::scenario::{Observer, Promise};
use vm::Machine;

/// What is in such a folder, for the line that names it.
pub const CONTENT: &str = "console, journal, screen, QEMU's command line, disks, what was seen";

/// Collects while a lane runs, and passes on what happens to whoever watches.
pub struct Dossier<'a> {
    folder: PathBuf,
    watcher: &'a dyn Observer,
    begun: AtomicBool,
}

impl<'a> Dossier<'a> {
    /// `folder` is made once there is something to put into it.
    pub fn new(folder: PathBuf, watcher: &'a dyn Observer) -> Self {
        Dossier {
            folder,
            watcher,
            begun: AtomicBool::new(false),
        }
    }

    /// Adds what is known at the end of the lane, if anything went wrong in it.
    pub fn conclude(&self, machine: &Machine, scenarios: &[ScenarioOutcome]) -> Result<()> {
        let promises = || scenarios.iter().flat_map(|scenario| &scenario.promises);
        if promises().all(|promise| promise.verdict == Verdict::Pass) {
            return Ok(());
        }
        self.begin()?;
        self.write("promises.txt", &evidence(promises()))?;
        self.leave_logs(machine)
    }

    /// The run cannot go on, because of `error`: what is left of the machine.
    pub fn give_up(&self, machine: &Machine, error: &anyhow::Error) -> Result<()> {
        self.begin()?;
        self.write("promises.txt", &format!("{error:#}\n"))?;
        self.leave_logs(machine)
    }

    fn leave_logs(&self, machine: &Machine) -> Result<()> {
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

    /// The machine may be in any state: what it does not give is told in the place of it.
    fn question(&self, machine: &mut Machine, report: &PromiseOutcome) -> Result<()> {
        let first = !self.begun.swap(true, Ordering::SeqCst);
        // Where the machine did not come up, nothing changes from one promise to the next.
        if !first && report.verdict == Verdict::Skip {
            return Ok(());
        }
        self.begin()?;
        if let Err(error) = machine.screenshot(&self.folder.join(screenshot_name(&report.id))) {
            let note = format!("no picture of the screen: {error:#}\n");
            self.write(&format!("{}.txt", report.id), &note)?;
        }
        if first {
            let journal = match machine.journal() {
                Ok(journal) => format!("when {} was judged:\n{journal}", report.id),
                Err(error) => format!("when {} was judged: {error:#}\n", report.id),
            };
            self.write("journal.txt", &journal)?;
        }
        Ok(())
    }
}

impl Observer for Dossier<'_> {
    fn booting(&self, machine: &str) {
        self.watcher.booting(machine);
    }

    fn booted(&self, machine: &str, took: Duration) {
        self.watcher.booted(machine, took);
    }

    fn judging(&self, promise: &Promise) {
        self.watcher.judging(promise);
    }

    fn judged(&self, report: &PromiseOutcome) {
        self.watcher.judged(report);
    }

    fn not_kept(&self, machine: &mut Machine, report: &PromiseOutcome) {
        self.watcher.not_kept(machine, report);
        if let Err(error) = self.question(machine, report) {
            tell_aside!("the evidence about {} is lost: {error:#}", report.id);
        }
    }
}

/// The file that shows the screen as it was when the promise called `id` was judged.
fn screenshot_name(id: &str) -> String {
    format!("{id}.png")
}

/// Where the picture of the screen is that belongs to the promise called `id`.
pub fn screenshot(folders: &[PathBuf], id: &str) -> Option<PathBuf> {
    let name = screenshot_name(id);
    let mut files = folders.iter().map(|folder| folder.join(&name));
    files.find(|file| file.is_file())
}

/// What the checks saw: first what is not kept, in full.
fn evidence<'r>(promises: impl Iterator<Item = &'r PromiseOutcome>) -> String {
    let mut all: Vec<&PromiseOutcome> = promises.collect();
    all.sort_by_key(|promise| promise.verdict == Verdict::Pass);
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

/// Puts the folders in `collected` into the place of those of an earlier run, and returns where they are now. Where
/// nothing was collected the earlier ones stay.
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
    fn what_is_not_kept_comes_first() {
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
    fn the_last_failure_takes_the_place_of_the_one_before() {
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
        assert_eq!(
            screenshot(&folders, "ssh.x"),
            Some(place.join("main/ssh.x.png"))
        );
        assert_eq!(screenshot(&folders, "ssh.y"), None);
    }
}
