//! `ollama.models-on-drive`

use anyhow::{Context as _, Result};

use super::client::wait_until_up;
use super::written_file::WrittenFile;
use crate::scenario::{Context, Finding};

#[derive(Debug, Clone)]
struct Facts {
    file: WrittenFile,
    /// The label or UUID of the device that the models folder is on, as the contract names the drive.
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
    let kind = expected.kind;
    let folder = cx.contract.ollama.models_word();
    let file = WrittenFile::gather(cx)?;
    let [id] = cx.exec([&format!(
        "blkid -s {kind} -o value $(findmnt -no SOURCE -T {folder} | tail -n 1)"
    )])?;
    Ok(Facts { file, id: id.text })
}

fn judge(facts: &Facts, expected: &Expected) -> Finding {
    let Expected { folder, kind, id } = expected;
    let mount = &facts.file.mount;
    let mut faults: Vec<String> = facts.file.fault(folder).into_iter().collect();
    if !mount.ends_with("fuseblk") || facts.id != *id {
        faults.push(format!(
            "{folder} is on {} ({kind} {:?}), not on the NTFS drive {id}",
            mount, facts.id
        ));
    }
    let kept = format!("{folder} on {mount} {kind}={id}");
    Finding::from_faults(&faults, kept)
}

#[cfg(test)]
mod tests {
    use super::super::written_file::tests::written;
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    const EXPECTED: Expected = Expected {
        folder: "/mnt/models/ollama/models",
        kind: "LABEL",
        id: "Models",
    };

    fn good() -> Facts {
        Facts {
            file: written("/dev/vdb fuseblk"),
            id: "Models".to_string(),
        }
    }

    #[test]
    fn kept_when_the_file_is_on_the_drive() {
        assert_kept(
            judge(&good(), &EXPECTED),
            "/mnt/models/ollama/models on /dev/vdb fuseblk LABEL=Models",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            |facts| judge(facts, &EXPECTED),
            &[
                (
                    |facts| facts.file.write_error = Some("no such\nfolder".to_string()),
                    "the container cannot write: no such | folder",
                ),
                (
                    |facts| facts.file.content = "No such file".to_string(),
                    "what the container wrote is not in /mnt/models/ollama/models: No such file",
                ),
                (
                    |facts| facts.file.mount = "/dev/vda3 ext4".to_string(),
                    "/mnt/models/ollama/models is on /dev/vda3 ext4 (LABEL \"Models\"), not on the NTFS drive Models",
                ),
                (
                    |facts| facts.id = "Other".to_string(),
                    "/mnt/models/ollama/models is on /dev/vdb fuseblk (LABEL \"Other\"), not on the NTFS drive Models",
                ),
            ],
        );
    }
}
