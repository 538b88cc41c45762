//! A running guest: QEMU, its serial console, its SSH server, a neighbour on its wire, its disks.

pub mod accel;
mod asking;
pub mod console;
pub mod disk;
pub mod esp;
mod evidence;
mod frames;
pub mod hardware;
mod hotplug;
pub mod lean;
pub mod ollama_stub;
pub mod qemu;
pub mod qmp;
mod resolution;
pub mod saved;
mod session;
pub mod shell;
pub mod ssh;
pub mod stick;
pub mod table;
pub mod wire;
pub mod workshop;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use self::accel::Accelerator;
pub use self::asking::{ASK, NoShell, SETTLE};
use self::console::Console;
use self::hardware::{Disk, Surroundings};
pub use self::hotplug::PluggedIn;
use self::qemu::{Forwards, Qemu};
pub use self::session::Door;
use self::shell::Shell;
use self::ssh::{Key, Server};
use self::stick::Stick;
use self::wire::Wire;
use self::workshop::{Drives, Workshop};
use crate::guest::{Guest, Kind};
use crate::process::{POLL, check_interrupt, pause};

/// From power on to a login, with KVM.
const BOOT_KVM: Duration = Duration::from_secs(120);
/// The same under emulation, for a guest that a kernel is loaded into.
const BOOT_STANDIN: Duration = Duration::from_secs(240);
/// The same under emulation, through UEFI and with all of NixOS.
const BOOT_NIXOS: Duration = Duration::from_secs(600);
/// A clean shutdown: containers get time to stop.
const SHUTDOWN: Duration = Duration::from_secs(180);
/// What systemd-sulogin-shell shows where a machine does not come up by itself (systemd, src/sulogin-shell/sulogin-shell.c).
const EMERGENCY: &str = "You are in emergency mode";

/// The machine did not get to a login.
#[derive(Debug, thiserror::Error)]
#[error("{why}; the last lines of its console:\n{tail}")]
pub struct NoLogin {
    pub why: String,
    /// The last 40 lines of the console.
    pub tail: String,
}

/// The machine ended by itself, or something outside ended it: no promise can be judged any more.
#[derive(Debug, thiserror::Error)]
#[error(
    "QEMU ended in the middle of the test ({how}); the console's last words: {said:?}; if nothing killed it, see {log}"
)]
pub struct Ended {
    /// Its exit status.
    pub how: String,
    /// The last line on the console: of a kernel that panics, why.
    pub said: String,
    /// Where the console's log is.
    pub log: String,
}

/// What a machine is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    pub guest: Guest,
    pub stick: Stick,
    pub disks: Vec<Disk>,
    pub surroundings: Surroundings,
    /// Where other sticks come from.
    pub workshop: Workshop,
    pub accelerator: Accelerator,
    pub forwards: Forwards,
    /// Who may log in.
    pub owner: Key,
    pub user: String,
    /// From power on to a login; see [`boot_deadline`].
    pub deadline: Duration,
}

/// How long `kind` may take from power on to a login.
pub fn boot_deadline(kind: Kind, accelerator: &Accelerator) -> Duration {
    match (accelerator, kind) {
        (Accelerator::Kvm, _) => BOOT_KVM,
        (Accelerator::Tcg { .. }, Kind::Standin) => BOOT_STANDIN,
        (Accelerator::Tcg { .. }, Kind::Nixos) => BOOT_NIXOS,
    }
}

/// The partition table of each of `disks`; nothing in the place of one that cannot be read.
pub fn tables(disks: &[Disk]) -> Vec<Vec<u8>> {
    disks
        .iter()
        .map(|disk| table::raw(&disk.path).unwrap_or_default())
        .collect()
}

struct Running {
    qemu: Qemu,
    console: Console,
    wire: Wire,
    server: Server,
    ollama_port: u16,
    shell: Option<Shell>,
    /// What was said when the owner's key was refused, if it has opened no shell before: nobody asks again until the next
    /// start, since a server keeps a client waiting whom it has refused a few times.
    refused: Option<String>,
    /// The owner's key has opened a shell.
    let_in: bool,
}

/// A machine with its power on or off; its disks keep their content.
pub struct Machine {
    pub parts: Parts,
    /// Logs, sockets, copies of firmware variables.
    pub folder: PathBuf,
    /// How long each boot took: to the login, or to the end of its jobs where somebody waited for that.
    pub boots: Vec<Duration>,
    /// What was in the place of the UUID of PERSIST's file system when the stick was plugged in, if it has a PERSIST.
    pub mark: Option<[u8; 16]>,
    /// The partition table of each disk beside the stick when it was plugged in.
    pub tables: Vec<Vec<u8>>,
    /// What happened when the cable was plugged in, if it was not from the beginning.
    pub plugged_in: Option<Result<PluggedIn, String>>,
    running: Option<Running>,
}

impl Machine {
    /// A machine that is switched off. `folder` is made.
    pub fn new(parts: Parts, folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Machine {
            mark: parts.stick.mark(&parts.workshop.persist).ok(),
            tables: tables(&parts.disks),
            parts,
            folder,
            boots: Vec::new(),
            plugged_in: None,
            running: None,
        })
    }

    /// Switches the machine on and waits for a login on the console and, where the cable is plugged in, for SSH to
    /// answer.
    ///
    /// # Errors
    /// [`NoLogin`] at the deadline, [`Ended`] when QEMU is gone, or QEMU's refusal.
    pub fn boot(&mut self) -> Result<Duration> {
        let start = Instant::now();
        self.plugged_in = None;
        let (deadline, surroundings) = (self.parts.deadline, self.parts.surroundings);
        let log = self.folder.join("console.log");
        let running = self.switch_on(None)?;
        let came_up = running
            .console
            .wait_for_unless("login: ", EMERGENCY, deadline)
            .and_then(|()| {
                if !surroundings.cable {
                    return Ok(());
                }
                let left = deadline.saturating_sub(start.elapsed());
                let qemu = &mut running.qemu;
                running.server.wait(left, || match qemu.ended() {
                    Some(how) => Err(anyhow!("QEMU ended: {how}")),
                    None => Ok(()),
                })?;
                Ok(())
            });
        if let Err(error) = came_up {
            check_interrupt()?;
            return Err(match running.qemu.ended() {
                Some(how) => self.ended(how),
                None => NoLogin {
                    why: format!("{error:#}"),
                    tail: console::tail(&log),
                }
                .into(),
            });
        }
        let took = start.elapsed();
        self.boots.push(took);
        Ok(took)
    }

    /// Switches the machine on, and the power goes `after` that.
    pub fn boot_interrupted(&mut self, after: Duration) -> Result<()> {
        self.switch_on(None)?;
        pause(after)?;
        self.power_cut();
        Ok(())
    }

    /// Starts QEMU, with `saved` from that state, and takes hold of its channels.
    fn switch_on(&mut self, saved: Option<&Path>) -> Result<&mut Running> {
        let log = self.folder.join("console.log");
        // What is in it by now is of earlier boots, unless the machine goes on.
        let before = match saved {
            None => console::length(&log),
            Some(_) => 0,
        };
        let mut qemu = Qemu::start(&self.parts, saved, &self.folder)?;
        let forwards = self.parts.forwards;
        let console = Console::new(qemu.console.try_clone()?, &log, before)?;
        let wire = Wire::connect(qemu.guest_wire.try_clone()?, qemu.uplink.try_clone()?)?;
        let server = Server {
            port: qemu.qmp.forwarded(forwards.ssh.1)?,
            user: self.parts.user.clone(),
        };
        let ollama_port = qemu.qmp.forwarded(forwards.ollama.1)?;
        Ok(self.running.insert(Running {
            qemu,
            console,
            wire,
            server,
            ollama_port,
            shell: None,
            refused: None,
            let_in: false,
        }))
    }

    fn ended(&self, how: String) -> anyhow::Error {
        let log = self.folder.join("console.log");
        let tail = console::tail(&log);
        Ended {
            how,
            said: tail.lines().last().unwrap_or_default().trim().to_string(),
            log: log.display().to_string(),
        }
        .into()
    }

    fn running(&mut self) -> Result<&mut Running> {
        self.running.as_mut().context("the machine is switched off")
    }

    /// Turns `error` into [`Ended`] when QEMU is gone: then the guest is not to blame.
    pub fn blame(&mut self, error: anyhow::Error) -> anyhow::Error {
        match self.running.as_mut().map(|running| running.qemu.ended()) {
            Some(Some(how)) => self.ended(how),
            _ => error,
        }
    }

    pub fn console(&mut self) -> Result<&mut Console> {
        Ok(&mut self.running()?.console)
    }

    pub fn wire(&mut self) -> Result<&mut Wire> {
        Ok(&mut self.running()?.wire)
    }

    /// The way to the guest's SSH server.
    pub fn server(&mut self) -> Result<Server> {
        Ok(self.running()?.server.clone())
    }

    /// The port of 127.0.0.1 that leads to Ollama's.
    pub fn ollama_port(&mut self) -> Result<u16> {
        Ok(self.running()?.ollama_port)
    }

    /// The power goes without a warning.
    pub fn power_cut(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.qemu.kill();
        }
    }

    /// Takes everything out of a machine that is switched off, and plugs `drives` in.
    pub fn equip(&mut self, drives: Drives) -> Result<()> {
        if self.running.is_some() {
            bail!("the machine is switched on");
        }
        let (stick, disks) = self.parts.workshop.equip(drives, &self.folder)?;
        self.mark = stick.mark(&self.parts.workshop.persist).ok();
        self.tables = tables(&disks);
        self.parts.stick = stick;
        self.parts.disks = disks;
        self.parts.surroundings = drives.surroundings();
        Ok(())
    }

    /// Restarts the guest as its owner would, and waits for the login.
    pub fn reboot(&mut self) -> Result<Duration> {
        // QEMU runs with -no-reboot: it ends where real hardware would start anew.
        self.succeed("systemctl reboot --no-block")?;
        let running = self.running()?;
        running.shell = None;
        let end = Instant::now() + SHUTDOWN;
        while running.qemu.ended().is_none() {
            check_interrupt()?;
            if Instant::now() > end {
                bail!(
                    "the guest did not shut down within {} s",
                    SHUTDOWN.as_secs()
                );
            }
            std::thread::sleep(POLL);
        }
        self.running = None;
        self.boot()
    }

    /// How a person reaches the machine.
    pub fn how_to_reach(&mut self) -> Result<String> {
        let key = self.parts.owner.private.display().to_string();
        let (server, ollama) = (self.server()?, self.ollama_port()?);
        Ok(format!(
            "ssh -p {} -i {key} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null {}@127.0.0.1\n\
             Ollama: http://127.0.0.1:{ollama}/api/version\nconsole: {}",
            server.port,
            server.user,
            self.folder.join("console.log").display(),
        ))
    }

    /// Waits until the machine is switched off, or until Ctrl-C.
    pub fn wait_until_off(&mut self) -> Result<()> {
        while self.running()?.qemu.ended().is_none() {
            check_interrupt()?;
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(())
    }
}
