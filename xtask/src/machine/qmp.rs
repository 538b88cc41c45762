//! QEMU's control channel (QMP), as far as the harness needs it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// QEMU answers at once; a machine under load gets a while.
const ANSWER: Duration = Duration::from_secs(30);

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
