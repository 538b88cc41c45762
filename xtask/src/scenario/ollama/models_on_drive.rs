//! `ollama.models-on-drive`

use anyhow::{Context as _, Result};

use super::client::wait_until_up;
use crate::scenario::{Context, Finding, one_line};

/// Written by the container, looked for on the drive.
const CONTENT: &str = "by-the-container";

#[derive(Debug, Clone)]
struct Facts {
    /// Why the container could not write a file to /root/.ollama.
    write_error: Option<String>,
    /// That file's content in the models folder, or an error message.
    content: String,
    /// `SOURCE FSTYPE` of the mount that the models folder is on.
    mount: String,
    /// The label or UUID of that device, as the contract names the drive.
    id: String,
}

/// The contract's expectations.
struct Expected<'a> {
    /// The host's folder for models.
    folder: &'a str,
    /// `LABEL` or `UUID`.
    kind: &'a str,
    id: &'a str,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    wait_until_up(cx)?;
    let drive = cx.contract.models.drive.as_deref();
    let (kind, id) = drive
        .and_then(|drive| drive.split_once('='))
        .context("the configuration names no models drive")?;
    let expected = Expected {
        folder: &cx.contract.ollama.models_dir,
        kind,
        id,
    };
    Ok(judge(&gather(cx, &expected)?, &expected))
}

fn gather(cx: &mut Context, expected: &Expected) -> Result<Facts> {
    let container = &cx.contract.ollama.container;
    let Expected { folder, kind, .. } = expected;
    let [write, content, mount, id] = cx.exec([
        &format!(
            "rm -rf /tmp/written && mkdir /tmp/written && echo {CONTENT} > /tmp/written/probe && \
             docker cp /tmp/written/probe {container}:/root/.ollama/probe"
        ),
        &format!("cat {folder}/probe; rm -f {folder}/probe"),
        &format!("findmnt -no SOURCE,FSTYPE -T {folder} | tail -n 1"),
        &format!("blkid -s {kind} -o value $(findmnt -no SOURCE -T {folder} | tail -n 1)"),
    ])?;
    Ok(Facts {
        write_error: (!write.ok()).then_some(write.text),
        content: content.text,
        mount: mount.text,
        id: id.text,
    })
}

fn judge(facts: &Facts, expected: &Expected) -> Finding {
    let Expected { folder, kind, id } = expected;
    let mut faults = Vec::new();
    if let Some(error) = &facts.write_error {
        faults.push(format!("the container cannot write: {}", one_line(error)));
    } else if facts.content != CONTENT {
        faults.push(format!(
            "what the container wrote is not in {folder}: {}",
            facts.content
        ));
    }
    if !facts.mount.ends_with("fuseblk") || facts.id != *id {
        faults.push(format!(
            "{folder} is on {} ({kind} {:?}), not on the NTFS drive {id}",
            facts.mount, facts.id
        ));
    }
    if !folder.ends_with("/ollama") {
        faults.push(format!("{folder} is not the drive's folder ollama/"));
    }
    let kept = format!("{folder} on {} {kind}={id}", facts.mount);
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    const EXPECTED: Expected = Expected {
        folder: "/mnt/models/ollama",
        kind: "LABEL",
        id: "Models",
    };

    fn good() -> Facts {
        Facts {
            write_error: None,
            content: "by-the-container".to_string(),
            mount: "/dev/vdb fuseblk".to_string(),
            id: "Models".to_string(),
        }
    }

    #[test]
    fn kept_when_the_file_is_on_the_drive() {
        assert_kept(
            judge(&good(), &EXPECTED),
            "/mnt/models/ollama on /dev/vdb fuseblk LABEL=Models",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            |facts| judge(facts, &EXPECTED),
            &[
                (
                    |facts| facts.write_error = Some("no such\nfolder".to_string()),
                    "the container cannot write: no such | folder",
                ),
                (
                    |facts| facts.content = "No such file".to_string(),
                    "what the container wrote is not in /mnt/models/ollama: No such file",
                ),
                (
                    |facts| facts.mount = "/dev/vda3 ext4".to_string(),
                    "/mnt/models/ollama is on /dev/vda3 ext4 (LABEL \"Models\"), not on the NTFS drive Models",
                ),
                (
                    |facts| facts.id = "Other".to_string(),
                    "/mnt/models/ollama is on /dev/vdb fuseblk (LABEL \"Other\"), not on the NTFS drive Models",
                ),
            ],
        );
    }

    #[test]
    fn another_folder_of_the_drive_breaks_it() {
        let expected = Expected {
            folder: "/mnt/models/other",
            ..EXPECTED
        };
        let evidence = "/mnt/models/other is not the drive's folder ollama/";
        assert_eq!(
            judge(&good(), &expected),
            Finding::Broken(evidence.to_string())
        );
    }
}
