//! `ollama.models-on-persist`

use anyhow::Result;

use super::client::wait_until_up;
use crate::scenario::{Context, Finding, one_line};

/// Written by the container, looked for on PERSIST.
const CONTENT: &str = "by-the-container";

#[derive(Debug, Clone)]
struct Facts {
    /// Why the container could not write a file to /root/.ollama.
    write_error: Option<String>,
    /// That file's content in the models folder, or an error message.
    content: String,
    /// `SOURCE FSTYPE` of the mount that the models folder is on.
    mount: String,
    /// The same of PERSIST's mount point.
    persist: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    wait_until_up(cx)?;
    let facts = gather(cx)?;
    Ok(judge(&facts, &cx.contract.ollama.models_dir))
}

fn gather(cx: &mut Context) -> Result<Facts> {
    let contract = cx.contract;
    let container = &contract.ollama.container;
    let folder = &contract.ollama.models_dir;
    let [write, content, mount, persist] = cx.exec([
        &format!(
            "rm -rf /tmp/written && mkdir /tmp/written && echo {CONTENT} > /tmp/written/probe && \
             docker cp /tmp/written/probe {container}:/root/.ollama/probe"
        ),
        &format!("cat {folder}/probe; rm -f {folder}/probe"),
        &format!("findmnt -no SOURCE,FSTYPE -T {folder} | tail -n 1"),
        &format!(
            "findmnt -no SOURCE,FSTYPE --mountpoint {}",
            contract.persist.mount_point
        ),
    ])?;
    Ok(Facts {
        write_error: (!write.ok()).then_some(write.text),
        content: content.text,
        mount: mount.text,
        persist: persist.text,
    })
}

fn judge(facts: &Facts, folder: &str) -> Finding {
    let Facts {
        write_error,
        content,
        mount,
        persist,
    } = facts;
    let mut faults = Vec::new();
    if let Some(error) = write_error {
        faults.push(format!("the container cannot write: {}", one_line(error)));
    } else if content != CONTENT {
        faults.push(format!(
            "what the container wrote is not in {folder}: {content}"
        ));
    }
    if mount != persist || !persist.ends_with(" ext4") {
        faults.push(format!(
            "{folder} is on {mount:?}, and PERSIST on {persist:?}"
        ));
    }
    Finding::from_faults(&faults, format!("{folder} on {mount}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            write_error: None,
            content: "by-the-container".to_string(),
            mount: "/dev/vda3 ext4".to_string(),
            persist: "/dev/vda3 ext4".to_string(),
        }
    }

    #[test]
    fn kept_when_the_file_is_on_persist() {
        assert_kept(
            judge(&good(), "/persist/models"),
            "/persist/models on /dev/vda3 ext4",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            |facts| judge(facts, "/persist/models"),
            &[
                (
                    |facts| facts.write_error = Some("no such\nfolder".to_string()),
                    "the container cannot write: no such | folder",
                ),
                (
                    |facts| facts.content = "No such file".to_string(),
                    "what the container wrote is not in /persist/models: No such file",
                ),
                (
                    |facts| facts.mount = "tmpfs tmpfs".to_string(),
                    "/persist/models is on \"tmpfs tmpfs\", and PERSIST on \"/dev/vda3 ext4\"",
                ),
                (
                    |facts| {
                        facts.mount = "tmpfs tmpfs".to_string();
                        facts.persist = "tmpfs tmpfs".to_string();
                    },
                    "/persist/models is on \"tmpfs tmpfs\", and PERSIST on \"tmpfs tmpfs\"",
                ),
            ],
        );
    }
}
