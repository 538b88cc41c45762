//! Which machine judges a mutant, and by which promises.

use std::collections::BTreeSet;

use crate::mutant::Mutant;
use crate::scenario::{Plan, Promise, SCENARIOS, VmJob, promises_of};

/// A machine, and what is looked at on it.
pub struct Hearing {
    pub lane: VmJob,
    pub promises: Vec<&'static Promise>,
}

/// The machines that it takes to look at the promises that are `wanted`, the longest first.
pub fn hearings(wanted: impl Fn(&Promise) -> bool) -> Vec<Hearing> {
    let hearing = |lane: VmJob| {
        let mut promises = promises_of(&lane.scenarios);
        promises.retain(|promise| wanted(promise));
        Hearing { lane, promises }
    };
    let mut hearings: Vec<Hearing> = lanes().into_iter().map(hearing).collect();
    hearings.retain(|hearing| !hearing.promises.is_empty());
    hearings
}

/// What is looked at on the machine of `batch`, which is not empty: everything there or, to be `quick`, what is to catch one
/// of them. And, in passing, what is still `unasked`, if none of them spoils it; that is taken out of the set.
pub fn hearing(
    batch: &[&'static Mutant],
    quick: bool,
    unasked: &mut BTreeSet<&'static str>,
) -> Hearing {
    let lane = lane(batch[0]);
    let mut promises = promises_of(&lane.scenarios);
    promises.retain(|promise| {
        let spoilt = batch.iter().any(|one| spoils(one, promise));
        let in_passing = !spoilt && unasked.remove(promise.id);
        in_passing || !quick || batch.iter().any(|one| catches(promise, one))
    });
    Hearing { lane, promises }
}

/// Those of the promises `asked` for that no machine of `batches`, none of which is empty, can look at in passing.
pub fn unheard(
    batches: &[Vec<&'static Mutant>],
    mut asked: BTreeSet<&'static str>,
) -> BTreeSet<&'static str> {
    for batch in batches {
        hearing(batch, true, &mut asked);
    }
    asked
}

/// The machine that judges `mutant`.
fn lane(mutant: &Mutant) -> VmJob {
    lanes().swap_remove(place(mutant))
}

/// The place of that machine among all, the longest first.
pub fn place(mutant: &Mutant) -> usize {
    lanes()
        .iter()
        .position(|lane| {
            let promises = promises_of(&lane.scenarios);
            promises.iter().any(|promise| catches(promise, mutant))
        })
        .expect("the mutants' tests hold them to the promises that there are")
}

/// How often the machine that judges `mutant` is switched on.
pub fn boots(mutant: &Mutant) -> usize {
    let scenarios = lane(mutant).scenarios.into_iter();
    scenarios.map(|scenario| scenario.boots).max().unwrap_or(1)
}

/// Whether most of the time that it takes to judge `mutant` passes in waiting: for a login that does not come, or for a
/// network or a container that takes its time.
pub fn is_waited_for(mutant: &Mutant) -> bool {
    !mutant.comes_up || lane(mutant).scenarios.iter().any(|one| one.fault)
}

/// Whether `promise` is the one that is to catch `mutant`.
fn catches(promise: &Promise, mutant: &Mutant) -> bool {
    promise.id == mutant.caught_by
}

/// Whether `mutant` is known to break `promise`, or to keep it from being looked at.
fn spoils(mutant: &Mutant, promise: &Promise) -> bool {
    let known = catches(promise, mutant) || mutant.also.contains(&promise.id);
    known || mutant.alone || !mutant.comes_up
}

fn lanes() -> Vec<VmJob> {
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
            let hearings = hearings(|promise| catches(promise, mutant));
            assert_eq!(hearings.len(), 1, "{}", mutant.id);
            assert_eq!(hearings[0].promises.len(), 1, "{}", mutant.id);
            assert_eq!(hearings[0].lane.name, lane(mutant).name, "{}", mutant.id);
        }
    }

    #[test]
    fn every_promise_is_looked_at_once() {
        let hearings = hearings(|_| true);
        let promises: usize = hearings.iter().map(|one| one.promises.len()).sum();
        assert_eq!((promises, hearings.len()), (PROMISES.len(), lanes().len()));
    }

    #[test]
    fn scenarios_of_one_machine_have_one_place() {
        let place = |id: &str| place(named(id));
        assert_eq!(place("ssh.root-login"), place("firewall.off"));
        assert_ne!(place("ssh.root-login"), place("stick.root-kept"));
    }

    #[test]
    fn what_is_waited_for_is_told_from_what_keeps_a_core_busy() {
        for (id, waits) in [
            ("boot.no-serial-console", true),
            ("fault.gives-up-on-dhcp", true),
            ("ssh.root-login", false),
        ] {
            assert_eq!(is_waited_for(named(id)), waits, "{id}");
        }
    }

    #[test]
    fn what_no_mutant_there_spoils_is_looked_at_once_in_passing() {
        let mut unasked = BTreeSet::from(["ssh.root-refused", "firewall.only-open-ports"]);
        let mut looked_at = |id: &str, quick| {
            let hearing = hearing(&[named(id)], quick, &mut unasked);
            let ids = hearing.promises.iter().map(|promise| promise.id);
            ids.collect::<Vec<_>>()
        };
        let (port, root) = ("firewall.only-open-ports", "ssh.root-refused");
        // Nothing can be looked at on a machine without a shell for root.
        assert_eq!(looked_at("system.sudo-asks", true), ["system.identity"]);
        assert_eq!(looked_at("firewall.off", true), [root, port]);
        assert_eq!(looked_at("ssh.weak-cipher", true)[1..], [port]);
        assert_eq!(looked_at("ssh.weak-cipher", true).len(), 1);
        assert!(looked_at("ssh.weak-cipher", false).len() > 10);
    }

    #[test]
    fn a_promise_that_every_machine_spoils_needs_one_without_a_mutant() {
        let asked = PROMISES.iter().map(|promise| promise.id).collect();
        let batches = [vec![named("firewall.off"), named("system.host-name")]];
        let left = unheard(&batches, asked);
        let heard = |id| !left.contains(id);
        assert!(heard("ssh.root-refused"));
        assert!(!heard("firewall.only-open-ports") && !heard("system.identity"));
        assert!(!heard("boot.no-drives"), "that is another machine");
    }
}
