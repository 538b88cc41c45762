//! QEMU's control channel (QMP), as far as the harness needs it.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::config::NIC;
use crate::process::{POLL, check_interrupt};

/// QEMU normally answers at once; this allows for a busy host.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);
/// How often a wait for an answer checks Ctrl-C and its deadline.
const SLICE: Duration = Duration::from_millis(200);
/// Writing a machine's memory to a slow disk, or reading it.
const MIGRATION_DEADLINE: Duration = Duration::from_secs(120);

/// A QMP connection after the handshake.
pub struct Qmp {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
    /// The beginning of a line whose end has not arrived.
    partial: Vec<u8>,
    answer: Duration,
}

impl Qmp {
    /// # Errors
    /// QEMU has ended, or sends nothing for 30 s.
    pub fn new(stream: UnixStream) -> Result<Self> {
        Self::with_deadline(stream, ANSWER_DEADLINE, SLICE)
    }

    fn with_deadline(stream: UnixStream, answer: Duration, slice: Duration) -> Result<Self> {
        stream.set_read_timeout(Some(slice))?;
        let mut qmp = Qmp {
            writer: stream.try_clone()?,
            reader: BufReader::new(stream),
            partial: Vec::new(),
            answer,
        };
        let end = Instant::now() + answer;
        qmp.read(end).context("no greeting from QEMU")?;
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// The next message, by `end`.
    fn read(&mut self, end: Instant) -> Result<Value> {
        loop {
            check_interrupt()?;
            match self.reader.read_until(b'\n', &mut self.partial) {
                Ok(_) if self.partial.last() == Some(&b'\n') => {
                    let line = std::mem::take(&mut self.partial);
                    return serde_json::from_slice(&line).with_context(|| {
                        format!("invalid QMP message: {}", String::from_utf8_lossy(&line))
                    });
                }
                Ok(_) => bail!("QEMU has closed its control channel"),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if Instant::now() >= end {
                        bail!("no answer within {} s", self.answer.as_secs());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Runs one command and returns its result.
    ///
    /// # Errors
    /// QEMU's error, or no answer within 30 s.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let request = json!({ "execute": command, "arguments": arguments });
        writeln!(self.writer, "{request}").with_context(|| format!("QMP {command}"))?;
        let end = Instant::now() + self.answer;
        loop {
            let mut answer = self.read(end).with_context(|| format!("QMP {command}"))?;
            if let Some(error) = answer.get("error") {
                bail!("QMP {command}: {error}");
            }
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
            // Anything else is an event; they arrive at any time.
            if Instant::now() >= end {
                bail!(
                    "QMP {command}: no answer within {} s",
                    self.answer.as_secs()
                );
            }
        }
    }

    /// Stops the machine and writes its memory and its devices' state to `file`.
    ///
    /// # Errors
    /// QEMU cannot, or not within 120 s.
    pub fn save(&mut self, file: &Path) -> Result<()> {
        self.execute("stop", json!({}))?;
        self.migrate("migrate", format!("exec:cat > {}", quoted(file)))
    }

    /// Lets a stopped machine run again.
    pub fn cont(&mut self) -> Result<()> {
        self.execute("cont", json!({})).map(drop)
    }

    /// Loads the state that [`Qmp::save`] wrote, and lets the machine run.
    ///
    /// # Errors
    /// As [`Qmp::save`]; or this machine has other devices.
    pub fn load(&mut self, file: &Path) -> Result<()> {
        self.migrate("migrate-incoming", format!("exec:cat {}", quoted(file)))?;
        self.cont()
    }

    fn migrate(&mut self, command: &str, uri: String) -> Result<()> {
        // QEMU limits the bandwidth by default, to spare a network; this is a file.
        self.execute(
            "migrate-set-parameters",
            json!({ "max-bandwidth": 4u64 << 30 }),
        )?;
        self.execute(command, json!({ "uri": uri }))?;
        let end = Instant::now() + MIGRATION_DEADLINE;
        while Instant::now() < end {
            check_interrupt()?;
            let state = self.execute("query-migrate", json!({}))?;
            match state["status"].as_str() {
                Some("completed") => return Ok(()),
                Some("failed" | "cancelled") => bail!("QMP {command}: {state}"),
                _ => thread::sleep(POLL),
            }
        }
        bail!(
            "QMP {command}: not done within {} s",
            MIGRATION_DEADLINE.as_secs()
        )
    }

    /// When the guest shuts down or restarts, QEMU stops the machine and does not end: its devices can still be asked.
    pub fn stop_at_shutdown(&mut self) -> Result<()> {
        let actions = json!({ "reboot": "shutdown", "shutdown": "pause" });
        self.execute("set-action", actions).map(drop)
    }

    /// Whether the guest has shut down, after [`Qmp::stop_at_shutdown`].
    pub fn is_shut_down(&mut self) -> Result<bool> {
        let state = self.execute("query-status", json!({}))?;
        Ok(state["status"] == "shutdown")
    }

    /// Whether QEMU has stopped the machine because this computer has no room for what the guest writes. (QEMU's default for the
    /// error ENOSPC; other errors are the guest's to see.)
    pub fn is_out_of_room(&mut self) -> Result<bool> {
        let state = self.execute("query-status", json!({}))?;
        Ok(state["status"] == "io-error")
    }

    /// What the hardware clock shows, such as `2030-01-31T23:59:59`. It does not know its zone.
    ///
    /// # Errors
    /// The machine has no such clock.
    pub fn hardware_clock(&mut self) -> Result<String> {
        let place = json!({ "path": "/machine", "property": "rtc-time" });
        let time = self.execute("qom-get", place)?;
        parse_tm(&time).with_context(|| format!("not a time: {time}"))
    }

    /// Plugs the network cable in, or pulls it out.
    pub fn set_link(&mut self, up: bool) -> Result<()> {
        self.execute("set_link", json!({ "name": NIC, "up": up }))
            .map(drop)
    }

    /// Asks the guest to release the disk `serial`; returns before it has.
    pub fn pull(&mut self, serial: &str) -> Result<()> {
        self.execute("device_del", json!({ "id": format!("{serial}-disk") }))
            .map(drop)
    }

    /// Whether the disk is plugged in.
    pub fn has(&mut self, serial: &str) -> Result<bool> {
        let devices = self.execute("qom-list", json!({ "path": "/machine/peripheral" }))?;
        let name = format!("{serial}-disk");
        Ok(devices
            .as_array()
            .is_some_and(|devices| devices.iter().any(|device| device["name"] == name)))
    }

    /// Plugs the pulled disk `serial` back in.
    pub fn plug(&mut self, serial: &str) -> Result<()> {
        let device = json!({
            "driver": "virtio-blk-pci", "id": format!("{serial}-disk"), "bus": format!("{serial}-port"),
            "drive": serial, "serial": serial
        });
        self.execute("device_add", device).map(drop)
    }

    /// Runs a command of the human monitor and returns its text.
    pub fn monitor(&mut self, line: &str) -> Result<String> {
        let answer = self.execute("human-monitor-command", json!({ "command-line": line }))?;
        Ok(answer.as_str().unwrap_or_default().to_string())
    }

    /// The host port forwarded to the guest's TCP `port`.
    pub fn forwarded(&mut self, port: u16) -> Result<u16> {
        let table = self.monitor("info usernet")?;
        parse_forward(&table, port)
            .with_context(|| format!("QEMU forwards nothing to port {port}:\n{table}"))
    }
}

/// `file` as a word of a POSIX shell.
fn quoted(file: &Path) -> String {
    format!("'{}'", file.display().to_string().replace('\'', r"'\''"))
}

/// Reads a `struct tm`: years since 1900, months since January.
fn parse_tm(time: &Value) -> Option<String> {
    let field = |name: &str| time[name].as_u64();
    Some(format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        field("tm_year")? + 1900,
        field("tm_mon")? + 1,
        field("tm_mday")?,
        field("tm_hour")?,
        field("tm_min")?,
        field("tm_sec")?,
    ))
}

/// Finds a line such as `TCP[HOST_FORWARD]  12  127.0.0.1 40213  10.0.2.15  22  0  0`.
fn parse_forward(table: &str, port: u16) -> Option<u16> {
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields.len() >= 6 && fields[0] == "TCP[HOST_FORWARD]" && fields[5] == port.to_string())
            .then(|| fields[3].parse().ok())?
    })
}

#[cfg(test)]
mod tests;
