//! A person in the machine: a shell on this terminal, by SSH, or on the serial console where SSH is dead.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write, stdin, stdout};
use std::os::fd::AsFd;
use std::thread;

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use crate::machine::Machine;
use crate::process::{self, POLL, check_interrupt};

/// Ctrl-], which telnet and virsh leave by too.
const LEAVE: u8 = 0x1d;
/// How much of what the console has shown is shown again.
const RECENT: u64 = 4096;

/// How a person got in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Ssh,
    Console,
}

impl Machine {
    /// Which way leads into the machine just now.
    pub fn door(&mut self) -> Door {
        match self.over_ssh("true") {
            Ok(_) => Door::Ssh,
            Err(_) => Door::Console,
        }
    }

    /// Gives the terminal to a shell in the machine, until that is left or the machine ends.
    ///
    /// # Errors
    /// The machine is switched off, there is no terminal, or somebody ends the harness.
    pub fn session(&mut self, door: Door) -> Result<()> {
        match door {
            Door::Ssh => self.ssh_session(),
            Door::Console => self.console_session(),
        }
    }

    fn ssh_session(&mut self) -> Result<()> {
        let mut ssh = self.ssh_client()?;
        ssh.args(["-t", "127.0.0.1"]);
        // In the terminal's foreground: a process group of its own could not read from it.
        let mut client = process::die_with_us(&mut ssh)
            .spawn()
            .context("cannot start ssh")?;
        loop {
            let ended = client.try_wait().context("cannot wait for ssh")?;
            if ended.is_some() {
                return Ok(());
            }
            if let Err(interrupt) = check_interrupt() {
                let _ = client.kill();
                let _ = client.wait();
                return Err(interrupt);
            }
            thread::sleep(POLL);
        }
    }

    fn console_session(&mut self) -> Result<()> {
        let mut log = File::open(self.folder.join("console.log"))?;
        let shown = log.metadata()?.len();
        log.seek(SeekFrom::Start(shown.saturating_sub(RECENT)))?;
        let running = self.running()?;
        let _raw = Raw::enter()?;
        while running.qemu.ended().is_none() {
            check_interrupt()?;
            // QEMU writes everything that the console shows into the log, at once.
            let mut news = Vec::new();
            log.read_to_end(&mut news)?;
            stdout().write_all(&news)?;
            stdout().flush()?;
            let typed = typed()?;
            let (keys, leave) = match typed.iter().position(|key| *key == LEAVE) {
                Some(end) => (&typed[..end], true),
                None => (&typed[..], false),
            };
            running.qemu.console.write_all(keys)?;
            if leave {
                break;
            }
        }
        Ok(())
    }
}

/// What was typed within a moment; the end of the input leaves.
fn typed() -> Result<Vec<u8>> {
    let input = stdin();
    let mut ready = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
    let moment = PollTimeout::try_from(POLL)?;
    // A signal cuts the wait short; the flag that it raised is looked at by the caller.
    if poll(&mut ready, moment).unwrap_or(0) == 0 {
        return Ok(Vec::new());
    }
    let mut keys = [0; 256];
    let count = nix::unistd::read(input.as_fd(), &mut keys)?;
    Ok(if count == 0 {
        vec![LEAVE]
    } else {
        keys[..count].to_vec()
    })
}

/// The terminal hands over every key as it is, Ctrl-C included; as before when dropped.
struct Raw(Termios);

impl Raw {
    fn enter() -> Result<Self> {
        let before = tcgetattr(stdin().as_fd()).context("no terminal")?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(stdin().as_fd(), SetArg::TCSANOW, &raw)?;
        Ok(Raw(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(stdin().as_fd(), SetArg::TCSANOW, &self.0);
    }
}
