//! The promises, one module per concern, and the scenarios that check them.
//!
//! A check has two steps. `gather` reads plain facts from the machine; `judge` is a pure function from the facts, and from
//! what the contract expects, to a [`Finding`]. A scenario sees the machine and the contract, never the kind of guest.

mod applies;
mod boot;
pub mod comparison;
mod console_patterns;
mod degraded_storage;
mod docker;
mod durability;
mod fault;
mod firewall;
mod first_boot;
mod gpu;
mod health;
mod memo;
mod moment;
mod network;
mod ollama;
mod persist;
mod promises;
mod real_ollama;
mod run;
mod scenarios;
pub mod server_speed;
pub mod soak;
mod ssh;
mod system;
mod systemd;
pub mod update;
mod vm_job;

pub use applies::Applies;
pub use promises::{PROMISES, promise, promises_of};
pub use run::{Boot, Observer, Quiet, judge_all, switch_on, unavailable};
pub use scenarios::{SCENARIOS, scenario};
pub use update::NEWER;
pub use vm_job::{Plan, VmJob};

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Error, Result, anyhow, ensure};
use vm::process::check_interrupt;
use vm::shell::Output;
use vm::ssh::{Key, Method, Server};
use vm::{EXEC_DEADLINE, Ended, Machine, PluggedIn};

use self::memo::Memo;
use crate::contract::Contract;
use crate::disk_fixtures::{DiskSetup, PluggedDisks};
pub use crate::outcome::Finding;
use crate::test_machine::TestMachine;

/// One sentence that an owner would care about, and the check that tries to disprove it.
#[derive(Clone)]
pub struct Promise {
    /// `concern.sentence-in-brief`
    pub id: &'static str,
    pub sentence: &'static str,
    /// The [`Scenario`] that it belongs to.
    pub scenario: &'static str,
    pub applies: Applies,
    pub check: fn(&mut Context) -> Result<Finding>,
}

/// Promises that share a machine and a name on the command line.
pub struct Scenario {
    pub name: &'static str,
    pub about: &'static str,
    /// The disks of its machine at the first boot.
    pub disks: DiskSetup,
    /// How often its machine boots. A machine that boots more than once is not shared with other scenarios.
    pub boots: usize,
    /// It injects faults (a failing drive, a late network), and runs only on request.
    pub fault: bool,
    /// Its promises are about answers, which only a real Ollama gives; without one they are skipped.
    pub real_ollama: bool,
}

impl Scenario {
    /// Its promises are about updates: it takes a newer version of the image.
    pub fn updates(&self) -> bool {
        self.disks == DiskSetup::Updates
    }
}

/// What a check works with.
pub struct Context<'a> {
    pub machine: &'a mut Machine,
    pub disks: &'a mut PluggedDisks,
    pub contract: &'a Contract,
    /// A key that no machine accepts.
    pub unauthorized_key: &'a Key,
    /// Takes small files, such as generated keys.
    pub folder: PathBuf,
    /// Time from power on to the login at the scenario's first boot; `None` where the caller did not measure it.
    pub boot: Option<Duration>,
    /// How long to listen to what the machine sends; `None` is the check's default.
    pub listen: Option<Duration>,
    /// The image of a newer version of the same system, where there is one.
    pub newer: Option<PathBuf>,
    memo: Memo,
}

impl<'a> Context<'a> {
    pub fn new(
        machine: &'a mut TestMachine,
        contract: &'a Contract,
        unauthorized_key: &'a Key,
        folder: &Path,
    ) -> Self {
        Context {
            machine: &mut machine.vm,
            disks: &mut machine.disks,
            contract,
            unauthorized_key,
            folder: folder.to_path_buf(),
            boot: None,
            listen: None,
            newer: None,
            memo: Memo::default(),
        }
    }

    /// The facts of type `T` about this machine: gathered for the first promise that asks, shared with the others.
    ///
    /// # Errors
    /// Those of `gather`, which then runs again for the next promise.
    fn shared<T: 'static>(&mut self, gather: impl FnOnce(&mut Self) -> Result<T>) -> Result<Rc<T>> {
        if let Some(facts) = self.memo.get() {
            return Ok(facts);
        }
        let facts = gather(self)?;
        Ok(self.memo.insert(facts))
    }

    /// Runs command lines as root, all in one round trip; see [`Machine::exec`].
    fn exec<const N: usize>(&mut self, commands: [&str; N]) -> Result<[Output; N]> {
        self.exec_within(commands, EXEC_DEADLINE)
    }

    /// As [`Context::exec`], with another deadline.
    fn exec_within<const N: usize>(
        &mut self,
        commands: [&str; N],
        deadline: Duration,
    ) -> Result<[Output; N]> {
        let outputs = self.machine.exec_within(&commands, deadline)?;
        let count = outputs.len();
        <[Output; N]>::try_from(outputs)
            .map_err(|_| anyhow!("{count} outputs for {N} commands: a bug in the root shell"))
    }

    /// # Errors
    /// The cable has been plugged in before: the check would not see a machine without a network.
    fn require_no_cable(&self) -> Result<()> {
        ensure!(
            self.machine.plugged_in.is_none(),
            "the cable was plugged in before this check"
        );
        Ok(())
    }

    /// Seconds from power on to the login; 0 where they were not measured.
    fn login_seconds(&self) -> f64 {
        self.boot.map_or(0.0, |boot| boot.as_secs_f64())
    }

    /// Plugs the cable in, if it is not; see [`Machine::plug_in`]. Returns what happened, or why SSH did not answer.
    ///
    /// # Errors
    /// Ctrl-C was pressed, or QEMU is gone.
    fn plug_in(&mut self, late: Duration, deadline: Duration) -> Result<Result<PluggedIn, String>> {
        match self.machine.plug_in(late, deadline) {
            Ok(plugged_in) => Ok(Ok(plugged_in)),
            Err(error) => self.explain(error).map(Err),
        }
    }

    /// The known-bad lines on the console since power on. Messages about a models drive that is not plugged in do not count:
    /// systemd prints them by design, at some time after the login.
    fn bad_lines(&mut self) -> Result<Vec<String>> {
        let by_design = [
            self.contract.models.mount_point.as_str(),
            self.contract.ollama.unit.as_str(),
        ];
        let by_design = if self.disks.has_models_drive() {
            &[]
        } else {
            &by_design[..]
        };
        let console = self.machine.console()?.history()?;
        Ok(console_patterns::bad_lines(&console, by_design))
    }

    /// Whether the owner's key logs in.
    fn owner_key_accepted(&self, server: &Server) -> Result<bool> {
        let owner = Method::PublicKey(&self.machine.login().key);
        Ok(server.attempt(&server.user, &owner, &self.folder)?.accepted)
    }

    /// `error` as a fact about the guest.
    ///
    /// # Errors
    /// It is not one: Ctrl-C was pressed, or QEMU is gone.
    fn explain(&mut self, error: Error) -> Result<String> {
        check_interrupt()?;
        let error = self.machine.blame(error);
        if error.is::<Ended>() {
            return Err(error);
        }
        Ok(format!("{error:#}"))
    }
}

/// A command line that prints the notices that `user` sees after logging in: it runs the login shell's global start-up file,
/// wherever this zsh looks for it. (A login by sudo would ask whether root's account is valid, and NixOS locks that.) Before
/// that it waits until the machine has seen the newest notice.
fn login_banner(user: &str) -> String {
    let start_up =
        "for rc in /etc/zprofile /etc/zsh/zprofile; do if [ -e $rc ]; then . $rc; break; fi; done";
    let seen =
        "find /run/ollamalive/notices -newer /run/ollamalive/health/written 2>&1 | grep -q .";
    format!(
        "for turn in $(seq 40); do {seen} || break; sleep 1; done; \
         setpriv --reuid={user} --regid=$(id -g {user}) --init-groups env -i USER={user} PATH=\"$PATH\" \
         \"$(getent passwd {user} | cut -d: -f7)\" -fc '{start_up}'"
    )
}

/// Whether the machine has an NVIDIA device on its PCI bus.
fn has_nvidia(cx: &mut Context) -> Result<bool> {
    let [found] = cx.exec(["grep -lx 0x10de /sys/bus/pci/devices/*/vendor"])?;
    Ok(found.ok())
}

/// The path of `file` in the folder of /proc of `container`'s first process, for a shell to expand.
fn of_container(container: &str, file: &str) -> String {
    format!("/proc/$(docker inspect --format '{{{{.State.Pid}}}}' {container})/{file}")
}

/// The environment of `container`'s first process, one variable per line: a command line that prints it.
fn environment_of(container: &str) -> String {
    format!("tr '\\0' '\\n' < {}", of_container(container, "environ"))
}

/// Lines of output as one line of evidence.
fn one_line(text: &str) -> String {
    text.replace('\n', " | ")
}

/// Helpers for tests of judges.
#[cfg(test)]
mod testing {
    use super::Finding;

    /// A change to facts, and the evidence that it leads to.
    pub type Case<'a, F> = (fn(&mut F), &'a str);

    /// Asserts that `good` keeps the promise, with this evidence.
    pub fn assert_kept(finding: Finding, evidence: &str) {
        assert_eq!(finding, Finding::Kept(evidence.to_string()));
    }

    /// Asserts that each change to `good` breaks the promise, with this evidence.
    pub fn assert_each_breaks<F: Clone>(
        good: &F,
        judge: impl Fn(&F) -> Finding,
        cases: &[Case<F>],
    ) {
        for (change, evidence) in cases {
            let mut facts = good.clone();
            change(&mut facts);
            assert_eq!(judge(&facts), Finding::Broken(evidence.to_string()));
        }
    }
}
