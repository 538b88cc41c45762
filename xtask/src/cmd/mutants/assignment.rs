//! Which machine assignment a mutant, and by which promises.

use std::collections::BTreeSet;

use crate::mutant::Mutant;
use crate::scenario::{Plan, Promise, SCENARIOS, VmJob, promises_of};

/// A machine, and the promises that are checked on it.
pub struct Assignment {
    pub job: VmJob,
    pub promises: Vec<&'static Promise>,
}

/// The machines that it takes to check the promises that are `wanted`, the longest first.
pub fn control_assignments(wanted: impl Fn(&Promise) -> bool) -> Vec<Assignment> {
    let assignment = |job: VmJob| {
        let mut promises = promises_of(&job.scenarios);
        promises.retain(|promise| wanted(promise));
        Assignment { job, promises }
    };
    let mut assignments: Vec<Assignment> = jobs().into_iter().map(assignment).collect();
    assignments.retain(|one| !one.promises.is_empty());
    assignments
}

/// The promises that are checked on the machine of `batch`, which is not empty: all of that machine or, if `quick`, those
/// that are expected to catch one of the batch. In passing also those of `unchecked` that no mutant there spoils; they are
/// removed from the set.
pub fn assign(
    batch: &[&'static Mutant],
    quick: bool,
    unchecked: &mut BTreeSet<&'static str>,
) -> Assignment {
    let job = job(batch[0]);
    let mut promises = promises_of(&job.scenarios);
    promises.retain(|promise| {
        let spoilt = batch.iter().any(|one| spoils(one, promise));
        let in_passing = !spoilt && unchecked.remove(promise.id);
        in_passing || !quick || batch.iter().any(|one| catches(promise, one))
    });
    Assignment { job, promises }
}

/// Those of the promises `wanted` that no machine of `batches`, none of which is empty, can check in passing.
pub fn uncovered(
    batches: &[Vec<&'static Mutant>],
    mut wanted: BTreeSet<&'static str>,
) -> BTreeSet<&'static str> {
    for batch in batches {
        assign(batch, true, &mut wanted);
    }
    wanted
}

/// The machine that assignment `mutant`.
fn job(mutant: &Mutant) -> VmJob {
    jobs().swap_remove(place(mutant))
}

/// The index of that machine among all, the longest first.
pub fn place(mutant: &Mutant) -> usize {
    jobs()
        .iter()
        .position(|job| {
            let promises = promises_of(&job.scenarios);
            promises.iter().any(|promise| catches(promise, mutant))
        })
        .expect("a test checks that every mutant names a promise")
}

/// How often the machine that assignment `mutant` is switched on.
pub fn boots(mutant: &Mutant) -> usize {
    let scenarios = job(mutant).scenarios.into_iter();
    scenarios.map(|scenario| scenario.boots).max().unwrap_or(1)
}

/// Whether the machine of `mutant` mostly waits and keeps no core busy: for a login that does not come, or for a slow
/// network or container.
pub fn mostly_waits(mutant: &Mutant) -> bool {
    !mutant.comes_up || job(mutant).scenarios.iter().any(|one| one.fault)
}

/// Whether `promise` is expected to catch `mutant`.
fn catches(promise: &Promise, mutant: &Mutant) -> bool {
    promise.id == mutant.caught_by
}

/// Whether `mutant` is known to break `promise`, or to prevent its check.
fn spoils(mutant: &Mutant, promise: &Promise) -> bool {
    let known = catches(promise, mutant) || mutant.also.contains(&promise.id);
    known || mutant.alone || !mutant.comes_up
}

fn jobs() -> Vec<VmJob> {
    Plan::new(&SCENARIOS.iter().collect::<Vec<_>>()).vm_jobs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutant;
    use crate::scenario::PROMISES;

    fn named(id: &str) -> &'static Mutant {
        mutant::all().find(|mutant| mutant.id == id).unwrap()
    }

    #[test]
    fn a_mutant_is_judged_on_the_machine_of_its_promise() {
        for mutant in mutant::all() {
            let assignments = control_assignments(|promise| catches(promise, mutant));
            assert_eq!(assignments.len(), 1, "{}", mutant.id);
            assert_eq!(assignments[0].promises.len(), 1, "{}", mutant.id);
            assert_eq!(assignments[0].job.name, job(mutant).name, "{}", mutant.id);
        }
    }

    #[test]
    fn every_promise_is_checked_once() {
        let assignments = control_assignments(|_| true);
        let promises: usize = assignments.iter().map(|one| one.promises.len()).sum();
        assert_eq!(
            (promises, assignments.len()),
            (PROMISES.len(), jobs().len())
        );
    }

    #[test]
    fn scenarios_of_one_machine_have_one_index() {
        let place = |id: &str| place(named(id));
        assert_eq!(place("ssh.root-login"), place("firewall.off"));
        assert_ne!(place("ssh.root-login"), place("stick.root-kept"));
    }

    #[test]
    fn what_mostly_waits_is_told_from_what_keeps_a_core_busy() {
        for (id, waits) in [
            ("boot.no-serial-console", true),
            ("fault.gives-up-on-dhcp", true),
            ("ssh.root-login", false),
        ] {
            assert_eq!(mostly_waits(named(id)), waits, "{id}");
        }
    }

    #[test]
    fn what_no_mutant_there_spoils_is_checked_once_in_passing() {
        let mut unchecked = BTreeSet::from(["ssh.root-refused", "firewall.only-open-ports"]);
        let mut checked = |id: &str, quick| {
            let assignment = assign(&[named(id)], quick, &mut unchecked);
            let ids = assignment.promises.iter().map(|promise| promise.id);
            ids.collect::<Vec<_>>()
        };
        let (port, root) = ("firewall.only-open-ports", "ssh.root-refused");
        // Nothing can be looked at on a machine without a shell for root.
        assert_eq!(checked("system.sudo-asks", true), ["system.identity"]);
        assert_eq!(checked("firewall.off", true), [root, port]);
        assert_eq!(checked("ssh.weak-cipher", true)[1..], [port]);
        assert_eq!(checked("ssh.weak-cipher", true).len(), 1);
        assert!(checked("ssh.weak-cipher", false).len() > 10);
    }

    #[test]
    fn a_promise_spoiled_on_every_machine_needs_a_control() {
        let wanted = PROMISES.iter().map(|promise| promise.id).collect();
        let batches = [vec![named("firewall.off"), named("system.host-name")]];
        let left = uncovered(&batches, wanted);
        let covered = |id| !left.contains(id);
        assert!(covered("ssh.root-refused"));
        assert!(!covered("firewall.only-open-ports") && !covered("system.identity"));
        assert!(!covered("boot.no-drives"), "that is another machine");
    }
}
