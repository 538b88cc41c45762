//! One machine: its state (`state`), and what can be done with it, a file for each subject.

mod artifacts;
mod exec;
mod hotplug;
mod power;
mod session;
mod state;
pub mod vm_snapshot;

pub use exec::{EXEC_DEADLINE, SETTLE_DEADLINE};
pub use power::Reboot;
pub use session::Door;
pub use state::{BootedWhen, Ended, Login, Machine, MachineConfig, NoLogin, NoShell, PluggedIn};
