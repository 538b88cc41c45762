//! What is kept on the stick.

use anyhow::Result;

use super::{Context, Finding};

/// What is promised to be kept: where it is seen, and its folder on PERSIST. Written down here and not read from the
/// configuration, which would be allowed to forget one.
const KEPT: &[(&str, &str)] = &[
    ("/var/lib/docker", "docker"),
    ("/home", "home"),
    ("/etc/NetworkManager/system-connections", "network"),
    ("/var/lib/nixos", "nixos"),
    ("/var/log/journal", "journal"),
];

/// `persist.mounted`
pub fn mounted(cx: &mut Context) -> Result<Finding> {
    // What a unit does to it at the end of the boot counts too.
    cx.machine.settle()?;
    let outputs = cx.machine.exec(&[
        "findmnt -no SOURCE,FSTYPE --mountpoint /persist",
        "readlink -f /dev/disk/by-partlabel/PERSIST",
        "echo kept > /persist/.probe && cat /persist/.probe && rm /persist/.probe",
        "cat /run/ollamalive/notices/persist",
    ])?;
    let mount: Vec<&str> = outputs[0].text.split_whitespace().collect();
    let partition = outputs[1].text.as_str();
    let mut faults = Vec::new();
    match mount[..] {
        [source, "ext4"] if source == partition => {}
        [] => faults.push("nothing is mounted at /persist".to_string()),
        _ => faults.push(format!(
            "/persist is {}, not ext4 on {partition}",
            outputs[0].text
        )),
    }
    if outputs[2].text != "kept" {
        faults.push(format!("/persist is not writable: {}", outputs[2].text));
    }
    if outputs[3].ok() {
        faults.push(format!("the login banner warns: {}", outputs[3].text));
    }
    Ok(Finding::from_faults(
        &faults,
        format!("{} is PERSIST", outputs[0].text),
    ))
}

/// `persist.bind-mounts`
pub fn bind_mounts(cx: &mut Context) -> Result<Finding> {
    cx.machine.settle()?;
    let mut commands = vec!["findmnt -no MAJ:MIN --mountpoint /persist".to_string()];
    for (target, folder) in KEPT {
        commands.push(format!("findmnt -no MAJ:MIN,FSROOT --mountpoint {target}"));
        commands.push(format!(
            "touch {target}/.probe && ls /persist/{folder}/.probe && rm {target}/.probe"
        ));
    }
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let outputs = cx.machine.exec(&commands)?;
    let device = outputs[0].text.trim();
    let mut faults = Vec::new();
    for ((target, folder), pair) in KEPT.iter().zip(outputs[1..].chunks(2)) {
        let mount: Vec<&str> = pair[0].text.split_whitespace().collect();
        let root = format!("/{folder}");
        if mount.is_empty() {
            faults.push(format!("{target} is not mounted"));
        } else if mount != [device, &root] {
            faults.push(format!(
                "{target} comes from {}, not from {device} {root}",
                mount.join(" ")
            ));
        } else if !pair[1].ok() {
            faults.push(format!("{target} is not writable: {}", pair[1].text));
        }
    }
    Ok(Finding::from_faults(
        &faults,
        format!("{} of {} right and writable", KEPT.len(), KEPT.len()),
    ))
}
