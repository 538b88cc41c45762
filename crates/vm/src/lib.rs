//! A QEMU machine under test.
//!
//! [`QemuConfig`] describes the machine as data; [`Machine`] switches it on and off, and reaches it by serial console, QMP,
//! SSH, and as another host on its network segment ([`lan_probe`]). It knows nothing of what runs in the guest, except that
//! it offers a login on the serial console and an SSH server for a user with passwordless sudo.
//!
//! Every wait has a deadline and ends with Ctrl-C ([`process`]); QEMU dies with the harness, even when that is killed.

pub mod accel;
mod command_line;
pub mod config;
pub mod console;
pub mod error;
pub mod firmware;
pub mod kernel_args;
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
    PluggedIn, SETTLE_DEADLINE, vm_snapshot,
};
pub use process::Interrupted;
