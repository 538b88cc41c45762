//! The promises, a file per concern. A scenario sees the machine and the contract; it does not know which guest it runs on.

mod boot;
mod console_patterns;
mod degraded_storage;
mod docker;
mod durability;
mod esp;
mod fault;
mod firewall;
mod ollama;
mod persist;
mod promises;
mod run;
pub mod soak;
mod ssh;
mod system;
mod vm_job;

pub use promises::{PROMISES, SCENARIOS, promises_of, scenario};
pub use run::{Boot, Observer, Quiet, judge_all, switch_on};
pub use vm_job::{Plan, VmJob};

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

pub use self::durability::Durability;
use crate::contract::Contract;
use crate::disk_fixtures::{DiskSetup, PluggedDisks};
pub use crate::outcome::Finding;
use vm::Machine;
use vm::ssh::{Key, Method, Server};

/// One sentence that an owner would care about, and the check that tries to break it.
pub struct Promise {
    /// `concern.sentence-in-brief`
    pub id: &'static str,
    pub sentence: &'static str,
    pub scenario: &'static str,
    pub check: fn(&mut Context) -> Result<Finding>,
}

/// Promises that share a machine and a name on the command line.
pub struct Scenario {
    pub name: &'static str,
    pub about: &'static str,
    pub disks: DiskSetup,
    /// How often its machine is switched on. One that is switched off and on again is not shared.
    pub boots: usize,
    /// It tries what goes wrong around the machine, and runs when it is asked for.
    pub fault: bool,
}

/// A command line that shows what `user` is greeted with after logging in: what the login shell's global start-up file
/// says, wherever this zsh looks for it. (A login by sudo would ask whether root's account is valid, and NixOS locks that.)
fn login_banner(user: &str) -> String {
    let start_up =
        "for rc in /etc/zprofile /etc/zsh/zprofile; do if [ -e $rc ]; then . $rc; break; fi; done";
    format!(
        "setpriv --reuid={user} --regid=$(id -g {user}) --init-groups env -i USER={user} PATH=\"$PATH\" \
         \"$(getent passwd {user} | cut -d: -f7)\" -fc '{start_up}'"
    )
}

/// What a check works with.
pub struct Context<'a> {
    pub machine: &'a mut Machine,
    pub disks: &'a mut PluggedDisks,
    pub contract: &'a Contract,
    /// A key that no machine knows.
    pub unauthorized_key: &'a Key,
    /// For small files.
    pub folder: PathBuf,
    /// How long the machine took to boot, when it is the one the scenario starts with.
    pub boot: Option<Duration>,
    /// What became of the machine's state, once somebody has asked for it.
    pub durability: &'a mut Option<Durability>,
}

impl Context<'_> {
    /// The known-bad lines on the console since the machine was switched on. A models drive that is not plugged in is missed
    /// aloud, at some time after the login: that is by design.
    fn bad_lines(&mut self) -> Result<Vec<String>> {
        let missing = !self.disks.has_models_drive();
        let missed = [
            &self.contract.models.mount_point,
            &self.contract.ollama.unit,
        ];
        let by_design = |line: &&str| missing && missed.iter().any(|missed| line.contains(*missed));
        let console = self.machine.console()?.history();
        let lines = console.lines().filter(|line| !by_design(line));
        Ok(console_patterns::bad_lines(lines))
    }

    /// Whether the owner's key logs in.
    fn owner_gets_in(&self, server: &Server) -> Result<bool> {
        let owner = Method::PublicKey(&self.machine.login().key);
        Ok(server.attempt(&server.user, &owner, &self.folder)?.accepted)
    }
}
