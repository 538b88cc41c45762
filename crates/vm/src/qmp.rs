//! QEMU's control channel (QMP), as far as the harness needs it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::config::NIC;
use crate::process::{POLL, check_interrupt};

/// QEMU answers at once; a machine under load gets a while.
const ANSWER: Duration = Duration::from_secs(30);

/// Writing a machine's memory to a slow disk, or reading it.
const MIGRATION: Duration = Duration::from_secs(120);

/// A connection past its greeting.
pub struct Qmp {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
}

impl Qmp {
    /// # Errors
    /// QEMU has ended, or does not speak within 30 s.
    pub fn new(stream: UnixStream) -> Result<Self> {
        stream.set_read_timeout(Some(ANSWER))?;
        let mut qmp = Qmp {
            writer: stream.try_clone()?,
            reader: BufReader::new(stream),
        };
        qmp.read().context("no greeting from QEMU")?;
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            bail!("QEMU has closed its control channel");
        }
        serde_json::from_str(&line).with_context(|| format!("not QMP: {line}"))
    }

    /// Runs one command and returns what it returns.
    pub fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let request = json!({ "execute": command, "arguments": arguments });
        writeln!(self.writer, "{request}").with_context(|| format!("QMP {command}"))?;
        let end = Instant::now() + ANSWER;
        while Instant::now() < end {
            let mut answer = self.read().with_context(|| format!("QMP {command}"))?;
            if let Some(error) = answer.get("error") {
                bail!("QMP {command}: {error}");
            }
            // Events arrive between request and answer.
            if let Some(value) = answer.get_mut("return") {
                return Ok(value.take());
            }
        }
        bail!("QMP {command}: no answer within {} s", ANSWER.as_secs())
    }

    /// Stops the machine and writes its memory and its devices' state to `file`.
    ///
    /// # Errors
    /// QEMU cannot, or not within 120 s.
    pub fn save(&mut self, file: &Path) -> Result<()> {
        self.execute("stop", json!({}))?;
        self.migrate("migrate", format!("exec:cat > {}", quoted(file)))
    }

    /// A machine that was stopped runs again.
    pub fn cont(&mut self) -> Result<()> {
        self.execute("cont", json!({})).map(drop)
    }

    /// Goes on with a machine that was saved.
    ///
    /// # Errors
    /// As [`Qmp::save`]; and the machine is built otherwise.
    pub fn load(&mut self, file: &Path) -> Result<()> {
        self.migrate("migrate-incoming", format!("exec:cat {}", quoted(file)))?;
        self.cont()
    }

    fn migrate(&mut self, command: &str, uri: String) -> Result<()> {
        // By default QEMU takes its time, for the sake of a network that it does not use here.
        self.execute(
            "migrate-set-parameters",
            json!({ "max-bandwidth": 4u64 << 30 }),
        )?;
        self.execute(command, json!({ "uri": uri }))?;
        let end = Instant::now() + MIGRATION;
        while Instant::now() < end {
            check_interrupt()?;
            let state = self.execute("query-migrate", json!({}))?;
            match state["status"].as_str() {
                Some("completed") => return Ok(()),
                Some("failed" | "cancelled") => bail!("QMP {command}: {state}"),
                _ => std::thread::sleep(POLL),
            }
        }
        bail!("QMP {command}: not done within {} s", MIGRATION.as_secs())
    }

    /// Plugs the network cable in, or pulls it out.
    pub fn set_link(&mut self, up: bool) -> Result<()> {
        self.execute("set_link", json!({ "name": NIC, "up": up }))
            .map(drop)
    }

    /// Asks the guest to let go of the disk that `serial` names. The guest answers in its own time.
    pub fn pull(&mut self, serial: &str) -> Result<()> {
        self.execute("device_del", json!({ "id": format!("{serial}-disk") }))
            .map(drop)
    }

    /// Whether the disk is plugged in.
    pub fn has(&mut self, serial: &str) -> Result<bool> {
        let there = self.execute("qom-list", json!({ "path": "/machine/peripheral" }))?;
        let name = format!("{serial}-disk");
        Ok(there
            .as_array()
            .is_some_and(|devices| devices.iter().any(|device| device["name"] == name)))
    }

    /// Plugs a disk in again that was pulled.
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

    /// The host's port that is forwarded to the guest's TCP `port`.
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

/// Finds a line such as `TCP[HOST_FORWARD]  12  127.0.0.1 40213  10.0.2.15  22  0  0`.
fn parse_forward(table: &str, port: u16) -> Option<u16> {
    table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        (fields.len() >= 6 && fields[0] == "TCP[HOST_FORWARD]" && fields[5] == port.to_string())
            .then(|| fields[3].parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwards_are_read_from_the_monitor_table() {
        let table = "Hub -1 (net0):\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\n\
                     \x20 TCP[HOST_FORWARD]  14       127.0.0.1 37781       10.0.2.15    22     0     0\n\
                     \x20 TCP[HOST_FORWARD]  15       127.0.0.1 37782       10.0.2.15 11434     0     0\n";
        assert_eq!(parse_forward(table, 22), Some(37781));
        assert_eq!(parse_forward(table, 11434), Some(37782));
        assert_eq!(parse_forward(table, 80), None);
    }
}
