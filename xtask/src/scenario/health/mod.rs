//! What the machine says of itself: whether Ollama serves, and why not. Each promise makes causes happen, one after the other,
//! and undoes them.

mod container;
mod drives;
mod episode;
mod network;
mod registry;
mod storage;
mod told;

pub use container::{check_container, check_image, check_stopped};
pub use drives::{check_drive, check_drives};
pub use network::{check_cable, check_network};
pub use registry::check as check_registry;
pub use storage::{check_clock, check_gpu, check_persist};
pub use told::check as check_told;

use episode::Episode;

/// All episodes, for the test that no cause is left out.
#[cfg(test)]
fn episodes() -> impl Iterator<Item = &'static Episode> {
    [
        network::NETWORK,
        network::CABLE,
        drives::TWICE,
        drives::OTHERS,
        container::CONTAINER,
        container::IMAGE,
        container::STOPPED,
        registry::REGISTRY,
        storage::PERSIST,
        storage::GPU,
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::causes::Causes;
    use crate::{mutant, project, snapshot};

    fn causes() -> Causes {
        let folder = snapshot::folder(&project::root().unwrap());
        Causes::of(&snapshot::load_json(&folder).unwrap()).unwrap()
    }

    #[test]
    fn every_cause_is_made_to_happen_or_says_why_not() {
        let made: BTreeSet<&str> = episodes()
            .flat_map(|episode| episode.causes)
            .copied()
            .chain(told::ALWAYS)
            .chain([storage::CLOCK])
            .collect();
        for cause in causes().list {
            let simulated = cause.simulated.is_some();
            assert_eq!(made.contains(&*cause.id), !simulated, "{}", cause.id);
        }
    }

    #[test]
    fn every_cause_that_happens_has_a_mutant_that_does_not_say_it() {
        for cause in causes().list {
            let id = format!("health.{}-unsaid", cause.id);
            let has = mutant::all().any(|mutant| mutant.id == id);
            assert_eq!(has, cause.simulated.is_none(), "{id}");
        }
    }
}
