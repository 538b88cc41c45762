//! Which mutants can share a machine. The cost of a mutant is a boot, and most defects do not interfere: each is
//! recognised by its [symptom](Mutant::symptom). (Group testing, after R. Dorfman, "The Detection of Defective Members of
//! Large Populations", 1943.)

use serde_json::Value;

use super::{Edit, Mutant};

/// Groups `mutants` by first fit, in their order; the edits of each group apply to `record` together. `machine` gives a key,
/// such as the scenario that judges a mutant: only mutants with equal keys are grouped.
pub fn batches<K: PartialEq>(
    mutants: &[&'static Mutant],
    record: &Value,
    machine: impl Fn(&Mutant) -> K,
) -> Vec<Vec<&'static Mutant>> {
    let mut batches: Vec<(K, Value, Vec<&'static Mutant>)> = Vec::new();
    for &mutant in mutants {
        let place = machine(mutant);
        let fitting = batches.iter_mut().find_map(|(other, changed, batch)| {
            let fits = *other == place && batch.iter().all(|one| go_together(one, mutant));
            let both = fits.then(|| mutant.apply(changed).ok()).flatten()?;
            Some((both, changed, batch))
        });
        match fitting {
            Some((both, changed, batch)) => {
                *changed = both;
                batch.push(mutant);
            }
            // One that does not fit the record alone is reported when it is run.
            None => {
                let changed = mutant.apply(record).unwrap_or_else(|_| record.clone());
                batches.push((place, changed, vec![mutant]));
            }
        }
    }
    batches.into_iter().map(|(_, _, batch)| batch).collect()
}

/// Whether both can be judged on one machine. A mutant that breaks several promises may hide that another breaks one of
/// them.
fn go_together(one: &Mutant, other: &Mutant) -> bool {
    let breaks_that_of = |breaks: &Mutant, judged: &Mutant| breaks.also.contains(&judged.caught_by);
    let same_promise = one.caught_by == other.caught_by;
    let several = !one.also.is_empty() || !other.also.is_empty();
    let overlap = |(a, b): (&Edit, &Edit)| a.overlaps(b);
    let mut pairs = one
        .edits
        .iter()
        .flat_map(|edit| other.edits.iter().map(move |another| (edit, another)));
    let shareable = |one: &Mutant| one.comes_up && !one.alone;
    shareable(one)
        && shareable(other)
        && one.held_to == other.held_to
        && one.symptom != other.symptom
        && !(same_promise && several)
        && !breaks_that_of(one, other)
        && !breaks_that_of(other, one)
        && !pairs.any(overlap)
}

/// `with` ran on a machine without `mutant`; `evidence` is that of the promise which catches them. If it contains the symptom of
/// `mutant` all the same, returns the mutant of `with` that must have caused it and may be grouped with `mutant`: together,
/// nothing would show which of the two was caught.
pub fn shown_without(
    mutant: &Mutant,
    with: &[&'static Mutant],
    evidence: &str,
) -> Option<&'static Mutant> {
    let same_promise = |other: &&&'static Mutant| other.caught_by == mutant.caught_by;
    let others = || with.iter().filter(same_promise).copied();
    let explained = others().any(|other| other.symptom == mutant.symptom);
    if explained || !evidence.contains(mutant.symptom) {
        return None;
    }
    others().find(|other| go_together(other, mutant))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutant::{self, HeldTo};
    use crate::{project, snapshot};

    const ONE: Mutant = Mutant {
        id: "a.one",
        breaks: "",
        caught_by: "first",
        symptom: "one is broken",
        also: &[],
        edits: &[Edit::Set("/one", "2")],
        nixos: None,
        held_to: HeldTo::Itself,
        comes_up: true,
        alone: false,
    };
    const OTHER: Mutant = Mutant {
        id: "a.other",
        symptom: "the other is broken",
        edits: &[Edit::Set("/other", "2")],
        ..ONE
    };

    #[test]
    fn mutants_with_different_symptoms_share_a_machine() {
        assert!(go_together(&ONE, &OTHER));
        let apart = [
            Mutant {
                symptom: ONE.symptom,
                ..OTHER
            },
            Mutant {
                edits: ONE.edits,
                ..OTHER
            },
            Mutant {
                comes_up: false,
                ..OTHER
            },
            Mutant {
                alone: true,
                ..OTHER
            },
            Mutant {
                held_to: HeldTo::Unchanged,
                ..OTHER
            },
            Mutant {
                also: &["second"],
                ..OTHER
            },
            Mutant {
                caught_by: "second",
                also: &["first"],
                ..OTHER
            },
        ];
        for other in &apart {
            assert!(!go_together(&ONE, other), "{other:?}");
            assert!(!go_together(other, &ONE), "{other:?}");
        }
    }

    #[test]
    fn a_symptom_shown_by_another_mutant_is_found() {
        static SHOWS: Mutant = OTHER;
        let shown = |evidence| shown_without(&ONE, &[&SHOWS], evidence).map(|other| other.id);
        assert_eq!(shown("the other is broken"), None);
        assert_eq!(shown("the other is broken; one is broken"), Some("a.other"));
        static SAME: Mutant = Mutant {
            symptom: ONE.symptom,
            ..OTHER
        };
        let with = [&SHOWS, &SAME];
        assert!(shown_without(&ONE, &with, "one is broken").is_none());
    }

    #[test]
    fn every_mutant_is_in_one_batch_that_fits_the_record() {
        let record = snapshot::load_json(&snapshot::folder(&project::root().unwrap())).unwrap();
        let all: Vec<&'static Mutant> = mutant::all().collect();
        let batches = batches(&all, &record, |mutant| mutant.caught_by);
        let mut batched: Vec<&str> = batches.iter().flatten().map(|one| one.id).collect();
        let mut ids: Vec<&str> = all.iter().map(|one| one.id).collect();
        batched.sort_unstable();
        ids.sort_unstable();
        assert_eq!(batched, ids);
        assert!(batches.len() < all.len());
        for batch in &batches {
            let mut changed = record.clone();
            for mutant in batch {
                changed = mutant.apply(&changed).unwrap();
            }
        }
    }

    #[test]
    fn no_symptom_is_a_part_of_another_of_the_same_promise() {
        for one in mutant::all() {
            for other in mutant::all().filter(|other| other.caught_by == one.caught_by) {
                assert!(
                    one.symptom == other.symptom || !one.symptom.contains(other.symptom),
                    "{} and {}",
                    one.id,
                    other.id
                );
            }
        }
    }
}
