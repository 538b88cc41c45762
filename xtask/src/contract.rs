//! The evaluated configuration as types, as `tests/contract.nix` hands it over.
//!
//! The same value comes from two places: from Nix (`nix::contract`), or from the recorded snapshots
//! (`snapshot::load`). Only what the harness acts on is typed; the rest stays JSON for the snapshots.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::Path;

use anyhow::Result;
use ipnet::IpNet;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use uuid::Uuid;

use crate::error::usage;

/// The whole contract, one field per concern.
#[derive(Debug, Clone, Deserialize)]
pub struct Contract {
    pub system: System,
    pub users: Users,
    pub ssh: Ssh,
    /// `sshd_config` in NixOS's order; its paths are in the Nix store.
    pub sshd_config: String,
    pub names: Names,
    /// Lines in the format of tmpfiles.d(5).
    pub tmpfiles: Vec<String>,
    pub docker: Docker,
    pub ollama: Ollama,
    pub models: Models,
    pub persist: Persist,
    #[serde(default)]
    pub update: Update,
    pub image: Image,
    /// This project's scripts by name; those of a unit are named as NixOS does, for example `docker-ollama-pre-start`.
    pub scripts: BTreeMap<String, String>,
    pub texts: Texts,
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

/// How the machine gets new versions.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Update {
    /// Where releases are.
    pub url: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct System {
    pub host_name: String,
    pub time_zone: String,
    /// The hardware clock keeps the zone's time, not UTC.
    #[serde(default)]
    pub hardware_clock_in_local_time: bool,
    pub key_map: String,
    pub locale: String,
    pub kernel_params: Vec<String>,
    pub autologin: Autologin,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Autologin {
    /// The user that the consoles log in without a password, if any.
    pub user: Option<String>,
}

/// Who can log in.
#[derive(Debug, Clone, Deserialize)]
pub struct Users {
    /// The name of the owner's account.
    pub owner: String,
    /// The owner, root and every other account of a person, by name.
    pub accounts: BTreeMap<String, User>,
    pub sudo: Sudo,
    pub zsh: Zsh,
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

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ssh {
    pub host_keys: Vec<HostKey>,
    /// The TCP port on which the owner logs in.
    pub port: u16,
}

#[derive(Debug, Clone, Deserialize)]
pub struct HostKey {
    pub path: String,
    pub r#type: String,
}

/// How names are looked up.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Names {
    /// systemd-resolved runs.
    pub resolved: bool,
    /// What /etc/resolv.conf links to; empty where it is not a link.
    pub resolv_conf: String,
    /// Settings of resolved.conf(5).
    pub settings: BTreeMap<String, Value>,
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
    /// Who may reach it; empty: every network.
    #[serde(deserialize_with = "networks")]
    pub allowed_networks: Vec<IpNet>,
    pub image: String,
    /// Models that are downloaded when it starts.
    #[serde(default)]
    pub pull: Vec<String>,
    /// Variables of its environment that the owner's settings stand for; `None` where Ollama's default is meant.
    #[serde(default)]
    pub settings: BTreeMap<String, Option<String>>,
    pub port: u16,
    pub container: String,
    pub unit: String,
    /// The folder for models if the drive has none yet.
    pub models_dir: String,
}

impl Ollama {
    /// The folder for models as a word of a shell command: an owner's folder may have spaces.
    pub fn models_word(&self) -> String {
        format!("'{}'", self.models_dir.replace('\'', r"'\''"))
    }
}

/// Networks as `ADDRESS/PREFIX`, or `ADDRESS` for a single host.
fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let network = |text: &String| {
        text.parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
            .map_err(|_| D::Error::custom(format!("{text:?} is not a network")))
    };
    texts.iter().map(network).collect()
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Models {
    /// `LABEL=…` or `UUID=…`; without a drive the models are on PERSIST.
    pub drive: Option<String>,
    /// The folder on it; without one, models are found.
    #[serde(default)]
    pub folder: Option<String>,
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
    /// Lines of udev's rules.
    pub udev_rules: Vec<String>,
    /// The machine's definitions for systemd-repart: file in repart.d -> setting -> value.
    pub repart: BTreeMap<String, BTreeMap<String, String>>,
}

/// Text that NixOS renders. It differs between releases of NixOS; store paths are Nix's.
#[derive(Debug, Clone, Deserialize)]
pub struct Texts {
    /// The release that rendered it, for example `26.05`.
    pub release: String,
    pub fstab: String,
    /// Unit files by name with the suffix, for example `docker-ollama.service`.
    pub units: BTreeMap<String, String>,
    /// Scripts that those units run, by name.
    pub scripts: BTreeMap<String, String>,
}
