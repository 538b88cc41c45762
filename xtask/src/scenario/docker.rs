//! Containers and their state.

use anyhow::Result;

use super::{Context, Finding};

/// systemd's name for the mount of /var/lib/docker.
const MOUNT: &str = "var-lib-docker.mount";

/// `docker.state-on-persist`
pub fn state_on_persist(cx: &mut Context) -> Result<Finding> {
    cx.machine.settle()?;
    let outputs = cx.machine.exec(&[
        "docker info --format '{{.DockerRootDir}}'",
        "findmnt -no MAJ:MIN -T $(docker info --format '{{.DockerRootDir}}')",
        "findmnt -no MAJ:MIN,FSTYPE --mountpoint /persist",
        "systemctl show docker.service --property=Requires --property=After",
    ])?;
    let mut faults = Vec::new();
    let root = outputs[0].text.as_str();
    if root != cx.contract.docker.data_root {
        faults.push(format!(
            "the data root is {root}, not {}",
            cx.contract.docker.data_root
        ));
    }
    let persist: Vec<&str> = outputs[2].text.split_whitespace().collect();
    if persist.first() != Some(&outputs[1].text.trim()) || persist.get(1) != Some(&"ext4") {
        faults.push(format!(
            "{root} is on device {}, PERSIST is {}",
            outputs[1].text, outputs[2].text
        ));
    }
    for relation in ["Requires=", "After="] {
        let line = outputs[3]
            .text
            .lines()
            .find_map(|line| line.strip_prefix(relation))
            .unwrap_or_default();
        if !line.split_whitespace().any(|unit| unit == MOUNT) {
            faults.push(format!(
                "docker.service does not wait for its mount: no {MOUNT} in {relation}"
            ));
        }
    }
    Ok(Finding::from_faults(
        &faults,
        format!("{root} on PERSIST; docker.service requires {MOUNT} and comes after it"),
    ))
}
