//! Whether a mutant was killed, judged by the verdicts on the promises.

use super::Mutant;
use crate::outcome::{KillVerdict, PromiseOutcome, Verdict};

/// Judges `mutant` by the promises that were checked on its machine, which it shared with the mutants `beside`.
/// `came_up`: the machine got to a login. The second value is the reason if it was not killed.
pub fn judge<'a>(
    mutant: &Mutant,
    beside: &[&Mutant],
    promises: impl Iterator<Item = &'a PromiseOutcome>,
    came_up: bool,
) -> (KillVerdict, Option<String>) {
    if mutant.comes_up && !came_up {
        let why = "the machine did not come up in time, and this defect is not the cause";
        return (KillVerdict::NotRun, Some(why.to_string()));
    }
    // A check that could not run has caught nothing, although its verdict is Fail.
    let promises: Vec<&PromiseOutcome> = promises.collect();
    let broken = |promise: &PromiseOutcome| promise.verdict == Verdict::Fail && promise.found;
    let named = promises
        .iter()
        .find(|promise| promise.id == mutant.caught_by);
    let others: Vec<&str> = promises
        .iter()
        .filter(|promise| broken(promise) && promise.id != mutant.caught_by)
        .map(|promise| promise.id.as_str())
        .collect();
    let unrelated: Vec<&str> = others
        .iter()
        .copied()
        .filter(|id| !mutant.also.contains(id))
        .filter(|id| {
            let mut theirs = beside.iter();
            !theirs.any(|one| one.caught_by == *id || one.also.contains(id))
        })
        .collect();
    match named.map(|promise| promise.verdict) {
        Some(Verdict::Fail) if named.is_some_and(|named| !named.found) => {
            let why = named.map_or("", |named| &named.evidence);
            let why = format!("the check could not run: {why}");
            (KillVerdict::NotRun, Some(why))
        }
        Some(Verdict::Fail)
            if named.is_some_and(|named| !named.evidence.contains(mutant.symptom)) =>
        {
            let seen = named.map_or("", |named| &named.evidence);
            let why = format!(
                "{} is broken, but not as this does ({:?}): {seen}",
                mutant.caught_by, mutant.symptom
            );
            (KillVerdict::WrongReason, Some(why))
        }
        Some(Verdict::Fail) if unrelated.is_empty() => (KillVerdict::Killed, None),
        Some(Verdict::Fail) => (
            KillVerdict::WrongReason,
            Some(format!(
                "unrelated, and broken too: {}",
                unrelated.join(", ")
            )),
        ),
        Some(Verdict::Pass) if others.is_empty() => {
            let seen = named.map_or("", |promise| &promise.evidence);
            (KillVerdict::Survived, Some(format!("kept: {seen}")))
        }
        _ if !others.is_empty() => (
            KillVerdict::WrongReason,
            Some(format!("{} did not catch it", mutant.caught_by)),
        ),
        _ => {
            let why = named.map_or("it was not checked on this machine", |promise| {
                &promise.evidence
            });
            let why = format!("{} was not judged: {why}", mutant.caught_by);
            (KillVerdict::NotRun, Some(why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutant::HeldTo;

    const MUTANT: Mutant = Mutant {
        id: "a.b",
        breaks: "",
        caught_by: "named",
        symptom: "it is broken",
        also: &["related"],
        edits: &[],
        nixos: None,
        held_to: HeldTo::Itself,
        comes_up: true,
        alone: false,
    };

    fn checked(promises: &[(&str, Verdict)]) -> Vec<PromiseOutcome> {
        let report = |(id, verdict): &(&str, Verdict)| PromiseOutcome {
            id: id.to_string(),
            promise: String::new(),
            verdict: *verdict,
            evidence: "this is well; it is broken".to_string(),
            found: true,
            seconds: 0.0,
        };
        promises.iter().map(report).collect()
    }

    fn verdict(promises: &[PromiseOutcome], beside: &[&Mutant]) -> KillVerdict {
        let (verdict, why) = judge(&MUTANT, beside, promises.iter(), true);
        assert_eq!(why.is_none(), verdict == KillVerdict::Killed);
        verdict
    }

    #[test]
    fn only_the_promise_that_names_a_mutant_kills_it() {
        use Verdict::{Fail, Pass, Skip};
        for (named, related, unrelated, expected) in [
            (Fail, Pass, Pass, KillVerdict::Killed),
            (Fail, Fail, Skip, KillVerdict::Killed),
            (Fail, Pass, Fail, KillVerdict::WrongReason),
            (Pass, Pass, Pass, KillVerdict::Survived),
            (Pass, Fail, Pass, KillVerdict::WrongReason),
            (Pass, Pass, Fail, KillVerdict::WrongReason),
            (Skip, Fail, Skip, KillVerdict::WrongReason),
            (Skip, Pass, Skip, KillVerdict::NotRun),
        ] {
            let checked = checked(&[
                ("named", named),
                ("related", related),
                ("unrelated", unrelated),
            ]);
            assert_eq!(verdict(&checked, &[]), expected, "{checked:?}");
            // A machine that did not come up in time judges nothing.
            let (late, _) = judge(&MUTANT, &[], checked.iter(), false);
            assert_eq!(late, KillVerdict::NotRun);
        }
        assert_eq!(verdict(&[], &[]), KillVerdict::NotRun);
    }

    #[test]
    fn a_check_that_could_not_run_does_not_kill() {
        let mut promises = checked(&[("named", Verdict::Fail)]);
        promises[0].found = false;
        assert_eq!(verdict(&promises, &[]), KillVerdict::NotRun);
    }

    #[test]
    fn a_promise_broken_by_another_defect_does_not_kill() {
        let mut promises = checked(&[("named", Verdict::Fail)]);
        promises[0].evidence = "something else is broken".to_string();
        assert_eq!(verdict(&promises, &[]), KillVerdict::WrongReason);
    }

    #[test]
    fn promises_broken_by_mutants_on_the_same_machine_are_not_unrelated() {
        use Verdict::{Fail, Pass};
        let beside = Mutant {
            caught_by: "theirs",
            also: &["theirs too"],
            ..MUTANT
        };
        let promises = checked(&[("named", Fail), ("theirs", Fail), ("theirs too", Fail)]);
        assert_eq!(verdict(&promises, &[&beside]), KillVerdict::Killed);
        assert_eq!(verdict(&promises, &[]), KillVerdict::WrongReason);
        let promises = checked(&[("named", Pass), ("theirs", Fail)]);
        assert_ne!(verdict(&promises, &[&beside]), KillVerdict::Killed);
    }
}
