//! A QEMU process: its hardware, its channels, its end.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use command_fds::{CommandFdExt, FdMapping};
use nix::sys::signal::Signal;

use super::accel::Accelerator;
use super::hardware::{drive, pluggable};
use super::qmp::Qmp;
use super::{Parts, lean};
use crate::error::usage;
use crate::guest::Boot;
use crate::process::{self, Group};

/// The program that is run.
pub const PROGRAM: &str = "qemu-system-x86_64";
/// The guest's own address on the user-mode network (QEMU's default).
pub const GUEST_ADDRESS: [u8; 4] = [10, 0, 2, 15];

/// Which of the host's ports lead into the guest.
#[derive(Debug, Clone, Copy)]
pub struct Forwards {
    /// TCP, (host, guest); host 0 lets the kernel choose.
    pub ssh: (u16, u16),
    pub ollama: (u16, u16),
}

/// A running QEMU. Dropping it kills the process.
pub struct Qemu {
    group: Group,
    pub qmp: Qmp,
    /// The serial console's other end.
    pub console: UnixStream,
    /// Frames of the guest's network card, each after its length (4 bytes, big-endian).
    pub guest_wire: UnixStream,
    /// Frames of the user-mode network, likewise.
    pub uplink: UnixStream,
    errors: PathBuf,
}

impl Qemu {
    /// Starts the machine, or with `saved` goes on with one that was saved: then its disks are only read, and what it
    /// writes is gone when it ends. `folder` takes the console's log, QEMU's own messages and the command line.
    ///
    /// # Errors
    /// No QEMU, or QEMU refuses (its message is in the error; a taken port is named).
    pub fn start(parts: &Parts, saved: Option<&Path>, folder: &Path) -> Result<Self> {
        let Parts {
            guest,
            stick,
            disks,
            surroundings,
            accelerator,
            forwards,
            ..
        } = parts;
        let keep = saved.is_none();
        let errors = folder.join("qemu.log");
        let mut command = Command::new(PROGRAM);
        command
            .args([
                "-machine",
                "q35",
                "-nodefaults",
                "-no-user-config",
                "-no-reboot",
                "-display",
                "none",
                "-vga",
                "std",
            ])
            .args(accelerator.arguments())
            .args(["-m", &guest.memory.to_string()])
            .arg("-rtc")
            .arg(format!("base={}", surroundings.clock))
            .args(["-device", "virtio-rng-pci"]);
        boot_arguments(&mut command, &guest.boot, folder)?;
        drive(&mut command, &stick.path, "stick", stick.read_only, keep);
        if matches!(guest.boot, Boot::Uefi { .. }) {
            // UEFI must not look at any other disk first.
            command.args(["-set", "device.stick-disk.bootindex=0"]);
            if let Accelerator::Tcg { .. } = accelerator {
                // The boot stub in the image adds it to the image's own command line (systemd-stub(7)).
                command.arg("-smbios").arg(format!(
                    "type=11,value=io.systemd.stub.kernel-cmdline-extra={}",
                    lean::kernel_arguments()
                ));
            }
        }
        if let Some(configuration) = &guest.configuration {
            drive(&mut command, configuration, "configuration", true, keep);
        }
        for (slot, disk) in disks.iter().enumerate() {
            pluggable(&mut command, disk, slot + 1, keep);
        }
        if saved.is_some() {
            command.args(["-incoming", "defer"]);
        }
        // Two hubs, and the harness is the cable between them: it relays, listens, and can speak to the guest as a
        // neighbour whom the user-mode network does not hear.
        let (console, console_end) = UnixStream::pair()?;
        let (control, control_end) = UnixStream::pair()?;
        let (guest_wire, guest_end) = UnixStream::pair()?;
        let (uplink, uplink_end) = UnixStream::pair()?;
        let forward = |(host, guest): (u16, u16)| format!("hostfwd=tcp:127.0.0.1:{host}-:{guest}");
        command
            .arg("-chardev")
            .arg(format!(
                "socket,id=console,fd=10,logfile={},logappend=on",
                folder.join("console.log").display()
            ))
            .args(["-serial", "chardev:console"])
            .args([
                "-chardev",
                "socket,id=control,fd=11",
                "-mon",
                "chardev=control,mode=control",
            ])
            .arg("-netdev")
            .arg(format!(
                "user,id=user,{},{}",
                forward(forwards.ssh),
                forward(forwards.ollama)
            ))
            .args(["-netdev", "hubport,id=user-port,hubid=1,netdev=user"])
            .args([
                "-netdev",
                "stream,id=uplink,server=off,addr.type=fd,addr.str=13",
            ])
            .args(["-netdev", "hubport,id=uplink-port,hubid=1,netdev=uplink"])
            .args([
                "-netdev",
                "stream,id=wire,server=off,addr.type=fd,addr.str=12",
            ])
            .args(["-netdev", "hubport,id=wire-port,hubid=0,netdev=wire"])
            .args([
                "-netdev",
                "hubport,id=card,hubid=0",
                "-device",
                "virtio-net-pci,id=nic,netdev=card,romfile=",
            ]);
        let ends: [(OwnedFd, i32); 4] = [
            (console_end.into(), 10),
            (control_end.into(), 11),
            (guest_end.into(), 12),
            (uplink_end.into(), 13),
        ];
        command
            .fd_mappings(
                ends.into_iter()
                    .map(|(parent_fd, child_fd)| FdMapping {
                        parent_fd,
                        child_fd,
                    })
                    .collect(),
            )
            .context("cannot hand the channels to QEMU")?;
        fs::write(folder.join("qemu.command"), format!("{command:?}\n"))?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&errors)?);
        process::tie_to_us(&mut command);
        let child = command.spawn().map_err(|error| {
            usage(format!("cannot start {PROGRAM}: {error}; `cargo xtask setup --yes` installs what is missing"))
        })?;
        // The command holds the guest's ends of the channels: while they are open here no end of QEMU would be seen.
        drop(command);
        let mut group = Group(child);
        let mut qmp = Qmp::new(control).map_err(|error| {
            group.stop();
            refused(&errors, &error)
        })?;
        if let Some(state) = saved {
            qmp.go_on_with(state)?;
        }
        if !surroundings.cable {
            qmp.set_link(false)?;
        }
        Ok(Qemu {
            group,
            qmp,
            console,
            guest_wire,
            uplink,
            errors,
        })
    }

    /// The power goes: SIGKILL, no warning to anyone.
    pub fn kill(&mut self) {
        self.group.signal(Signal::SIGKILL);
        let _ = self.group.0.wait();
    }

    /// What became of QEMU, when it has ended: the status, and its last message.
    pub fn ended(&mut self) -> Option<String> {
        let status = self.group.0.try_wait().ok()??;
        let message = fs::read_to_string(&self.errors).unwrap_or_default();
        let how = status.signal().map_or_else(
            || status.to_string(),
            |signal| format!("killed by signal {signal}"),
        );
        // That one of the two hubs has no card is meant.
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
        return usage(format!(
            "a port that is to lead into the machine is taken on 127.0.0.1: stop what listens there ({line})"
        ));
    }
    usage(format!("QEMU refused the machine: {line}"))
}

fn boot_arguments(command: &mut Command, boot: &Boot, folder: &Path) -> Result<()> {
    match boot {
        Boot::Direct {
            kernel,
            initrd,
            append,
        } => {
            command
                .arg("-kernel")
                .arg(kernel)
                .arg("-initrd")
                .arg(initrd)
                .arg("-append")
                .arg(append);
        }
        Boot::Uefi { code, vars } => {
            let own = folder.join("uefi-vars.fd");
            if !own.exists() {
                fs::copy(vars, &own).with_context(|| format!("cannot copy {}", vars.display()))?;
                let mut permissions = fs::metadata(&own)?.permissions();
                std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
                fs::set_permissions(&own, permissions)?;
            }
            command
                .arg("-drive")
                .arg(format!(
                    "if=pflash,format=raw,readonly=on,file={}",
                    code.display()
                ))
                .arg("-drive")
                .arg(format!("if=pflash,format=raw,file={}", own.display()));
        }
    }
    Ok(())
}
