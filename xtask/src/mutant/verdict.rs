//! Whether a mutant was caught, and by whom.

use serde::Serialize;

use super::Mutant;
use crate::outcome::{PromiseOutcome, Verdict as Checked};

/// What became of a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The promise that names it is broken, and no unrelated one.
    Killed,
    /// Every promise was kept.
    Survived,
    /// A promise is broken that has nothing to do with it, or only others than the one that names it; or that one by
    /// something else.
    WrongReason,
    /// Nothing is known about it.
    NotRun,
}

/// Judges `mutant` by the promises that were looked at on its machine, which had the mutants `beside` it as well; `came_up`
/// says that the machine got to a login. The second part says why it was not killed.
pub fn judge<'a>(
    mutant: &Mutant,
    beside: &[&Mutant],
    promises: impl Iterator<Item = &'a PromiseOutcome>,
    came_up: bool,
) -> (Verdict, Option<String>) {
    if mutant.comes_up && !came_up {
        let why = "the machine did not come up in time, which this defect is not the cause of";
        return (Verdict::NotRun, Some(why.to_string()));
    }
    // A check that was not carried out has caught nothing, though it found nothing kept either.
    let promises: Vec<&PromiseOutcome> = promises.collect();
    let broken = |promise: &PromiseOutcome| promise.verdict == Checked::Fail && promise.found;
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
        Some(Checked::Fail) if named.is_some_and(|named| !named.found) => {
            let why = named.map_or("", |named| &named.evidence);
            let why = format!("the check could not be carried out: {why}");
            (Verdict::NotRun, Some(why))
        }
        Some(Checked::Fail)
            if named.is_some_and(|named| !named.evidence.contains(mutant.symptom)) =>
        {
            let seen = named.map_or("", |named| &named.evidence);
            let why = format!(
                "{} is broken, but not as this does ({:?}): {seen}",
                mutant.caught_by, mutant.symptom
            );
            (Verdict::WrongReason, Some(why))
        }
        Some(Checked::Fail) if unrelated.is_empty() => (Verdict::Killed, None),
        Some(Checked::Fail) => (
            Verdict::WrongReason,
            Some(format!(
                "unrelated, and broken too: {}",
                unrelated.join(", ")
            )),
        ),
        Some(Checked::Pass) if others.is_empty() => {
            let seen = named.map_or("", |promise| &promise.evidence);
            (Verdict::Survived, Some(format!("kept: {seen}")))
        }
        _ if !others.is_empty() => (
            Verdict::WrongReason,
            Some(format!("{} did not catch it", mutant.caught_by)),
        ),
        _ => {
            let why = named.map_or("it is not checked on this machine", |promise| {
                &promise.evidence
            });
            let why = format!("{} was not judged: {why}", mutant.caught_by);
            (Verdict::NotRun, Some(why))
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

    fn checked(promises: &[(&str, Checked)]) -> Vec<PromiseOutcome> {
        let report = |(id, verdict): &(&str, Checked)| PromiseOutcome {
            id: id.to_string(),
            promise: String::new(),
            verdict: *verdict,
            evidence: "this is well; it is broken".to_string(),
            found: true,
            seconds: 0.0,
        };
        promises.iter().map(report).collect()
    }

    fn verdict(promises: &[PromiseOutcome], beside: &[&Mutant]) -> Verdict {
        let (verdict, why) = judge(&MUTANT, beside, promises.iter(), true);
        assert_eq!(why.is_none(), verdict == Verdict::Killed);
        verdict
    }

    #[test]
    fn only_the_promise_that_names_it_kills() {
        use Checked::{Fail, Pass, Skip};
        for (named, related, unrelated, expected) in [
            (Fail, Pass, Pass, Verdict::Killed),
            (Fail, Fail, Skip, Verdict::Killed),
            (Fail, Pass, Fail, Verdict::WrongReason),
            (Pass, Pass, Pass, Verdict::Survived),
            (Pass, Fail, Pass, Verdict::WrongReason),
            (Pass, Pass, Fail, Verdict::WrongReason),
            (Skip, Fail, Skip, Verdict::WrongReason),
            (Skip, Pass, Skip, Verdict::NotRun),
        ] {
            let checked = checked(&[
                ("named", named),
                ("related", related),
                ("unrelated", unrelated),
            ]);
            assert_eq!(verdict(&checked, &[]), expected, "{checked:?}");
            // A machine that was late has judged nothing.
            let (late, _) = judge(&MUTANT, &[], checked.iter(), false);
            assert_eq!(late, Verdict::NotRun);
        }
        assert_eq!(verdict(&[], &[]), Verdict::NotRun);
    }

    #[test]
    fn a_check_that_found_nothing_does_not_kill() {
        let mut promises = checked(&[("named", Checked::Fail)]);
        promises[0].found = false;
        assert_eq!(verdict(&promises, &[]), Verdict::NotRun);
    }

    #[test]
    fn a_promise_that_something_else_has_broken_does_not_kill() {
        let mut promises = checked(&[("named", Checked::Fail)]);
        promises[0].evidence = "something else is broken".to_string();
        assert_eq!(verdict(&promises, &[]), Verdict::WrongReason);
    }

    #[test]
    fn what_mutants_on_the_same_machine_break_is_theirs() {
        use Checked::{Fail, Pass};
        let beside = Mutant {
            caught_by: "theirs",
            also: &["theirs too"],
            ..MUTANT
        };
        let promises = checked(&[("named", Fail), ("theirs", Fail), ("theirs too", Fail)]);
        assert_eq!(verdict(&promises, &[&beside]), Verdict::Killed);
        assert_eq!(verdict(&promises, &[]), Verdict::WrongReason);
        let promises = checked(&[("named", Pass), ("theirs", Fail)]);
        assert_ne!(verdict(&promises, &[&beside]), Verdict::Killed);
    }
}
