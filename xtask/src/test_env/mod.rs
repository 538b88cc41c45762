//! The test environment: the guest, keys, and folders that every subcommand which boots machines needs.

mod from_sources;

use std::path::{Path, PathBuf};

use anyhow::Result;
use ipnet::IpNet;
use tempfile::TempDir;
use vm::lan::Lan;
use vm::ssh::Key;
use vm::{
    Accelerator, Boot, BootedWhen, Forward, Login, Machine, MachineConfig, QemuConfig, accel,
    kernel_args,
};

pub use self::from_sources::auto;
use self::from_sources::from_sources;
use crate::cli::{Consent, GuestChoice, Nixpkgs, Ollama};
use crate::contract::Contract;
use crate::disk_fixtures::{DiskFixtures, DiskSetup, PluggedDisks};
use crate::error::usage;
use crate::guest::{self, Guest, GuestKind, nixos};
use crate::ollama_image::{OllamaImage, Source};
use crate::report::ConsoleReporter;
use crate::test_machine::TestMachine;
use crate::variant::Variant;
use crate::{packages, project};

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
    /// A newer version of the image is needed as well, for updates.
    pub newer: bool,
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
            newer: false,
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
        let (guest, contract, nixpkgs) = from_sources(wanted, cache, folder, console)?;
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
                watchdog: setup.watchdog(),
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
