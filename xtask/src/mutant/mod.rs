//! Mutants: configurations with one defect each, which one promise has to catch. A check that no mutant can fail checks
//! nothing.

mod batch;
mod boot;
mod containment;
mod docker;
mod edit;
mod fault;
mod firewall;
mod forwarding;
mod gpu;
mod health;
mod image;
mod network;
mod ollama;
mod persist;
mod real_ollama;
mod settings;
mod ssh;
mod stick;
mod system;
mod update;
mod verdict;

pub use batch::{batches, shown_without};
pub use edit::Edit;
pub use verdict::judge;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::error::{LISTED, unknown};

/// A configuration with one thing wrong.
#[derive(Debug)]
pub struct Mutant {
    /// `concern.defect-in-brief`
    pub id: &'static str,
    /// One sentence: what is wrong.
    pub breaks: &'static str,
    /// The promise that names it.
    pub caught_by: &'static str,
    /// Words in that promise's evidence that this defect causes, and no other that may share the machine. If the promise
    /// is broken without them, another defect broke it.
    pub symptom: &'static str,
    /// Promises that the same defect may break as well.
    pub also: &'static [&'static str],
    /// The defect in the record that the stand-in guest is made from.
    pub edits: &'static [Edit],
    /// The defect in the NixOS configuration: what goes between the braces of `{ lib, pkgs, ... }: { … }`. `None` where
    /// no option of NixOS leads to it.
    pub nixos: Option<&'static str>,
    pub held_to: HeldTo,
    /// The machine gets to its login in spite of the defect. If it does not (it may be late on a busy host), that says
    /// nothing about the defect.
    pub comes_up: bool,
    /// It stops the checks early, and so hides other defects: it needs a machine of its own.
    pub alone: bool,
}

/// The configuration that the promises compare the machine with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldTo {
    /// Its own, defect included: the promise itself has to know what is right.
    Itself,
    /// The unchanged one: for the owner's choices (names, groups, time zone), where any value is valid.
    Unchanged,
}

/// The usual mutant: it breaks one promise, is held to its own configuration, and the machine comes up.
const fn mutant(
    id: &'static str,
    breaks: &'static str,
    caught_by: &'static str,
    symptom: &'static str,
    edits: &'static [Edit],
    nixos: Option<&'static str>,
) -> Mutant {
    Mutant {
        id,
        breaks,
        caught_by,
        symptom,
        also: &[],
        edits,
        nixos,
        held_to: HeldTo::Itself,
        comes_up: true,
        alone: false,
    }
}

/// A [`mutant`] for both guests.
const fn in_both(
    id: &'static str,
    breaks: &'static str,
    caught_by: &'static str,
    symptom: &'static str,
    edits: &'static [Edit],
    nixos: &'static str,
) -> Mutant {
    mutant(id, breaks, caught_by, symptom, edits, Some(nixos))
}

/// Every mutant, by concern.
pub fn all() -> impl Iterator<Item = &'static Mutant> {
    [
        boot::MUTANTS,
        system::MUTANTS,
        ssh::MUTANTS,
        forwarding::MUTANTS,
        persist::MUTANTS,
        docker::MUTANTS,
        network::MUTANTS,
        ollama::MUTANTS,
        containment::MUTANTS,
        image::MUTANTS,
        real_ollama::MUTANTS,
        settings::MUTANTS,
        gpu::MUTANTS,
        health::MUTANTS,
        firewall::MUTANTS,
        stick::MUTANTS,
        update::MUTANTS,
        fault::MUTANTS,
    ]
    .into_iter()
    .flatten()
}

/// The mutants with these ids, or all, in the order of [`all`].
///
/// # Errors
/// An unknown id; the message names one that is close to it.
pub fn chosen(ids: &[String]) -> Result<Vec<&'static Mutant>> {
    for id in ids {
        if !all().any(|mutant| mutant.id == id) {
            return Err(unknown("mutant", id, all().map(|mutant| mutant.id), LISTED));
        }
    }
    Ok(all()
        .filter(|mutant| ids.is_empty() || ids.iter().any(|id| id == mutant.id))
        .collect())
}

impl Mutant {
    /// `record` (the whole contract) with the defect in it.
    ///
    /// # Errors
    /// An edit does not apply to this record; the message names mutant and edit.
    pub fn apply(&self, record: &Value) -> Result<Value> {
        let mut changed = record.clone();
        for edit in self.edits {
            edit.apply(&mut changed)
                .with_context(|| format!("mutant {} does not fit the record", self.id))?;
        }
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Contract;
    use crate::scenario::{PROMISES, promise};
    use crate::{project, snapshot};

    #[test]
    fn ids_are_unique_and_begin_with_a_concern() {
        let ids: Vec<&str> = all().map(|mutant| mutant.id).collect();
        for (index, id) in ids.iter().enumerate() {
            assert!(!ids[..index].contains(id), "{id} twice");
            assert!(id.split_once('.').is_some_and(|(_, name)| !name.is_empty()));
        }
    }

    #[test]
    fn the_promises_exist_and_the_expected_one_is_not_among_the_others() {
        for mutant in all() {
            assert!(promise(mutant.caught_by).is_some(), "{}", mutant.id);
            for other in mutant.also {
                assert!(promise(other).is_some(), "{}: {other}", mutant.id);
                assert_ne!(*other, mutant.caught_by, "{}", mutant.id);
            }
            assert!(!mutant.symptom.is_empty(), "{}", mutant.id);
        }
    }

    #[test]
    fn every_promise_has_a_mutant_that_it_must_catch() {
        for promise in PROMISES.iter() {
            let caught = all().any(|mutant| mutant.caught_by == promise.id);
            assert!(caught, "no mutant is to be caught by {}", promise.id);
        }
    }

    #[test]
    fn every_mutant_changes_the_record_into_another_contract() {
        let record = snapshot::load_json(&snapshot::folder(&project::root().unwrap())).unwrap();
        // The others are only for NixOS.
        for mutant in all().filter(|mutant| !mutant.edits.is_empty()) {
            let changed = mutant
                .apply(&record)
                .unwrap_or_else(|error| panic!("{error:#}"));
            assert_ne!(changed, record, "{} changes nothing", mutant.id);
            if let Err(error) = serde_json::from_value::<Contract>(changed) {
                panic!("{}: {error}", mutant.id);
            }
        }
    }

    #[test]
    fn a_mutant_has_a_defect_on_one_guest_at_least() {
        for mutant in all() {
            assert!(
                !mutant.edits.is_empty() || mutant.nixos.is_some(),
                "{}",
                mutant.id
            );
        }
    }

    #[test]
    fn an_unknown_mutant_names_the_nearest() {
        let error = chosen(&["firewall.of".to_string()])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(r#"no mutant "firewall.of"; did you mean "firewall.off"?"#),
            "{error}"
        );
        assert_eq!(chosen(&["firewall.off".to_string()]).unwrap().len(), 1);
        assert_eq!(chosen(&[]).unwrap().len(), all().count());
    }
}
