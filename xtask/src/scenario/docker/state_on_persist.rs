//! `docker.state-on-persist`

use anyhow::Result;

use crate::scenario::{Context, Finding};

/// systemd's name for the mount of /var/lib/docker.
const MOUNT: &str = "var-lib-docker.mount";

#[derive(Debug, Clone)]
struct Facts {
    /// Docker's folder for images and containers.
    data_root: String,
    /// `MAJ:MIN` of the device that it is on.
    data_root_device: String,
    /// `MAJ:MIN FSTYPE` of the mount at /persist.
    persist: String,
    /// `Requires=` and `After=` of docker.service, one per line.
    dependencies: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    let facts = gather(cx)?;
    Ok(judge(&facts, &cx.contract.docker.data_root))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    cx.machine.settle()?;
    let [data_root, data_root_device, persist, dependencies] = cx
        .exec([
            "docker info --format '{{.DockerRootDir}}'",
            "findmnt -no MAJ:MIN -T $(docker info --format '{{.DockerRootDir}}')",
            "findmnt -no MAJ:MIN,FSTYPE --mountpoint /persist",
            "systemctl show docker.service --property=Requires --property=After",
        ])?
        .map(|output| output.text);
    Ok(Facts {
        data_root,
        data_root_device,
        persist,
        dependencies,
    })
}

fn judge(facts: &Facts, data_root: &str) -> Finding {
    let mut faults = Vec::new();
    let root = &facts.data_root;
    if root != data_root {
        faults.push(format!("the data root is {root}, not {data_root}"));
    }
    let persist: Vec<&str> = facts.persist.split_whitespace().collect();
    if persist.first() != Some(&facts.data_root_device.trim()) || persist.get(1) != Some(&"ext4") {
        faults.push(format!(
            "{root} is on device {}, PERSIST is {}",
            facts.data_root_device, facts.persist
        ));
    }
    for relation in ["Requires=", "After="] {
        let mut lines = facts.dependencies.lines();
        let units = lines
            .find_map(|line| line.strip_prefix(relation))
            .unwrap_or_default();
        if !units.split_whitespace().any(|unit| unit == MOUNT) {
            faults.push(format!(
                "docker.service does not wait for its mount: no {MOUNT} in {relation}"
            ));
        }
    }
    let kept = format!("{root} on PERSIST; docker.service requires {MOUNT} and comes after it");
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            data_root: "/var/lib/docker".to_string(),
            data_root_device: "254:3".to_string(),
            persist: "254:3 ext4".to_string(),
            dependencies: format!("Requires=sysinit.target {MOUNT}\nAfter={MOUNT} basic.target"),
        }
    }

    fn judge_default(facts: &Facts) -> Finding {
        judge(facts, "/var/lib/docker")
    }

    #[test]
    fn kept_when_docker_waits_for_its_folder_on_persist() {
        assert_kept(
            judge_default(&good()),
            "/var/lib/docker on PERSIST; docker.service requires var-lib-docker.mount and comes after it",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            judge_default,
            &[
                (
                    |facts| facts.data_root = "/docker".to_string(),
                    "the data root is /docker, not /var/lib/docker",
                ),
                (
                    |facts| facts.data_root_device = "0:30".to_string(),
                    "/var/lib/docker is on device 0:30, PERSIST is 254:3 ext4",
                ),
                (
                    |facts| facts.persist = "254:3 tmpfs".to_string(),
                    "/var/lib/docker is on device 254:3, PERSIST is 254:3 tmpfs",
                ),
                (
                    |facts| facts.dependencies = format!("Requires=\nAfter={MOUNT}"),
                    "docker.service does not wait for its mount: no var-lib-docker.mount in Requires=",
                ),
                (
                    |facts| facts.dependencies = format!("Requires={MOUNT}"),
                    "docker.service does not wait for its mount: no var-lib-docker.mount in After=",
                ),
            ],
        );
    }
}
