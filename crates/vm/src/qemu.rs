//! A QEMU process: its channels, its end.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};
use command_fds::{CommandFdExt, FdMapping};
use nix::sys::signal::Signal;

pub use crate::accel::PROGRAM;
use crate::command_line::{Files, fd};
use crate::config::{Boot, QemuConfig};
use crate::error::host_error;
use crate::process::{self, Group};
use crate::qmp::Qmp;

/// A running QEMU. Dropping it kills the process.
pub struct Qemu {
    group: Group,
    pub qmp: Qmp,
    /// The host's end of the serial console.
    pub console: UnixStream,
    /// The guest's network card: each frame after its length (4 bytes, big-endian).
    pub guest: UnixStream,
    /// The user-mode network, in the same format.
    pub uplink: UnixStream,
    errors: PathBuf,
}

impl Qemu {
    /// Starts the machine, or resumes it from `snapshot`: then its writes go to temporary overlays. `folder` takes the
    /// console's log, QEMU's messages and the command line.
    ///
    /// # Errors
    /// A [`crate::HostError`]: QEMU is missing or refuses the machine; the message has QEMU's own (a taken port is named).
    pub fn start(config: &QemuConfig, snapshot: Option<&Path>, folder: &Path) -> Result<Self> {
        let files = Files {
            folder,
            resumes: snapshot.is_some(),
        };
        if let Boot::Uefi { vars, .. } = &config.boot {
            copy_variables(vars, &files.uefi_vars())?;
        }
        let errors = folder.join("qemu.log");
        let mut command = process::command(PROGRAM);
        command.args(config.arguments(files));
        if let Some(zone) = &config.time_zone {
            command.env("TZ", zone);
        }
        let (console, console_end) = UnixStream::pair()?;
        let (control, control_end) = UnixStream::pair()?;
        let (guest, guest_end) = UnixStream::pair()?;
        let (uplink, uplink_end) = UnixStream::pair()?;
        let ends: [(OwnedFd, i32); 4] = [
            (console_end.into(), fd::CONSOLE),
            (control_end.into(), fd::CONTROL),
            (guest_end.into(), fd::GUEST),
            (uplink_end.into(), fd::UPLINK),
        ];
        let mappings = ends.into_iter().map(|(parent_fd, child_fd)| FdMapping {
            parent_fd,
            child_fd,
        });
        command
            .fd_mappings(mappings.collect())
            .context("cannot pass the channels to QEMU")?;
        fs::write(folder.join("qemu.command"), format!("{command:?}\n"))?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&errors)?);
        process::tie_to_us(&mut command);
        let child = command.spawn().map_err(|error| {
            host_error(format!("cannot start {PROGRAM}: {error}; install QEMU"))
        })?;
        // The command holds QEMU's ends of the channels: while they are open here, the channels do not close with QEMU.
        drop(command);
        let mut group = Group(child);
        let mut qmp = Qmp::new(control).map_err(|error| {
            group.stop();
            refused(&errors, &error)
        })?;
        if let Some(state) = snapshot {
            qmp.load(state)?;
        }
        if !config.cable {
            qmp.set_link(false)?;
        }
        Ok(Qemu {
            group,
            qmp,
            console,
            guest,
            uplink,
            errors,
        })
    }

    /// Cuts the power: SIGKILL.
    pub fn kill(&mut self) {
        self.group.signal(Signal::SIGKILL);
        let _ = self.group.0.wait();
    }

    /// Once QEMU has ended: its exit status and last message.
    pub fn ended(&mut self) -> Option<String> {
        let status = self.group.0.try_wait().ok()??;
        let message = fs::read_to_string(&self.errors).unwrap_or_default();
        let how = status.signal().map_or_else(
            || status.to_string(),
            |signal| format!("killed by signal {signal}"),
        );
        // One hub has no NIC on purpose; QEMU warns about it.
        Some(
            match message.lines().rfind(|line| !line.contains("warning:")) {
                Some(line) => format!("{how}: {line}"),
                None => how,
            },
        )
    }
}

fn refused(errors: &Path, cause: &anyhow::Error) -> anyhow::Error {
    let message = fs::read_to_string(errors).unwrap_or_default();
    let line = message
        .lines()
        .last()
        .map_or_else(|| format!("{cause:#}"), str::to_string);
    if line.contains("host forwarding rule") {
        return host_error(format!(
            "a port that should lead into the machine is taken on 127.0.0.1: stop the program that listens there ({line})"
        ));
    }
    host_error(format!("QEMU refused the machine: {line}"))
}

/// The machine's own copy of the firmware's variables, made once.
fn copy_variables(template: &Path, own: &Path) -> Result<()> {
    if own.exists() {
        return Ok(());
    }
    fs::copy(template, own).with_context(|| format!("cannot copy {}", template.display()))?;
    let mut permissions = fs::metadata(own)?.permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    Ok(fs::set_permissions(own, permissions)?)
}
