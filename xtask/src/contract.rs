//! The evaluated configuration as types: what `tests/contract.nix` promises to hand over.
//!
//! The same value comes from two places: from Nix (`nix::contract`), or from the recorded snapshots
//! (`snapshot::load`). Only what the harness acts on is typed; the rest stays JSON for the snapshots.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::error::usage;

/// The whole contract, one field per concern.
#[derive(Debug, Clone, Deserialize)]
pub struct Contract {
    pub system: System,
    pub users: Users,
    pub ssh: Ssh,
    pub firewall: Firewall,
    /// By mount point, as in `fileSystems`.
    pub filesystems: BTreeMap<String, FileSystem>,
    /// Lines in the format of tmpfiles.d(5).
    pub tmpfiles: Vec<String>,
    pub docker: Docker,
    pub ollama: Ollama,
    pub models: Models,
    pub persist: Persist,
    pub image: Image,
    /// By unit name with its suffix, for example `docker-ollama.service`.
    pub units: BTreeMap<String, Unit>,
}

impl Contract {
    /// Reads the contract from a file of JSON, as the flake's check `contract` builds it.
    ///
    /// # Errors
    /// The file cannot be read, or is not a contract.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .map_err(|error| usage(format!("cannot read {}: {error}", path.display())))?;
        serde_json::from_str(&text).map_err(|error| {
            usage(format!(
                "{} is not a configuration ({error}): give what `nix build .#checks.x86_64-linux.contract` makes",
                path.display()
            ))
        })
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct System {
    pub host_name: String,
    pub time_zone: String,
    pub key_map: String,
    pub locale: String,
    pub kernel_params: Vec<String>,
    pub autologin: Autologin,
    /// Lines of shell that every login shell runs.
    #[serde(default)]
    pub login_shell_init: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Autologin {
    /// Who is logged in on the consoles without a password; nobody when `None`.
    pub user: Option<String>,
}

/// `users.users`, with the two settings of `sudo` and `zsh` beside them.
#[derive(Debug, Clone, Deserialize)]
pub struct Users {
    pub sudo: Sudo,
    pub zsh: Zsh,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sudo {
    pub wheel_needs_password: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Zsh {
    pub enable: bool,
    pub autosuggestions: bool,
    pub syntax_highlighting: bool,
    /// Lines of history.
    pub hist_size: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    pub uid: Option<u32>,
    pub home: String,
    /// Name of the shell's program, without its folder.
    pub shell: String,
    pub group: String,
    pub extra_groups: Vec<String>,
    /// As in shadow(5); `!` locks the password.
    pub hashed_password: Option<String>,
    pub authorized_keys: Vec<String>,
}

impl Users {
    /// Every account by name.
    pub fn accounts(&self) -> BTreeMap<String, User> {
        self.others
            .iter()
            .filter_map(|(name, value)| {
                Some((name.clone(), serde_json::from_value(value.clone()).ok()?))
            })
            .collect()
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ssh {
    /// `sshd_config` as NixOS renders it; paths into the Nix store are Nix's.
    pub config: String,
    pub host_keys: Vec<HostKey>,
    pub ports: Vec<u16>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct HostKey {
    pub path: String,
    pub r#type: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Firewall {
    pub enable: bool,
    pub tcp_ports: Vec<u16>,
    pub udp_ports: Vec<u16>,
    /// By name: tables in the syntax of nft(8).
    pub tables: BTreeMap<String, Table>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Table {
    pub family: String,
    pub content: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileSystem {
    pub device: Option<String>,
    pub fs_type: String,
    pub options: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Docker {
    /// daemon.json
    pub daemon: Value,
    pub data_root: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ollama {
    pub image: String,
    pub port: u16,
    pub container: String,
    pub unit: String,
    pub models_dir: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Models {
    /// `LABEL=…` or `UUID=…`; without a drive the models are on PERSIST.
    pub drive: Option<String>,
    pub mount_point: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Persist {
    pub label: String,
    pub mount_point: String,
    pub unit: String,
    /// Mount point -> folder on PERSIST.
    pub bind_mounts: BTreeMap<String, String>,
}

/// The stick's layout, and how the machine finds the stick that it was started from.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// The GUID of every image's partition table.
    pub disk_id: Uuid,
    /// A shell script that udev runs.
    pub started_from: String,
    /// Rules of udev.
    pub udev_rules: String,
    /// What systemd-repart is told on the machine: file in repart.d -> setting -> value.
    pub repart: BTreeMap<String, BTreeMap<String, String>>,
}

/// A systemd service, as far as the modules have a say in it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Unit {
    pub description: String,
    pub after: Vec<String>,
    pub before: Vec<String>,
    pub wants: Vec<String>,
    pub requires: Vec<String>,
    pub required_by: Vec<String>,
    pub binds_to: Vec<String>,
    pub part_of: Vec<String>,
    pub wanted_by: Vec<String>,
    pub environment: BTreeMap<String, Value>,
    pub unit_config: BTreeMap<String, Value>,
    pub service_config: BTreeMap<String, Value>,
    pub pre_start: String,
    pub script: String,
    pub post_start: String,
    pub pre_stop: String,
    pub post_stop: String,
}
