//! When a promise applies: what an owner has not configured cannot be broken.

use crate::contract::Contract;

/// The configurations that a promise is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applies {
    Always,
    /// Those that name a models drive.
    WithModelsDrive,
    /// Those that name a models drive, and no folder on it.
    WhereModelsAreFound,
    /// Those that store models on PERSIST.
    WithoutModelsDrive,
    /// Those that let only some networks reach Ollama.
    WithAllowedNetworks,
    /// Those that list models to download.
    WithModelsToPull,
    /// Those that fetch updates.
    WithUpdates,
    /// Every configuration, on a machine without an NVIDIA GPU. The contract does not know the machine's cards.
    WithoutGpu,
}

impl Applies {
    /// Why a promise does not apply to a machine with `contract`; `None` if it does. `has_gpu` asks the machine, where the
    /// answer matters; `None` if it cannot be asked.
    pub fn reason_not(
        self,
        contract: &Contract,
        has_gpu: impl FnOnce() -> Option<bool>,
    ) -> Option<String> {
        match (self, &contract.models.drive) {
            (Applies::WithModelsDrive | Applies::WhereModelsAreFound, None) => {
                Some("no models drive is configured".to_string())
            }
            (Applies::WhereModelsAreFound, Some(_)) => {
                let folder = contract.models.folder.as_ref();
                folder.map(|folder| format!("the folder {folder:?} is configured"))
            }
            (Applies::WithoutModelsDrive, Some(drive)) => {
                Some(format!("the models drive {drive} is configured"))
            }
            (Applies::WithAllowedNetworks, _) if contract.ollama.allowed_networks.is_empty() => {
                Some("every network may reach Ollama".to_string())
            }
            (Applies::WithModelsToPull, _) if contract.ollama.pull.is_empty() => {
                Some("no model is to be downloaded".to_string())
            }
            (Applies::WithUpdates, _) if contract.update.url.is_none() => {
                Some("no address of releases is configured".to_string())
            }
            (Applies::WithoutGpu, _) if has_gpu() == Some(true) => {
                Some("this machine has an NVIDIA GPU".to_string())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{project, snapshot};

    #[test]
    fn a_promise_that_does_not_apply_says_why() {
        let mut contract = snapshot::load(&snapshot::folder(&project::root().unwrap())).unwrap();
        let reason = |applies: Applies, contract: &Contract| {
            applies.reason_not(contract, || panic!("the machine was asked"))
        };
        contract.models.drive = None;
        contract.ollama.allowed_networks.clear();
        contract.ollama.pull.clear();
        assert_eq!(reason(Applies::Always, &contract), None);
        assert_eq!(reason(Applies::WithoutModelsDrive, &contract), None);
        assert_eq!(
            reason(Applies::WithModelsDrive, &contract).as_deref(),
            Some("no models drive is configured")
        );
        assert_eq!(
            reason(Applies::WhereModelsAreFound, &contract).as_deref(),
            Some("no models drive is configured")
        );
        contract.models.drive = Some("LABEL=A".to_string());
        contract.models.folder = None;
        assert_eq!(reason(Applies::WhereModelsAreFound, &contract), None);
        contract.models.folder = Some("a".to_string());
        assert_eq!(
            reason(Applies::WhereModelsAreFound, &contract).as_deref(),
            Some("the folder \"a\" is configured")
        );
        contract.update.url = None;
        assert_eq!(
            reason(Applies::WithUpdates, &contract).as_deref(),
            Some("no address of releases is configured")
        );
        contract.update.url = Some("http://192.0.2.81/".to_string());
        assert_eq!(reason(Applies::WithUpdates, &contract), None);
        contract.models.drive = None;
        assert_eq!(
            reason(Applies::WithAllowedNetworks, &contract).as_deref(),
            Some("every network may reach Ollama")
        );
        assert_eq!(
            reason(Applies::WithModelsToPull, &contract).as_deref(),
            Some("no model is to be downloaded")
        );
        contract.ollama.pull.push("llama3.2".to_string());
        assert_eq!(reason(Applies::WithModelsToPull, &contract), None);
        contract.models.drive = Some("LABEL=Models".to_string());
        contract.ollama.allowed_networks = vec!["192.168.1.0/24".parse().unwrap()];
        assert_eq!(reason(Applies::WithModelsDrive, &contract), None);
        assert_eq!(reason(Applies::WithAllowedNetworks, &contract), None);
        assert_eq!(
            reason(Applies::WithoutModelsDrive, &contract).as_deref(),
            Some("the models drive LABEL=Models is configured")
        );
        for (has_gpu, expected) in [
            (Some(true), Some("this machine has an NVIDIA GPU")),
            (Some(false), None),
            (None, None),
        ] {
            let reason = Applies::WithoutGpu.reason_not(&contract, || has_gpu);
            assert_eq!(reason.as_deref(), expected);
        }
    }
}
