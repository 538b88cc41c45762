//! `ollama.models-on-persist`

use anyhow::Result;

use super::client::wait_until_up;
use super::written_file::WrittenFile;
use crate::scenario::{Context, Finding};

#[derive(Debug, Clone)]
struct Facts {
    file: WrittenFile,
    /// `SOURCE FSTYPE` of PERSIST's mount point.
    persist: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    wait_until_up(cx)?;
    let facts = gather(cx)?;
    Ok(judge(&facts, &cx.contract.ollama.models_dir))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let file = WrittenFile::gather(cx)?;
    let [persist] = cx.exec([&format!(
        "findmnt -no SOURCE,FSTYPE --mountpoint {}",
        cx.contract.persist.mount_point
    )])?;
    Ok(Facts {
        file,
        persist: persist.text,
    })
}

fn judge(facts: &Facts, folder: &str) -> Finding {
    let Facts { file, persist } = facts;
    let mount = &file.mount;
    let mut faults: Vec<String> = file.fault(folder).into_iter().collect();
    if mount != persist || !persist.ends_with(" ext4") {
        faults.push(format!(
            "{folder} is on {mount:?}, and PERSIST on {persist:?}"
        ));
    }
    Finding::from_faults(&faults, format!("{folder} on {mount}"))
}

#[cfg(test)]
mod tests {
    use super::super::written_file::tests::written;
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            file: written("/dev/vda3 ext4"),
            persist: "/dev/vda3 ext4".to_string(),
        }
    }

    #[test]
    fn kept_when_the_file_is_on_persist() {
        assert_kept(
            judge(&good(), "/persist/models/models"),
            "/persist/models/models on /dev/vda3 ext4",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            |facts| judge(facts, "/persist/models/models"),
            &[
                (
                    |facts| facts.file.write_error = Some("no such\nfolder".to_string()),
                    "the container cannot write: no such | folder",
                ),
                (
                    |facts| facts.file.content = "No such file".to_string(),
                    "what the container wrote is not in /persist/models/models: No such file",
                ),
                (
                    |facts| facts.file.mount = "tmpfs tmpfs".to_string(),
                    "/persist/models/models is on \"tmpfs tmpfs\", and PERSIST on \"/dev/vda3 ext4\"",
                ),
                (
                    |facts| {
                        facts.file.mount = "tmpfs tmpfs".to_string();
                        facts.persist = "tmpfs tmpfs".to_string();
                    },
                    "/persist/models/models is on \"tmpfs tmpfs\", and PERSIST on \"tmpfs tmpfs\"",
                ),
            ],
        );
    }
}
