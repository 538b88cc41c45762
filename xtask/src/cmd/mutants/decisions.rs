//! Decides about mutants, given the results of their machine. Pure functions.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::error::one_line;
use crate::mutant::{self, Mutant};
use crate::outcome::{BrokenPromise, KillVerdict, MutantOutcome, PromiseOutcome, Verdict};

/// The mutants of one machine.
pub type Batch = Vec<&'static Mutant>;

/// The results of one machine.
pub struct MachineResults {
    pub promises: Vec<PromiseOutcome>,
    /// It got to a login.
    pub came_up: bool,
}

/// The promises that are expected to catch `mutants`.
pub fn caught_by<'m>(mutants: impl Iterator<Item = &'m &'static Mutant>) -> BTreeSet<&'static str> {
    mutants.map(|mutant| mutant.caught_by).collect()
}

/// Whether a verdict from a machine with `mutants` mutants is final. A kill is, for its symptom proves it; anything else
/// may be the work of another mutant there, unless there was no other.
pub fn is_final(verdict: KillVerdict, mutants: usize) -> bool {
    mutants == 1 || verdict == KillVerdict::Killed
}

/// The outcome of a mutant, on a machine with `beside`, about which nothing is known yet.
pub fn not_run(mutant: &Mutant, beside: &[&Mutant], seconds: f64) -> MutantOutcome {
    MutantOutcome {
        id: mutant.id.to_string(),
        breaks: mutant.breaks.to_string(),
        expected: mutant.caught_by.to_string(),
        symptom: mutant.symptom.to_string(),
        beside: beside.iter().map(|other| other.id.to_string()).collect(),
        verdict: KillVerdict::NotRun,
        why: None,
        caught_by: Vec::new(),
        seconds,
    }
}

/// Judges `mutant`, one of `batch`, by the results of their machine.
pub fn judged(
    mutant: &'static Mutant,
    batch: &[&'static Mutant],
    results: &Result<MachineResults>,
    seconds: f64,
) -> MutantOutcome {
    let others = batch.iter().copied().filter(|other| other.id != mutant.id);
    let beside: Vec<&Mutant> = others.collect();
    let outcome = not_run(mutant, &beside, seconds);
    let MachineResults { promises, came_up } = match results {
        Ok(results) => results,
        Err(error) => {
            return MutantOutcome {
                why: Some(one_line(error)),
                ..outcome
            };
        }
    };
    let (verdict, why) = mutant::judge(mutant, &beside, promises.iter(), *came_up);
    let broken = promises
        .iter()
        .filter(|promise| promise.verdict == Verdict::Fail && promise.found)
        .filter(|promise| {
            let id = promise.id.as_str();
            beside.is_empty() || id == mutant.caught_by || mutant.also.contains(&id)
        });
    MutantOutcome {
        verdict,
        why,
        caught_by: broken.map(BrokenPromise::from).collect(),
        ..outcome
    }
}

/// The groups in which undecided mutants run again: without the decided ones, which may have hidden them; in two halves if
/// all of the machine were undecided.
pub fn smaller(mut again: Batch, all: bool) -> Vec<Batch> {
    if !all {
        return vec![again];
    }
    let half = again.split_off(again.len() / 2);
    vec![again, half]
}

/// One line about the undecided mutants of `machine`.
pub fn undecided(machine: &str, open: &[MutantOutcome]) -> String {
    let ids: Vec<&str> = open.iter().map(|outcome| outcome.id.as_str()).collect();
    let why = open.iter().find_map(|outcome| outcome.why.as_deref());
    format!(
        "undecided on the machine of {machine}, run again in smaller groups: {} ({})",
        ids.join(", "),
        why.and_then(|why| why.lines().next()).unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undecided_mutants_run_again_in_smaller_groups() {
        for count in 2..6 {
            let open: Batch = mutant::all().take(count).collect();
            let ids = |batch: &Batch| batch.iter().map(|one| one.id).collect::<Vec<_>>();
            let rest = smaller(open.clone(), false);
            assert_eq!(rest.iter().map(ids).collect::<Vec<_>>(), [ids(&open)]);
            let halves = smaller(open.clone(), true);
            assert!(halves.iter().all(|half| (1..count).contains(&half.len())));
            assert_eq!(halves.iter().flat_map(ids).collect::<Vec<_>>(), ids(&open));
        }
    }

    fn named(id: &str) -> &'static Mutant {
        mutant::all().find(|mutant| mutant.id == id).unwrap()
    }

    fn promise(id: &str, verdict: Verdict, evidence: &str) -> PromiseOutcome {
        PromiseOutcome {
            id: id.to_string(),
            promise: String::new(),
            verdict,
            evidence: evidence.to_string(),
            found: true,
            seconds: 0.0,
        }
    }

    #[test]
    fn only_a_kill_is_final_on_a_shared_machine() {
        use KillVerdict::{Killed, NotRun, Survived, WrongReason};
        for verdict in [Killed, Survived, WrongReason, NotRun] {
            assert!(is_final(verdict, 1), "{verdict:?}");
            assert_eq!(is_final(verdict, 2), verdict == Killed, "{verdict:?}");
        }
    }

    #[test]
    fn a_machine_that_could_not_run_decides_nothing() {
        let mutant = named("ssh.root-login");
        let failed = Err(anyhow::anyhow!("no space left"));
        let outcome = judged(mutant, &[mutant], &failed, 1.0);
        assert_eq!(outcome.verdict, KillVerdict::NotRun);
        assert_eq!(outcome.why.as_deref(), Some("no space left"));
    }

    #[test]
    fn a_mutant_is_blamed_for_its_own_promises_only() {
        let (one, other) = (named("system.time-zone"), named("ssh.root-login"));
        let results = Ok(MachineResults {
            promises: vec![
                promise(one.caught_by, Verdict::Fail, one.symptom),
                promise(other.caught_by, Verdict::Fail, other.symptom),
            ],
            came_up: true,
        });
        let outcome = judged(one, &[one, other], &results, 1.0);
        assert_eq!(outcome.verdict, KillVerdict::Killed);
        assert_eq!(outcome.killers(), [one.caught_by]);
        assert_eq!(outcome.beside, [other.id]);
        // Alone it is blamed for everything that is broken there.
        let outcome = judged(one, &[one], &results, 1.0);
        assert_eq!(outcome.killers(), [one.caught_by, other.caught_by]);
    }

    #[test]
    fn a_check_that_could_not_run_is_not_a_kill() {
        let mutant = named("system.time-zone");
        let mut broken = promise(mutant.caught_by, Verdict::Fail, mutant.symptom);
        broken.found = false;
        let results = Ok(MachineResults {
            promises: vec![broken],
            came_up: true,
        });
        let outcome = judged(mutant, &[mutant], &results, 1.0);
        assert_eq!(outcome.verdict, KillVerdict::NotRun);
        assert!(outcome.caught_by.is_empty());
    }
}
