//! Which machine is meant.

use std::fmt;

use crate::error::usage;

/// A machine, as ssh knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// `[user@]host`, or a name in ~/.ssh/config.
    name: String,
    port: Option<u16>,
}

impl Host {
    /// # Errors
    /// `name` is an option, an address of the web, or has a port.
    pub fn new(name: &str, port: Option<u16>) -> anyhow::Result<Self> {
        let has_port = name.matches(':').count() == 1;
        if name.is_empty() || name.starts_with('-') || has_port || name.contains("://") {
            return Err(usage(format!(
                "{name:?} is not a machine: give [user@]host or a name in ~/.ssh/config, and a port by --port"
            )));
        }
        Ok(Host {
            name: name.to_string(),
            port,
        })
    }

    /// ssh's arguments that choose it.
    pub fn arguments(&self) -> Vec<String> {
        let port = self.port.map(|port| ["-p".into(), port.to_string()]);
        let name = ["--".into(), self.name.clone()];
        port.into_iter().flatten().chain(name).collect()
    }

    /// The command that logs in to it.
    pub fn ssh(&self) -> String {
        match self.port {
            Some(port) => format!("ssh -p {port} {}", self.name),
            None => format!("ssh {}", self.name),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_reached_by_its_port() {
        let host = Host::new("alice@pc", Some(2222)).unwrap();
        assert_eq!(host.ssh(), "ssh -p 2222 alice@pc");
        assert_eq!(host.arguments(), ["-p", "2222", "--", "alice@pc"]);
        let host = Host::new("fe80::1", None).unwrap();
        assert_eq!(host.ssh(), "ssh fe80::1");
        assert_eq!(host.arguments(), ["--", "fe80::1"]);
    }

    #[test]
    fn what_is_no_machine_is_refused() {
        for name in [
            "",
            "-oProxyCommand=x",
            "http://pc:11434",
            "pc:22",
            "http://pc",
        ] {
            let error = Host::new(name, None).unwrap_err().to_string();
            assert!(error.contains("give [user@]host"), "{error}");
        }
    }
}
