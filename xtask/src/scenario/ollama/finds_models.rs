//! `ollama.finds-models`

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::client::wait_until_up;
use crate::scenario::{Context, Finding, one_line};

/// For both restarts, under emulation.
const DEADLINE: Duration = Duration::from_secs(300);
/// Where the container's folder is.
const LINK: &str = "/run/ollamalive/models";
/// Between the outputs of the script.
const NEXT: &str = "====";

#[derive(Debug, Clone)]
struct Facts {
    /// The folder that is used while there are models in Ollama/ and at the top of the drive.
    of_two: String,
    /// What the machine says then.
    said: String,
    /// The folder that is used while there are models at the top only.
    at_top: String,
    /// A folder that was created on the drive although it has models elsewhere.
    created: String,
}

pub fn check(cx: &mut Context) -> Result<Finding> {
    let root = cx.contract.models.mount_point.clone();
    Ok(judge(&gather(cx, &root)?, &root))
}

fn gather(cx: &mut Context, root: &str) -> Result<Facts> {
    wait_until_up(cx)?;
    let unit = &cx.contract.ollama.unit;
    // Its own models are put aside.
    let script = format!(
        "store() {{ mkdir -p $1/blobs $1/manifests/r/l/m; echo '\"digest\":\"sha256:{digest}\"' > $1/manifests/r/l/m/latest; }}; \
         again() {{ rm -f {LINK}; systemctl start --no-block {unit}; \
           for turn in $(seq 60); do [ ! -L {LINK} ] || break; sleep 1; done; readlink {LINK}; systemctl stop {unit}; }}; \
         systemctl stop {unit}; cd {root} && mkdir aside && mv ollama aside/; store {root}/Ollama; store {root}; \
         again; echo {NEXT}; cat /run/ollamalive/notices/folder; echo {NEXT}; rm -r {root}/Ollama; again; echo {NEXT}; ls -d ollama; \
         rm -r {root}/blobs {root}/manifests; rm -rf ollama; mv aside/ollama . && rmdir aside; cd /; systemctl start --no-block {unit}",
        digest = "0".repeat(64),
    );
    let output = cx.machine.exec_within(&[&script], DEADLINE)?.remove(0);
    wait_until_up(cx)?;
    let mut parts = output.text.split(NEXT).map(|part| one_line(part.trim()));
    let mut next = || parts.next().context("the script stopped early");
    Ok(Facts {
        of_two: next()?,
        said: next()?,
        at_top: next()?,
        created: next()?,
    })
}

fn judge(facts: &Facts, root: &str) -> Finding {
    let mut faults = Vec::new();
    if facts.of_two != format!("{root}/Ollama") {
        faults.push(format!(
            "of models in Ollama/ and at the top, {:?} are served",
            facts.of_two
        ));
    }
    let words = format!("There are models in {root}/Ollama and in {root}, ");
    if !facts.said.starts_with(&words) {
        faults.push(format!(
            "it does not say that there are models in both: {:?}",
            facts.said
        ));
    }
    if facts.at_top != root {
        faults.push(format!(
            "of models in the drive's top folder, {:?} are served",
            facts.at_top
        ));
    }
    if facts.created.starts_with("ollama") {
        faults.push("it created ollama/ on a drive with models elsewhere".to_string());
    }
    Finding::from_faults(
        &faults,
        "serves models in Ollama/ and at the top of the drive, says where there are others, and creates nothing",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Facts {
        Facts {
            of_two: "/mnt/models/Ollama".to_string(),
            said: "There are models in /mnt/models/Ollama and in /mnt/models, and only the first are served.".to_string(),
            at_top: "/mnt/models".to_string(),
            created: "ls: cannot access 'ollama': No such file or directory".to_string(),
        }
    }

    #[test]
    fn kept_when_models_are_found() {
        assert_kept(
            judge(&good(), "/mnt/models"),
            "serves models in Ollama/ and at the top of the drive, says where there are others, and creates nothing",
        );
    }

    #[test]
    fn each_fault_breaks_it() {
        assert_each_breaks(
            &good(),
            |facts| judge(facts, "/mnt/models"),
            &[
                (
                    |facts| facts.of_two = "/mnt/models".to_string(),
                    "of models in Ollama/ and at the top, \"/mnt/models\" are served",
                ),
                (
                    |facts| facts.said = "cat: no such file".to_string(),
                    "it does not say that there are models in both: \"cat: no such file\"",
                ),
                (
                    |facts| facts.at_top.clear(),
                    "of models in the drive's top folder, \"\" are served",
                ),
                (
                    |facts| facts.created = "ollama".to_string(),
                    "it created ollama/ on a drive with models elsewhere",
                ),
            ],
        );
    }
}
