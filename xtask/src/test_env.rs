//! What a verb that runs machines has before it: the run's own folder, and everything that machines are made of.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;
use vm::ssh::Key;
use vm::{
    Accelerator, Boot, Forward, Login, Machine, MachineConfig, QemuConfig, accel, kernel_args,
};

use crate::cli::{Consent, GuestChoice, Nixpkgs};
use crate::contract::Contract;
use crate::disk_fixtures::{DiskFixtures, DiskSetup, PluggedDisks};
use crate::error::usage;
use crate::guest::{Guest, Kind, nixos, standin};
use crate::nix::Nix;
use crate::report::Watcher;
use crate::test_machine::TestMachine;
use crate::{ollama_stub, packages, project, snapshot};

/// The user who is let in.
const USER: &str = "ollamalive";

/// Which guest a verb runs, and what it may do to have it.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub guest: GuestChoice,
    pub nixpkgs: &'a Nixpkgs,
    pub consent: &'a Consent,
    /// Another record of the configuration than the project's, for the stand-in guest.
    pub snapshots: Option<&'a Path>,
    /// An image that is there already, and the contract that it is held to.
    pub ready: Option<(&'a Path, &'a Path)>,
}

impl<'a> Wanted<'a> {
    /// A guest made from what is in this project.
    pub fn from_project(
        guest: GuestChoice,
        nixpkgs: &'a Nixpkgs,
        consent: &'a Consent,
    ) -> Wanted<'a> {
        Wanted {
            guest,
            nixpkgs,
            consent,
            snapshots: None,
            ready: None,
        }
    }
}

/// One run of such a verb.
pub struct Run {
    /// What outlives the run.
    pub cache: PathBuf,
    /// Takes the machines' disks and logs, and goes with the run.
    pub folder: TempDir,
    pub bench: TestEnv,
}

impl Run {
    /// Chooses the guest, makes it ready, and makes keys.
    ///
    /// # Errors
    /// The guest that was asked for cannot run here, or the disk is full: a user's error.
    pub fn prepare(wanted: Wanted, watcher: &Watcher) -> Result<Self> {
        let cache = project::cache()?;
        let folder = project::run_folder(&cache)?;
        let bench = TestEnv::prepare(wanted, &cache, folder.path(), watcher)?;
        Ok(Run {
            cache,
            folder,
            bench,
        })
    }
}

/// Everything that machines are made of, made once.
#[derive(Clone)]
pub struct TestEnv {
    pub guest: Guest,
    pub contract: Contract,
    pub nixpkgs: String,
    pub accelerator: Accelerator,
    pub owner: Key,
    pub unauthorized_key: Key,
    stub: PathBuf,
}

impl TestEnv {
    fn prepare(wanted: Wanted, cache: &Path, folder: &Path, watcher: &Watcher) -> Result<Self> {
        if let Some((image, contract)) = wanted.ready {
            packages::ensure(wanted.consent.yes, Some(Kind::Nixos))?;
            let contract = Contract::read(contract)?;
            let origin = image.display().to_string();
            return Self::furnish(nixos::ready(image)?, contract, origin, cache, folder);
        }
        let root = project::root()?;
        let nix = choose(wanted, &root, watcher)?;
        let kind = if nix.is_some() {
            Kind::Nixos
        } else {
            Kind::Standin
        };
        packages::ensure(wanted.consent.yes, Some(kind))?;
        let (guest, contract, nixpkgs) = match &nix {
            Some(nix) => {
                watcher.say("evaluating the configuration");
                let contract = serde_json::from_value(nix.contract()?)
                    .context("tests/contract.nix and the harness differ")?;
                watcher.say("building the image");
                (nixos::prepare(nix)?, contract, nix.nixpkgs().to_string())
            }
            None => {
                let record = match wanted.snapshots {
                    Some(another) => another.to_path_buf(),
                    None => {
                        let record = snapshot::folder(&root);
                        snapshot::require_fresh(&record, &root)?;
                        record
                    }
                };
                let contract = snapshot::load(&record)?;
                let spinner = watcher.spinner("guest");
                let guest = standin::prepare(&contract, cache, folder, &mut |text| {
                    spinner.step(text.to_string());
                    watcher.say(text);
                })?;
                (
                    guest,
                    contract,
                    format!("the record in {}", record.display()),
                )
            }
        };
        Self::furnish(guest, contract, nixpkgs, cache, folder)
    }

    /// Everything else that a machine of `guest` needs.
    fn furnish(
        guest: Guest,
        contract: Contract,
        nixpkgs: String,
        cache: &Path,
        folder: &Path,
    ) -> Result<Self> {
        let accelerator = accel::probe(cache)?;
        let stub = ollama_stub::archive(&contract.ollama.image, cache)?;
        Ok(TestEnv {
            guest,
            contract,
            nixpkgs,
            accelerator,
            owner: Key::generate(folder, "owner")?,
            unauthorized_key: Key::generate(folder, "unauthorized")?,
            stub,
        })
    }

    /// Tells which guest it is, and how its processor is made.
    pub fn introduce(&self) {
        tell!(
            "guest {}; accelerator {}",
            self.guest.description,
            self.accelerator.explain()
        );
    }

    /// The same with another guest, and held to another contract.
    pub fn with(&self, guest: Guest, contract: Contract) -> Self {
        TestEnv {
            guest,
            contract,
            ..self.clone()
        }
    }

    /// A machine with its own disks in `folder`, switched off. `host_ports` of 127.0.0.1 lead to SSH and Ollama; 0 lets the
    /// kernel choose.
    pub fn machine(
        &self,
        setup: DiskSetup,
        folder: PathBuf,
        host_ports: (u16, u16),
    ) -> Result<TestMachine> {
        let fixtures = DiskFixtures {
            image: self.guest.image.clone(),
            persist: self.contract.persist.label.clone(),
            models: self.contract.models.drive.clone(),
            owner: self.owner.clone(),
            user: USER.to_string(),
            ollama: self.stub.clone(),
        };
        let disks = PluggedDisks::make(fixtures, setup, &folder)?;
        let ssh_port = self.contract.ssh.ports.first().copied().unwrap_or(22);
        let config = MachineConfig {
            qemu: QemuConfig {
                accelerator: self.accelerator.clone(),
                memory_mib: self.guest.memory,
                boot: self.boot(),
                disks: disks.disks(self.guest.configuration.as_deref()),
                cable: setup.cable(),
                clock: setup.clock().to_string(),
                forwards: vec![
                    Forward {
                        host: host_ports.0,
                        guest: ssh_port,
                    },
                    Forward {
                        host: host_ports.1,
                        guest: self.contract.ollama.port,
                    },
                ],
            },
            login: Login {
                user: USER.to_string(),
                key: self.owner.clone(),
                ssh_port,
            },
            boot_deadline: self.guest.kind.boot_deadline(&self.accelerator),
        };
        let vm = Machine::new(config, folder)?;
        Ok(TestMachine { vm, disks })
    }

    /// How the guest boots: its kernel, loaded by UEFI under emulation, gets the arguments that save it time there.
    fn boot(&self) -> Boot {
        let mut boot = self.guest.boot.clone();
        if let (
            Boot::Uefi {
                extra_kernel_args, ..
            },
            Accelerator::Tcg { .. },
        ) = (&mut boot, &self.accelerator)
        {
            *extra_kernel_args = Some(kernel_args::emulated().to_string());
        }
        boot
    }
}

/// Nix when the nixos guest is to run, nothing when the stand-in is; says why where it had the choice.
fn choose(wanted: Wanted, root: &Path, watcher: &Watcher) -> Result<Option<Nix>> {
    let find = || Nix::find(root, wanted.nixpkgs.nixpkgs.clone());
    match wanted.guest {
        GuestChoice::Standin => Ok(None),
        GuestChoice::Nixos if wanted.snapshots.is_some() => Err(usage(
            "--snapshots is for the stand-in guest: leave it out, or use --guest standin",
        )),
        GuestChoice::Nixos => {
            let nix = find()?;
            match nixos::realisable(&nix)? {
                None => Ok(Some(nix)),
                Some(reason) => Err(usage(format!(
                    "Nix cannot build the image here: {}; use --guest standin",
                    reason.0
                ))),
            }
        }
        GuestChoice::Auto if wanted.snapshots.is_some() => Ok(None),
        GuestChoice::Auto => {
            let Ok(nix) = find() else {
                watcher.say("guest standin: Nix is not installed");
                return Ok(None);
            };
            // Without nixpkgs nothing can even be evaluated.
            let hindrance = match nix.nixpkgs_unreachable()? {
                None => nixos::realisable(&nix)?,
                unreachable => unreachable,
            };
            match hindrance {
                None => Ok(Some(nix)),
                Some(reason) => {
                    watcher.say(&format!("guest standin: {}", reason.0));
                    Ok(None)
                }
            }
        }
    }
}
