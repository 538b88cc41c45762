//! An interactive shell on this terminal: by SSH, or on the serial console where SSH does not answer.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write, stdin, stdout};
use std::os::fd::AsFd;
use std::thread;

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use super::state::Machine;
use crate::process::{self, POLL, check_interrupt};

/// Ctrl-], as in telnet and virsh.
const LEAVE: u8 = 0x1d;
/// How many bytes of earlier console output are shown again.
const RECENT: u64 = 4096;

/// The way into the machine for a [session](Machine::session).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Ssh,
    /// The serial console, where SSH does not answer.
    Console,
}

impl Machine {
    /// SSH if it answers, or else the console.
    pub fn door(&mut self) -> Door {
        match self.over_ssh("true") {
            Ok(_) => Door::Ssh,
            Err(_) => Door::Console,
        }
    }

    /// Connects the terminal to a shell in the machine, until the shell or the machine ends.
    ///
    /// # Errors
    /// The machine is switched off, there is no terminal, or the harness is interrupted.
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
        let mut log = File::open(self.console_log())?;
        let shown = log.metadata()?.len();
        log.seek(SeekFrom::Start(shown.saturating_sub(RECENT)))?;
        let running = self.running()?;
        let _raw = Raw::enter()?;
        while running.qemu.ended().is_none() {
            check_interrupt()?;
            // QEMU writes what the console shows to the log at once.
            let mut output = Vec::new();
            log.read_to_end(&mut output)?;
            stdout().write_all(&output)?;
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

/// The keys typed within [`POLL`]; the end of the input counts as Ctrl-].
fn typed() -> Result<Vec<u8>> {
    let input = stdin();
    let mut ready = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
    // A signal interrupts the wait; the caller checks the flag that it set.
    if poll(&mut ready, PollTimeout::try_from(POLL)?).unwrap_or(0) == 0 {
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

/// The terminal in raw mode: every key arrives unchanged, Ctrl-C included. Dropping it restores the terminal.
struct Raw(Termios);

impl Raw {
    fn enter() -> Result<Self> {
        let before = tcgetattr(stdin().as_fd()).context("standard input is not a terminal")?;
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
