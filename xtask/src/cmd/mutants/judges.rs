//! Which machine judges a mutant.

use crate::mutant::Mutant;
use crate::scenario::{Lane, PROMISES, Plan, SCENARIOS, Scenario, scenario};

/// The scenario that judges `mutant`.
pub fn judging(mutant: &Mutant) -> &'static Scenario {
    PROMISES
        .iter()
        .find(|promise| promise.id == mutant.caught_by)
        .and_then(|promise| scenario(promise.scenario))
        .expect("the mutants' tests hold them to the promises that there are")
}

/// The machines that it takes to judge `mutants`, the longest first: whole, or with only the scenarios that judge one.
pub fn lanes(mutants: &[&'static Mutant], quick: bool) -> Vec<Lane> {
    let judges = |scenario: &Scenario| {
        let mut all = mutants.iter().map(|mutant| judging(mutant));
        all.any(|judge| judge.name == scenario.name)
    };
    let scenarios: Vec<&'static Scenario> = SCENARIOS
        .iter()
        .filter(|scenario| !quick || judges(scenario))
        .collect();
    let mut lanes = Plan::new(&scenarios).lanes;
    lanes.retain(|lane| lane.scenarios.iter().any(|scenario| judges(scenario)));
    lanes
}

/// The place of the machine that judges `mutant` among all, the longest first.
pub fn place(mutant: &Mutant) -> usize {
    let all: Vec<&'static Scenario> = SCENARIOS.iter().collect();
    let judge = judging(mutant);
    let judges = |lane: &Lane| {
        let mut scenarios = lane.scenarios.iter();
        scenarios.any(|scenario| scenario.name == judge.name)
    };
    let lanes = Plan::new(&all).lanes;
    lanes.iter().position(judges).unwrap_or(lanes.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutant;

    #[test]
    fn a_mutant_runs_on_the_machine_of_its_promise_only() {
        for mutant in mutant::all() {
            for quick in [false, true] {
                let lanes = lanes(&[mutant], quick);
                assert_eq!(lanes.len(), 1, "{}", mutant.id);
                let names: Vec<&str> = lanes[0].scenarios.iter().map(|one| one.name).collect();
                assert!(names.contains(&judging(mutant).name), "{}", mutant.id);
                assert!(!quick || names.len() == 1, "{}", mutant.id);
            }
        }
    }

    #[test]
    fn scenarios_of_one_machine_have_one_place() {
        let place = |id: &str| place(mutant::all().find(|mutant| mutant.id == id).unwrap());
        assert_eq!(place("ssh.root-login"), place("firewall.off"));
        assert_ne!(place("ssh.root-login"), place("stick.root-kept"));
    }
}
