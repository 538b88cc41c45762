//! The promises about durability, judged by shared facts.

use anyhow::Result;

use super::clock_at_shutdown;
use super::facts::{After, Durability, ELSEWHERE, Interruption, gather};
use crate::disk_fixtures::Emptied;
use crate::scenario::{Context, Finding};

/// `ssh.identity-survives`
pub fn identity_survives(cx: &mut Context) -> Result<Finding> {
    let configured = cx.contract.ssh.host_keys.len();
    let facts = cx.shared(gather)?;
    Ok(judge_identity(&facts, configured))
}

/// `system.time-from-network`
pub fn time_from_network(cx: &mut Context) -> Result<Finding> {
    let facts = cx.shared(gather)?;
    Ok(clock_at_shutdown::judge(&facts.clock))
}

/// `boot.comes-back-quietly`
pub fn comes_back_quietly(cx: &mut Context) -> Result<Finding> {
    let facts = cx.shared(gather)?;
    Ok(judge_quiet(&facts))
}

/// `persist.survives-power-cut`
pub fn survives_power_cut(cx: &mut Context) -> Result<Finding> {
    let facts = cx.shared(gather)?;
    Ok(judge_power_cut(&facts))
}

/// `persist.survives-reflash`
pub fn survives_reflash(cx: &mut Context) -> Result<Finding> {
    let facts = cx.shared(gather)?;
    Ok(judge_reflash(&facts))
}

/// `persist.survives-emptied-ends`
pub fn survives_emptied_ends(cx: &mut Context) -> Result<Finding> {
    let facts = cx.shared(gather)?;
    Ok(judge_emptied(&facts.emptied))
}

/// `persist.repairs-rights`
pub fn repairs_rights(cx: &mut Context) -> Result<Finding> {
    let facts = cx.shared(gather)?;
    Ok(judge_rights(&facts))
}

/// `persist.forgets-the-rest`
pub fn forgets_the_rest(cx: &mut Context) -> Result<Finding> {
    let facts = cx.shared(gather)?;
    Ok(judge_rest(&facts))
}

/// The same host keys throughout, as many as `configured`.
fn judge_identity(facts: &Durability, configured: usize) -> Finding {
    let before = &facts.before.host_keys;
    let mut faults = Vec::new();
    if before.len() != configured {
        faults.push(format!(
            "the server shows {} host keys, {configured} are configured",
            before.len()
        ));
    }
    let changed = |after: &&After| after.state.host_keys != *before;
    faults.extend(each_after(facts, changed, |after| {
        format!("other host keys after {}", after.interruption.words())
    }));
    let logins = each_after(
        facts,
        |_| true,
        |after| {
            let words = after.interruption.words();
            format!("{words} ({:.1} s to login)", after.login)
        },
    );
    let keys = match before.len() {
        1 => "the same host key".to_string(),
        count => format!("the same {count} host keys"),
    };
    let kept = format!("{keys} after {}", logins.join(", "));
    Finding::from_faults(&faults, kept)
}

fn judge_quiet(facts: &Durability) -> Finding {
    let noisy = |after: &&After| !after.noise.is_empty();
    let faults = each_after(facts, noisy, |after| {
        let words = after.interruption.words();
        format!("after {words}: {}", after.noise.join(", "))
    });
    let all = each_after(facts, |_| true, |after| after.interruption.words().into());
    Finding::from_faults(&faults, format!("quiet after {}", all.join(", ")))
}

fn judge_power_cut(facts: &Durability) -> Finding {
    let mut faults = changes(facts, Interruption::PowerCut);
    let Durability { found, synced, .. } = facts;
    if found < synced {
        faults.push(format!("{found} of {synced} synced records are left"));
    }
    let kept = format!("4 MiB the same; {found} records found, {synced} had been synced");
    Finding::from_faults(&faults, kept)
}

fn judge_reflash(facts: &Durability) -> Finding {
    Finding::from_faults(
        &changes(facts, Interruption::Reflash),
        "4 MiB, machine-id and file system the same",
    )
}

fn judge_emptied(emptied: &Emptied) -> Finding {
    let Emptied {
        before,
        after,
        distance,
    } = emptied;
    let mut faults = Vec::new();
    if before != after {
        faults.push("PERSIST, which was full, has lost bytes".to_string());
    }
    // Also without data at the very end.
    if *distance < 2 << 20 {
        faults.push(format!(
            "its file system ends {distance} bytes before the stick"
        ));
    }
    let kept = format!(
        "every byte of a full PERSIST, which ends {} KiB before the stick",
        distance >> 10
    );
    Finding::from_faults(&faults, kept)
}

/// They were opened to everyone before the reflash.
fn judge_rights(facts: &Durability) -> Finding {
    let before: Vec<&str> = facts.before.rights.lines().collect();
    let Some(after) = facts.after.last() else {
        return Finding::Broken("there was no restart".to_string());
    };
    let after: Vec<&str> = after.state.rights.lines().collect();
    let changed: Vec<String> = after
        .iter()
        .filter(|line| !before.contains(line))
        .map(|line| format!("after chmod -R and a restart there is {line}"))
        .collect();
    let kept = format!("the rights of {} files and folders are back", before.len());
    Finding::from_faults(&changed, kept)
}

fn judge_rest(facts: &Durability) -> Finding {
    let remembers = |after: &&After| !after.remembered.is_empty();
    let faults = each_after(facts, remembers, |after| {
        let words = after.interruption.words();
        format!("after {words} there is still {}", after.remembered)
    });
    let kept = format!("{} gone after each restart", ELSEWHERE.join(", "));
    Finding::from_faults(&faults, kept)
}

/// A line about each interruption that is `chosen`.
fn each_after(
    facts: &Durability,
    chosen: impl Fn(&&After) -> bool,
    line: impl Fn(&After) -> String,
) -> Vec<String> {
    facts.after.iter().filter(chosen).map(line).collect()
}

/// The differences on PERSIST after `interruption`.
fn changes(facts: &Durability, interruption: Interruption) -> Vec<String> {
    let before = &facts.before;
    let mut after = facts.after.iter();
    let Some(after) = after.find(|after| after.interruption == interruption) else {
        return vec![format!("there was no {interruption:?}")];
    };
    let after = &after.state;
    [
        ("data", &before.data, &after.data),
        ("machine-id", &before.machine_id, &after.machine_id),
        ("file system", &before.file_system, &after.file_system),
    ]
    .into_iter()
    .filter(|(_, before, after)| before != after)
    .map(|(name, before, after)| {
        let words = interruption.words();
        format!("after {words} the {name} is {after:?}, it was {before:?}")
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::clock_at_shutdown::tests::good as good_clock;
    use super::super::facts::State;
    use super::*;
    use crate::scenario::testing::{assert_each_breaks, assert_kept};

    fn good() -> Durability {
        let state = State {
            host_keys: BTreeSet::from(["ssh-ed25519 SHA256:a".to_string()]),
            data: "d1".to_string(),
            machine_id: "m1".to_string(),
            file_system: "f1".to_string(),
            rights: "755 0 ssh\n600 0 ssh/key".to_string(),
        };
        let after = |interruption| After {
            interruption,
            login: 9.0,
            state: state.clone(),
            remembered: String::new(),
            noise: Vec::new(),
        };
        Durability {
            before: state.clone(),
            after: vec![
                after(Interruption::Reboot),
                after(Interruption::PowerCut),
                after(Interruption::Reflash),
            ],
            synced: 5,
            found: 6,
            clock: good_clock(),
            emptied: Emptied {
                before: "b".to_string(),
                after: "b".to_string(),
                distance: 3 << 20,
            },
        }
    }

    #[test]
    fn host_keys_have_to_stay_the_same() {
        let judge = |facts: &Durability| judge_identity(facts, 1);
        assert_kept(
            judge(&good()),
            "the same host key after a reboot (9.0 s to login), a power cut (9.0 s to login), a reflash (9.0 s to login)",
        );
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.after[2].state.host_keys = BTreeSet::new(),
                    "other host keys after a reflash",
                ),
                (
                    |facts| {
                        facts.before.host_keys = BTreeSet::new();
                        facts
                            .after
                            .iter_mut()
                            .for_each(|after| after.state.host_keys = BTreeSet::new());
                    },
                    "the server shows 0 host keys, 1 are configured",
                ),
            ],
        );
    }

    #[test]
    fn every_boot_has_to_be_quiet() {
        assert_kept(
            judge_quiet(&good()),
            "quiet after a reboot, a power cut, a reflash",
        );
        assert_each_breaks(
            &good(),
            judge_quiet,
            &[(
                |facts| facts.after[1].noise = vec!["degraded: a.service".to_string()],
                "after a power cut: degraded: a.service",
            )],
        );
    }

    #[test]
    fn synced_data_has_to_survive_a_power_cut() {
        assert_kept(
            judge_power_cut(&good()),
            "4 MiB the same; 6 records found, 5 had been synced",
        );
        assert_each_breaks(
            &good(),
            judge_power_cut,
            &[
                (|facts| facts.found = 4, "4 of 5 synced records are left"),
                (
                    |facts| facts.after[1].state.data = "d2".to_string(),
                    "after a power cut the data is \"d2\", it was \"d1\"",
                ),
                (|facts| facts.after.truncate(1), "there was no PowerCut"),
            ],
        );
    }

    #[test]
    fn persist_has_to_survive_a_reflash() {
        assert_kept(
            judge_reflash(&good()),
            "4 MiB, machine-id and file system the same",
        );
        assert_each_breaks(
            &good(),
            judge_reflash,
            &[
                (
                    |facts| facts.after[2].state.data = String::new(),
                    "after a reflash the data is \"\", it was \"d1\"",
                ),
                (
                    |facts| facts.after[2].state.machine_id = "m2".to_string(),
                    "after a reflash the machine-id is \"m2\", it was \"m1\"",
                ),
                (
                    |facts| facts.after[2].state.file_system = "f2".to_string(),
                    "after a reflash the file system is \"f2\", it was \"f1\"",
                ),
            ],
        );
    }

    #[test]
    fn every_byte_has_to_survive_empty_ends() {
        let judge = |facts: &Durability| judge_emptied(&facts.emptied);
        assert_kept(
            judge(&good()),
            "every byte of a full PERSIST, which ends 3072 KiB before the stick",
        );
        assert_each_breaks(
            &good(),
            judge,
            &[
                (
                    |facts| facts.emptied.after = "c".to_string(),
                    "PERSIST, which was full, has lost bytes",
                ),
                (
                    |facts| facts.emptied.distance = 1 << 20,
                    "its file system ends 1048576 bytes before the stick",
                ),
            ],
        );
    }

    #[test]
    fn rights_have_to_be_back() {
        assert_kept(
            judge_rights(&good()),
            "the rights of 2 files and folders are back",
        );
        assert_each_breaks(
            &good(),
            judge_rights,
            &[
                (
                    |facts| facts.after[2].state.rights += "\n777 1000 network",
                    "after chmod -R and a restart there is 777 1000 network",
                ),
                (|facts| facts.after.clear(), "there was no restart"),
            ],
        );
    }

    #[test]
    fn other_files_have_to_be_gone() {
        assert_kept(
            judge_rest(&good()),
            "/etc/forgotten, /var/lib/forgotten, /root/forgotten gone after each restart",
        );
        assert_each_breaks(
            &good(),
            judge_rest,
            &[(
                |facts| facts.after[0].remembered = "/root/forgotten".to_string(),
                "after a reboot there is still /root/forgotten",
            )],
        );
    }
}
