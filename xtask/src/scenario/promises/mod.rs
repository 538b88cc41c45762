//! The list of promises: `test --list`, the report and the README's table come from it. One file per scenario; those about
//! damaged and missing drives share one, and so do those with faults.

mod boot;
mod degraded_storage;
mod docker;
mod faults;
mod firewall;
mod gpu;
mod health;
mod ollama;
mod persist;
mod real_ollama;
mod ssh;
mod stick;
mod system;
mod update;

use std::sync::LazyLock;

use super::{Promise, Scenario};

/// Every promise, in the order of its scenario.
pub static PROMISES: LazyLock<Vec<Promise>> = LazyLock::new(|| {
    [
        boot::PROMISES,
        system::PROMISES,
        ssh::PROMISES,
        persist::PROMISES,
        docker::PROMISES,
        ollama::PROMISES,
        gpu::PROMISES,
        firewall::PROMISES,
        stick::PROMISES,
        degraded_storage::PROMISES,
        update::PROMISES,
        real_ollama::PROMISES,
        health::PROMISES,
        faults::PROMISES,
    ]
    .concat()
});

/// The promise with this ID, if there is one.
pub fn promise(id: &str) -> Option<&'static Promise> {
    PROMISES.iter().find(|promise| promise.id == id)
}

/// The promises of `scenarios`, in their order.
pub fn promises_of(scenarios: &[&Scenario]) -> Vec<&'static Promise> {
    let ours = |scenario: &&Scenario| {
        let name = scenario.name;
        PROMISES
            .iter()
            .filter(move |promise| promise.scenario == name)
    };
    scenarios.iter().flat_map(ours).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::scenario::SCENARIOS;

    #[test]
    fn each_scenario_has_promises_which_are_side_by_side() {
        let mut named: Vec<&str> = PROMISES.iter().map(|promise| promise.scenario).collect();
        named.dedup();
        named.sort_unstable();
        let mut all: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        all.sort_unstable();
        assert_eq!(named, all);
    }

    #[test]
    fn an_id_names_one_promise() {
        let mut ids = BTreeSet::new();
        for promise in PROMISES.iter() {
            assert!(ids.insert(promise.id), "{} twice", promise.id);
        }
    }
}
