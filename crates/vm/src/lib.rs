//! A QEMU machine under test.
//!
//! [`QemuConfig`] describes the hardware as data. [`Machine`] powers it on and off, and talks to the guest over the serial
//! console, QMP and SSH. [`lan_probe`] acts as another host on the guest's network. About the guest it assumes a shell on the serial
//! console and, where [`MachineConfig::login`] is set, an SSH server and passwordless sudo.
//!
//! Every wait has a deadline and can be interrupted with Ctrl-C ([`process`]). QEMU dies with the harness, even if the harness
//! is killed.
//!
//! Modules use each other in one direction, from top to bottom: `machine`; its channels ([`console`], [`ssh`], [`lan_probe`]);
//! [`qemu`], `command_line`, [`qmp`]; what describes a machine ([`config`], [`lan`], [`firmware`], [`kernel_args`], [`accel`]);
//! [`shell`], [`process`], [`error`]. [`lan`] has the addresses of the guest's network, [`lan_probe`] is a host on it.

pub mod accel;
mod command_line;
pub mod config;
pub mod console;
pub mod error;
pub mod firmware;
pub mod kernel_args;
pub mod lan;
pub mod lan_probe;
mod machine;
pub mod process;
pub mod qemu;
pub mod qmp;
pub mod shell;
pub mod ssh;

pub use accel::Accelerator;
pub use config::{Boot, Disk, Forward, QemuConfig};
pub use error::HostError;
pub use machine::{
    BootedWhen, Door, EXEC_DEADLINE, Ended, Login, Machine, MachineConfig, NoLogin, NoShell,
    PluggedIn, Reboot, SETTLE_DEADLINE, vm_snapshot,
};
pub use process::Interrupted;
