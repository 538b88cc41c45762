//! Whether a mutant was caught, and by whom.

use serde::Serialize;

use super::Mutant;
use crate::report::{PromiseReport, Verdict as Checked};

/// What became of a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The promise that names it is broken, and no unrelated one.
    Killed,
    /// Every promise was kept.
    Survived,
    /// A promise is broken that has nothing to do with it, or only others than the one that names it.
    WrongPromise,
    /// Nothing is known about it.
    NotRun,
}

/// Judges `mutant` by the promises that were looked at on its machine; `came_up` says that the machine got to a login.
/// The second part says why it was not killed.
pub fn judge<'a>(
    mutant: &Mutant,
    promises: impl Iterator<Item = &'a PromiseReport>,
    came_up: bool,
) -> (Verdict, Option<String>) {
    if mutant.comes_up && !came_up {
        let why = "the machine did not come up in time, which this defect is not the cause of";
        return (Verdict::NotRun, Some(why.to_string()));
    }
    // A check that was not carried out has caught nothing, though it found nothing kept either.
    let promises: Vec<&PromiseReport> = promises.collect();
    let broken = |promise: &PromiseReport| promise.verdict == Checked::Fail && promise.found;
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
        .collect();
    match named.map(|promise| promise.verdict) {
        Some(Checked::Fail) if named.is_some_and(|named| !named.found) => {
            let why = named.map_or("", |named| &named.evidence);
            let why = format!("the check could not be carried out: {why}");
            (Verdict::NotRun, Some(why))
        }
        Some(Checked::Fail) if unrelated.is_empty() => (Verdict::Killed, None),
        Some(Checked::Fail) => (
            Verdict::WrongPromise,
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
            Verdict::WrongPromise,
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
        also: &["related"],
        edits: &[],
        nixos: None,
        held_to: HeldTo::Itself,
        comes_up: true,
    };

    fn verdict(checked: &[(&str, Checked)]) -> Verdict {
        let mut promises: Vec<PromiseReport> = checked
            .iter()
            .map(|(id, verdict)| PromiseReport {
                id: id.to_string(),
                promise: String::new(),
                verdict: *verdict,
                evidence: String::new(),
                found: true,
                seconds: 0.0,
            })
            .collect();
        let (verdict, why) = judge(&MUTANT, promises.iter(), true);
        assert_eq!(why.is_none(), verdict == Verdict::Killed);
        if verdict == Verdict::Killed {
            promises[0].found = false;
            let (uncertain, _) = judge(&MUTANT, promises.iter(), true);
            assert_eq!(uncertain, Verdict::NotRun, "nothing was found");
        }
        // A machine that was late has judged nothing.
        let (late, _) = judge(&MUTANT, promises.iter(), false);
        assert_eq!(late, Verdict::NotRun);
        verdict
    }

    #[test]
    fn only_the_promise_that_names_it_kills() {
        use Checked::{Fail, Pass, Skip};
        for (named, related, unrelated, expected) in [
            (Fail, Pass, Pass, Verdict::Killed),
            (Fail, Fail, Skip, Verdict::Killed),
            (Fail, Pass, Fail, Verdict::WrongPromise),
            (Pass, Pass, Pass, Verdict::Survived),
            (Pass, Fail, Pass, Verdict::WrongPromise),
            (Pass, Pass, Fail, Verdict::WrongPromise),
            (Skip, Fail, Skip, Verdict::WrongPromise),
            (Skip, Pass, Skip, Verdict::NotRun),
        ] {
            let checked = [
                ("named", named),
                ("related", related),
                ("unrelated", unrelated),
            ];
            assert_eq!(verdict(&checked), expected, "{checked:?}");
        }
        assert_eq!(verdict(&[]), Verdict::NotRun);
    }
}
