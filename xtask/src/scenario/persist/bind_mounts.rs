//! `persist.bind-mounts`

use anyhow::{Context as _, Result};

use crate::scenario::{Context, Finding};

/// The folders that are promised to persist: mount point, and folder on PERSIST. Listed here and not read from the
/// configuration, because then the configuration could drop one unnoticed.
const PERSISTENT: &[(&str, &str)] = &[
    ("/var/lib/docker", "docker"),
    ("/home", "home"),
    ("/etc/NetworkManager/system-connections", "network"),
    ("/var/lib/nixos", "nixos"),
    ("/var/log/journal", "journal"),
    ("/var/lib/systemd/timers", "timers"),
];

#[derive(Debug, Clone)]
struct Facts {
    /// `MAJ:MIN` of the device mounted at /persist.
    device: String,
    mounts: Vec<Mount>,
}

/// One of [`PERSISTENT`] on the machine.
#[derive(Debug, Clone)]
struct Mount {
    target: &'static str,
    /// The folder on PERSIST.
    folder: &'static str,
    /// `MAJ:MIN FSROOT` of the mount; empty without one.
    source: String,
    /// Why a file written to the target did not show up in the folder.
    write_error: Option<String>,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    Ok(judge(&gather(cx)?))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    cx.machine.settle()?;
    let mut commands = vec!["findmnt -no MAJ:MIN --mountpoint /persist".to_string()];
    for (target, folder) in PERSISTENT {
        commands.push(format!("findmnt -no MAJ:MIN,FSROOT --mountpoint {target}"));
        commands.push(format!(
            "touch {target}/.probe && ls /persist/{folder}/.probe && rm {target}/.probe"
        ));
    }
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let outputs = cx.machine.exec(&commands)?;
    let (device, outputs) = outputs.split_first().context("no output")?;
    let mounts = PERSISTENT.iter().zip(outputs.chunks(2));
    Ok(Facts {
        device: device.text.trim().to_string(),
        mounts: mounts
            .map(|(&(target, folder), outputs)| Mount {
                target,
                folder,
                source: outputs[0].text.clone(),
                write_error: (!outputs[1].ok()).then(|| outputs[1].text.clone()),
            })
            .collect(),
    })
}

fn judge(facts: &Facts) -> Finding {
    let faults: Vec<String> = facts
        .mounts
        .iter()
        .filter_map(|mount| fault(mount, &facts.device))
        .collect();
    let count = facts.mounts.len();
    Finding::from_faults(&faults, format!("{count} of {count} right and writable"))
}

fn fault(mount: &Mount, device: &str) -> Option<String> {
    let Mount { target, folder, .. } = mount;
    let source: Vec<&str> = mount.source.split_whitespace().collect();
    let root = format!("/{folder}");
    if source.is_empty() {
        return Some(format!("{target} is not mounted"));
    }
    if source != [device, &root] {
        let source = source.join(" ");
        return Some(format!(
            "{target} comes from {source}, not from {device} {root}"
        ));
    }
    let error = mount.write_error.as_ref()?;
    Some(format!("{target} is not writable: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        let mounts = PERSISTENT.iter().map(|&(target, folder)| Mount {
            target,
            folder,
            source: format!("254:3 /{folder}"),
            write_error: None,
        });
        Facts {
            device: "254:3".to_string(),
            mounts: mounts.collect(),
        }
    }

    #[test]
    fn kept_when_every_folder_is_on_persist() {
        assert_kept(judge(&good()), "6 of 6 right and writable");
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.mounts[1].source = String::new(),
                    "/home is not mounted",
                ),
                (
                    |facts| facts.mounts[1].source = "254:3   /nixos".to_string(),
                    "/home comes from 254:3 /nixos, not from 254:3 /home",
                ),
                (
                    |facts| facts.mounts[1].source = "0:31 /".to_string(),
                    "/home comes from 0:31 /, not from 254:3 /home",
                ),
                (
                    |facts| facts.mounts[0].write_error = Some("Read-only".to_string()),
                    "/var/lib/docker is not writable: Read-only",
                ),
                (
                    |facts| facts.device = "254:9".to_string(),
                    "/var/lib/docker comes from 254:3 /docker, not from 254:9 /docker; \
                     /home comes from 254:3 /home, not from 254:9 /home; \
                     /etc/NetworkManager/system-connections comes from 254:3 /network, not from 254:9 /network; \
                     /var/lib/nixos comes from 254:3 /nixos, not from 254:9 /nixos; \
                     /var/log/journal comes from 254:3 /journal, not from 254:9 /journal; \
                     /var/lib/systemd/timers comes from 254:3 /timers, not from 254:9 /timers",
                ),
            ],
        );
    }
}
