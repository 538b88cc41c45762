//! The test environment: the guest, keys, and folders that every subcommand which boots machines needs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ipnet::IpNet;
use tempfile::TempDir;
use vm::lan::Lan;
use vm::ssh::Key;
use vm::{
    Accelerator, Boot, BootedWhen, Forward, Login, Machine, MachineConfig, QemuConfig, accel,
    kernel_args,
};

use crate::cli::{Consent, GuestChoice, Nixpkgs, Ollama};
use crate::contract::Contract;
use crate::disk_fixtures::{DiskFixtures, DiskSetup, PluggedDisks};
use crate::error::usage;
use crate::guest::{self, Guest, GuestKind, nixos, standin};
use crate::nix::Nix;
use crate::ollama_image::{OllamaImage, Source};
use crate::report::ConsoleReporter;
use crate::test_machine::TestMachine;
use crate::variant::Variant;
use crate::{packages, project, snapshot};

/// Which guest a subcommand asks for, and what may be done to get it.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub guest: GuestChoice,
    pub nixpkgs: &'a Nixpkgs,
    pub consent: &'a Consent,
    /// The server in the container.
    pub ollama: &'a Ollama,
    /// A record of the configuration in place of the project's, for the stand-in guest.
    pub snapshots: Option<&'a Path>,
    /// A ready image, and the contract that it is held to.
    pub ready: Option<(&'a Path, &'a Path)>,
    /// Another owner's configuration in place of the default.
    pub variant: Option<&'a Variant>,
}

impl<'a> Wanted<'a> {
    /// A guest made from the sources of this project.
    pub fn from_project(
        guest: GuestChoice,
        nixpkgs: &'a Nixpkgs,
        consent: &'a Consent,
        ollama: &'a Ollama,
    ) -> Wanted<'a> {
        Wanted {
            guest,
            nixpkgs,
            consent,
            ollama,
            snapshots: None,
            ready: None,
            variant: None,
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
    pub ollama: OllamaImage,
}

impl TestEnv {
    fn prepare(
        wanted: Wanted,
        cache: &Path,
        folder: &Path,
        console: &ConsoleReporter,
    ) -> Result<Self> {
        let ollama = Source::parse(wanted.ollama.ollama.as_deref())?;
        if let Some((image, contract)) = wanted.ready {
            packages::ensure(wanted.consent.yes, &guest::needs(Some(GuestKind::Nixos)))?;
            let contract = Contract::read(contract)?;
            let origin = image.display().to_string();
            return Self::with_guest(
                nixos::ready(image)?,
                contract,
                origin,
                &ollama,
                cache,
                folder,
            );
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
                let (guest, contract) = match wanted.variant {
                    Some(variant) => {
                        console.say("building the image");
                        nixos::prepare_changed(nix, &[&variant.module()])?
                    }
                    None => {
                        let contract = nix.contract()?;
                        console.say("building the image");
                        (nixos::prepare(nix)?, contract)
                    }
                };
                let contract = serde_json::from_value(contract)
                    .context("tests/contract.nix and the harness differ")?;
                (guest, contract, nix.nixpkgs().to_string())
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
                let contract = match wanted.variant {
                    None => snapshot::load(&record)?,
                    Some(variant) => {
                        let own = snapshot::variants::folder(&record, &variant.name);
                        snapshot::load_variant(&record, &own)?
                    }
                };
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
        Self::with_guest(guest, contract, nixpkgs, &ollama, cache, folder)
    }

    /// Adds everything else that a machine with `guest` needs.
    fn with_guest(
        guest: Guest,
        contract: Contract,
        nixpkgs: String,
        ollama: &Source,
        cache: &Path,
        folder: &Path,
    ) -> Result<Self> {
        let accelerator = accel::probe(cache)?;
        let ollama = OllamaImage::prepare(ollama, &contract.ollama.image, cache, folder)?;
        Ok(TestEnv {
            guest,
            contract,
            nixpkgs,
            accelerator,
            owner: Key::generate(folder, "owner")?,
            unauthorized_key: Key::generate(folder, "unauthorized")?,
            ollama,
        })
    }

    /// Prints the guest and the accelerator.
    pub fn print_summary(&self) {
        outln!(
            "guest {}; accelerator {}; Ollama: {}",
            self.guest.description,
            self.accelerator.explain(),
            self.ollama.description
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
            user: self.contract.users.owner.clone(),
            ollama: self.ollama.archive.clone(),
        };
        let disks = PluggedDisks::make(fixtures, setup, &folder)?;
        let ssh_port = self.contract.ssh.port;
        let config = MachineConfig {
            qemu: QemuConfig {
                accelerator: self.accelerator.clone(),
                memory_mib: self.guest.memory,
                boot: self.boot(),
                disks: disks.disks(self.guest.configuration.as_deref()),
                cable: setup.cable(),
                clock: setup.clock().to_string(),
                lan: self.lan()?,
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
                user: self.contract.users.owner.clone(),
                key: self.owner.clone(),
                ssh_port,
            }),
            boot_deadline: self.guest.kind.boot_deadline(&self.accelerator),
        };
        let vm = Machine::new(config, folder)?;
        Ok(TestMachine { vm, disks })
    }

    /// A network whose host may reach Ollama.
    ///
    /// # Errors
    /// Only IPv6 networks may: QEMU forwards connections over IPv4 alone.
    fn lan(&self) -> Result<Lan> {
        let allowed = &self.contract.ollama.allowed_networks;
        let v4 = allowed.iter().find_map(|network| match network {
            IpNet::V4(network) => Some(*network),
            IpNet::V6(_) => None,
        });
        match v4 {
            Some(network) => Ok(Lan::reached_from(network)),
            None if allowed.is_empty() => Ok(Lan::default()),
            None => Err(usage(
                "ollamalive.ollama.allowedNetworks has no IPv4 network, and the tests reach Ollama over IPv4: add one",
            )),
        }
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
    match wanted.guest {
        GuestChoice::Standin => Ok(None),
        GuestChoice::Nixos if wanted.snapshots.is_some() => Err(usage(
            "--snapshots is for the stand-in guest: leave it out, or use --guest standin",
        )),
        GuestChoice::Nixos => {
            let nix = Nix::find(root, wanted.nixpkgs.nixpkgs.clone())?;
            match nixos::realisable(&nix)? {
                None => Ok(Some(nix)),
                Some(reason) => Err(usage(format!(
                    "Nix cannot build the image here: {}; use --guest standin",
                    reason.0
                ))),
            }
        }
        GuestChoice::Auto if wanted.snapshots.is_some() => Ok(None),
        GuestChoice::Auto => match auto(root, wanted.nixpkgs)? {
            Ok(nix) => Ok(Some(nix)),
            Err(reason) => {
                console.say(&format!("guest standin: {reason}"));
                Ok(None)
            }
        },
    }
}

/// What `--guest auto` picks: NixOS, built with this Nix, or the stand-in for this reason.
///
/// # Errors
/// The configuration does not evaluate, or Ctrl-C.
pub fn auto(root: &Path, nixpkgs: &Nixpkgs) -> Result<Result<Nix, String>> {
    let Ok(nix) = Nix::find(root, nixpkgs.nixpkgs.clone()) else {
        return Ok(Err("Nix is not installed".to_string()));
    };
    // Without nixpkgs nothing can even be evaluated.
    let hindrance = match nix.nixpkgs_unreachable()? {
        None => nixos::realisable(&nix)?,
        unreachable => unreachable,
    };
    Ok(match hindrance {
        None => Ok(nix),
        Some(reason) => Err(reason.0),
    })
}
