//! `update.moves-from-layout-1`

use std::collections::BTreeSet;
use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::disk_fixtures::DiskSetup;
use crate::scenario::durability::host_keys;
use crate::scenario::{Context, Finding};

/// The commands of docs/owner.md, "Sticks of layout 1", that run on the machine.
pub const SAVE: &str = "cd /persist && sudo tar --create --anchored --exclude docker --exclude journal --exclude lost+found *";
pub const RESTORE: &str = "sudo tar --extract --numeric-owner --directory /persist";
const DEADLINE: Duration = Duration::from_secs(300);
/// Files of an owner: path and mode.
const FILES: &[(&str, &str)] = &[
    ("/persist/home/mine", "640"),
    ("/persist/images/archive.tar", "644"),
    ("/persist/network/Home.nmconnection", "600"),
];

/// What the machine is known by, and what its owner has.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Belongings {
    host_keys: BTreeSet<String>,
    machine_id: String,
    /// Digest, mode, owner and path of each of [`FILES`].
    files: String,
    keys: String,
}

#[derive(Debug, Clone)]
struct Facts {
    before: Belongings,
    /// Of the fresh stick, before it gets the owner's state.
    fresh: BTreeSet<String>,
    after: Belongings,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn belongings(cx: &mut Context) -> Result<Belongings> {
    let files: Vec<&str> = FILES.iter().map(|(path, _)| *path).collect();
    let files = files.join(" ");
    let [machine_id, files, keys] = cx
        .exec([
            "cat /persist/machine-id",
            &format!("sha256sum {files}; stat -c '%a %u %g %n' {files}"),
            "cat /persist/ssh/authorized_keys",
        ])?
        .map(|output| output.text.trim().to_string());
    Ok(Belongings {
        host_keys: host_keys(cx)?,
        machine_id,
        files,
        keys,
    })
}

/// Runs a command of the page.
fn run(cx: &mut Context, command: &str, input: Stdio, output: Stdio) -> Result<()> {
    let status = cx.machine.run_as_owner(command, input, output, DEADLINE)?;
    ensure!(status.success(), "`{command}` ended with {status}");
    Ok(())
}

fn gather(cx: &mut Context) -> Result<Facts> {
    // tar complains about folders that the first boot still fills.
    cx.machine.settle()?;
    for (path, mode) in FILES {
        cx.machine.succeed(&format!(
            "mkdir -p $(dirname {path}) && head -c 50000 /dev/urandom > {path} && chmod {mode} {path}"
        ))?;
    }
    let before = belongings(cx)?;
    let path = cx.folder.join("persist.tar");
    run(cx, SAVE, Stdio::null(), File::create(&path)?.into())?;
    cx.machine.power_cut();

    cx.disks.swap(cx.machine, DiskSetup::Fresh)?;
    cx.machine.boot()?;
    let fresh = host_keys(cx)?;
    run(cx, RESTORE, File::open(&path)?.into(), Stdio::null())?;
    cx.machine.reboot()?;
    Ok(Facts {
        before,
        fresh,
        after: belongings(cx)?,
    })
}

fn judge(facts: &Facts) -> Finding {
    let Facts {
        before,
        fresh,
        after,
    } = facts;
    let mut faults = Vec::new();
    if *fresh == before.host_keys {
        faults.push("the fresh stick has the old host keys already: nothing was tested".into());
    }
    for (what, same) in [
        ("the host keys", before.host_keys == after.host_keys),
        ("the machine ID", before.machine_id == after.machine_id),
        ("files", before.files == after.files),
        ("the authorized keys", before.keys == after.keys),
    ] {
        if !same {
            faults.push(format!("{what} differ: {before:?} and {after:?}"));
        }
    }
    let kept = "the page's commands bring host keys, machine ID, authorized keys and files to a fresh stick of layout 2 (they were \
                saved by this version, with the same tar as the earlier ones)";
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project;

    fn belongings() -> Belongings {
        Belongings {
            host_keys: BTreeSet::from(["old".to_string()]),
            machine_id: "6f".into(),
            files: "f".into(),
            keys: "k".into(),
        }
    }

    fn good() -> Facts {
        Facts {
            before: belongings(),
            fresh: BTreeSet::from(["new".to_string()]),
            after: belongings(),
        }
    }

    #[test]
    fn kept_when_everything_is_there_again() {
        assert!(matches!(judge(&good()), Finding::Kept(_)));
    }

    #[test]
    fn each_fault_breaks_it() {
        let changes: [fn(&mut Facts); 5] = [
            |facts| facts.fresh = facts.before.host_keys.clone(),
            |facts| facts.after.host_keys = facts.fresh.clone(),
            |facts| facts.after.machine_id.clear(),
            |facts| facts.after.files.clear(),
            |facts| facts.after.keys.clear(),
        ];
        for change in changes {
            let mut facts = good();
            change(&mut facts);
            assert!(matches!(judge(&facts), Finding::Broken(_)));
        }
    }

    #[test]
    fn the_page_has_these_commands() {
        let page = std::fs::read_to_string(project::root().unwrap().join("docs/owner.md")).unwrap();
        for command in [format!("\"{SAVE}\" >"), format!("{RESTORE} <")] {
            let line = format!("ssh ollamalive@192.168.1.50 {command} persist.tar");
            assert!(page.contains(&line), "{line}");
        }
    }
}
