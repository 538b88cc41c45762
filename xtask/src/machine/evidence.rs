//! What is known of a machine, for whoever wants to know why it broke a promise.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};

use super::{Machine, table};
use crate::process;

/// How long a guest that may be past answering is waited for, by SSH and then once more on its console.
const REACH: Duration = Duration::from_secs(25);
/// The journal of this boot; who reads more lines than these will want the machine itself.
const JOURNAL: &str = "sudo -n journalctl --boot --no-pager --output=short-precise --lines=5000";
/// The same on the console, which is slow.
const SHORT_JOURNAL: &str =
    "sudo -n journalctl --boot --no-pager --output=short-precise --lines=500";

impl Machine {
    /// Takes a picture of the screen, as PNG.
    ///
    /// # Errors
    /// The machine is switched off, or its QEMU cannot write PNG (before 7.1, or built without).
    pub fn screenshot(&mut self, file: &Path) -> Result<()> {
        let arguments = json!({ "filename": file, "format": "png" });
        let qmp = &mut self.running()?.qemu.qmp;
        qmp.execute("screendump", arguments).map(drop)
    }

    /// Runs one command line as the owner, over a connection of its own, and returns what it writes.
    pub(super) fn over_ssh(&mut self, command: &str) -> Result<String> {
        let mut ssh = self.ssh_client()?;
        ssh.args(["-o", "BatchMode=yes", "127.0.0.1", command]);
        process::run(ssh, "ssh", REACH)
    }

    /// The client, with the owner's key; where to and what for is still to be added.
    pub(super) fn ssh_client(&mut self) -> Result<Command> {
        let server = self.server()?;
        let mut ssh = server.client(&server.user);
        ssh.args(["-o", "LogLevel=ERROR", "-i"])
            .arg(&self.parts.owner.private);
        Ok(ssh)
    }

    /// The journal of this boot, by SSH, or else from the shell on the console.
    ///
    /// # Errors
    /// The machine is switched off, or answers on neither within half a minute each; both reasons are named.
    pub fn journal(&mut self) -> Result<String> {
        self.running()?;
        let by_ssh = match self.over_ssh(JOURNAL) {
            Ok(journal) => return Ok(journal),
            Err(error) => error,
        };
        process::check_interrupt()?;
        let on_console = match self.aside_on_console(SHORT_JOURNAL) {
            Ok(journal) if journal.lines().count() > 2 => return Ok(journal),
            Ok(refused) => anyhow!("the console answered {refused:?}"),
            Err(error) => error,
        };
        bail!("unreachable: {by_ssh:#}; {on_console:#}")
    }

    /// Runs a command line on the console and takes it out of the console's log again: what it writes was not the
    /// machine's own news, and checks look for bad news there.
    fn aside_on_console(&mut self, command: &str) -> Result<String> {
        // QEMU appends, wherever the end is.
        let log = File::options()
            .write(true)
            .open(self.folder.join("console.log"))?;
        let before = log.metadata()?.len();
        let answer = self.console()?.run(command, REACH);
        log.set_len(before)?;
        answer
    }

    /// The stick and the other disks: files, sizes, partitions.
    pub fn disks(&self) -> Value {
        let stick = &self.parts.stick;
        let others = self.parts.disks.iter();
        let all = std::iter::once(("stick", &stick.path, stick.read_only))
            .chain(others.map(|disk| (disk.serial, &disk.path, disk.read_only)));
        let list = all.map(|(name, path, read_only)| {
            let meta = fs::metadata(path).ok();
            json!({
                "name": name,
                "file": path,
                "readOnly": read_only,
                "bytes": meta.as_ref().map(fs::Metadata::len),
                // Holes do not count.
                "bytesOnHost": meta.as_ref().map(|meta| meta.blocks() * 512),
                "partitions": partitions(path),
            })
        });
        Value::Array(list.collect())
    }

    /// Copies the logs and lists the disks; asks nothing of the guest.
    pub fn leave_logs(&self, folder: &Path) -> Result<()> {
        for log in ["console.log", "qemu.log", "qemu.command"] {
            let from = self.folder.join(log);
            if from.exists() {
                fs::copy(&from, folder.join(log))
                    .with_context(|| format!("cannot copy {}", from.display()))?;
            }
        }
        let disks = serde_json::to_string_pretty(&self.disks())?;
        fs::write(folder.join("disks.json"), disks + "\n").context("cannot write disks.json")
    }
}

/// A disk's partitions, or why there are none to be read.
fn partitions(disk: &Path) -> Value {
    let table = match table::partitions(disk) {
        Ok(table) => table,
        Err(error) => return Value::String(format!("{error:#}")),
    };
    let list = table.iter().map(|(number, partition)| {
        let extent = table::Extent::from(partition);
        json!({
            "number": number,
            "name": partition.name,
            "id": partition.part_guid.to_string(),
            "offset": extent.offset,
            "bytes": extent.length,
        })
    });
    Value::Array(list.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::table::test_image;

    #[test]
    fn partitions_are_listed_and_their_absence_explained() {
        let folder = tempfile::tempdir().unwrap();
        let image = test_image(folder.path());
        let list = partitions(&image);
        let names: Vec<&str> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|partition| partition["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["ESP", "STORE", "PERSIST"]);
        assert_eq!(list[2]["bytes"], 16 << 20);
        let empty = folder.path().join("empty");
        File::create(&empty).unwrap().set_len(1 << 20).unwrap();
        assert!(partitions(&empty).as_str().unwrap().contains("GPT"));
    }
}
