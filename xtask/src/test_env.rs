//! The test environment: the guest, keys, and folders that every verb which boots machines needs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;
use vm::ssh::Key;
use vm::{
    Accelerator, Boot, BootedWhen, Forward, Login, Machine, MachineConfig, QemuConfig, accel,
    kernel_args,
};

use crate::cli::{Consent, GuestChoice, Nixpkgs};
use crate::contract::Contract;
use crate::disk_fixtures::{DiskFixtures, DiskSetup, PluggedDisks};
use crate::error::usage;
use crate::guest::{self, Guest, GuestKind, nixos, standin};
use crate::nix::Nix;
use crate::report::ConsoleReporter;
use crate::test_machine::TestMachine;
use crate::{ollama_stub, packages, project, snapshot};

/// Which guest a verb asks for, and what may be done to get it.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub guest: GuestChoice,
    pub nixpkgs: &'a Nixpkgs,
    pub consent: &'a Consent,
    /// A record of the configuration in place of the project's, for the stand-in guest.
    pub snapshots: Option<&'a Path>,
    /// A ready image, and the contract that it is held to.
    pub ready: Option<(&'a Path, &'a Path)>,
}

impl<'a> Wanted<'a> {
    /// A guest made from the sources of this project.
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

/// A test environment that is ready, with the folders of this run.
pub struct Session {
    /// Outlives the run.
    pub cache: PathBuf,
    /// Holds the machines' disks and logs; removed at the end of the run.
    pub folder: TempDir,
    pub env: TestEnv,
}

impl Session {
    /// Chooses and prepares the guest, and generates keys.
    ///
    /// # Errors
    /// The guest that was asked for cannot run here, or the disk is full.
    pub fn prepare(wanted: Wanted, console: &ConsoleReporter) -> Result<Self> {
        let cache = project::cache()?;
        let folder = project::run_folder(&cache)?;
        let env = TestEnv::prepare(wanted, &cache, folder.path(), console)?;
        Ok(Session { cache, folder, env })
    }
}

/// Everything that machines are made from, prepared once per run.
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
    fn prepare(
        wanted: Wanted,
        cache: &Path,
        folder: &Path,
        console: &ConsoleReporter,
    ) -> Result<Self> {
        if let Some((image, contract)) = wanted.ready {
            packages::ensure(wanted.consent.yes, &guest::needs(Some(GuestKind::Nixos)))?;
            let contract = Contract::read(contract)?;
            let origin = image.display().to_string();
            return Self::with_guest(nixos::ready(image)?, contract, origin, cache, folder);
        }
        let root = project::root()?;
        let nix = choose(wanted, &root, console)?;
        let kind = if nix.is_some() {
            GuestKind::Nixos
        } else {
            GuestKind::Standin
        };
        packages::ensure(wanted.consent.yes, &guest::needs(Some(kind)))?;
        let (guest, contract, nixpkgs) = match &nix {
            Some(nix) => {
                console.say("evaluating the configuration");
                let contract = serde_json::from_value(nix.contract()?)
                    .context("tests/contract.nix and the harness differ")?;
                console.say("building the image");
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
                let spinner = console.spinner("guest");
                let guest = standin::prepare(&contract, cache, folder, &mut |text| {
                    spinner.step(text.to_string());
                    console.say(text);
                })?;
                (
                    guest,
                    contract,
                    format!("the record in {}", record.display()),
                )
            }
        };
        Self::with_guest(guest, contract, nixpkgs, cache, folder)
    }

    /// Adds everything else that a machine with `guest` needs.
    fn with_guest(
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

    /// Prints the guest and the accelerator.
    pub fn print_summary(&self) {
        outln!(
            "guest {}; accelerator {}",
            self.guest.description,
            self.accelerator.explain()
        );
    }

    /// The same environment with another guest, held to another contract.
    pub fn with(&self, guest: Guest, contract: Contract) -> Self {
        TestEnv {
            guest,
            contract,
            ..self.clone()
        }
    }

    /// A machine with its own disks in `folder`, switched off. The `host_ports` of 127.0.0.1 are forwarded to SSH and
    /// Ollama; 0 lets the kernel choose one.
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
            user: self.contract.users.owner(),
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
                time_zone: Some(self.contract.system.time_zone.clone()),
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
            booted: BootedWhen::default(),
            login: Some(Login {
                user: self.contract.users.owner(),
                key: self.owner.clone(),
                ssh_port,
            }),
            boot_deadline: self.guest.kind.boot_deadline(&self.accelerator),
        };
        let vm = Machine::new(config, folder)?;
        Ok(TestMachine { vm, disks })
    }

    /// How the guest boots. Under emulation, a kernel loaded by UEFI gets extra arguments that save time.
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

/// `Some` if the nixos guest runs, `None` if the stand-in does; with `auto` it prints the reason.
fn choose(wanted: Wanted, root: &Path, console: &ConsoleReporter) -> Result<Option<Nix>> {
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
                console.say("guest standin: Nix is not installed");
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
                    console.say(&format!("guest standin: {}", reason.0));
                    Ok(None)
                }
            }
        }
    }
}
