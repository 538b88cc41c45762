//! The evaluated configuration as types, as `tests/contract.nix` hands it over.
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

/// The owner's number (`users.users.<name>.uid`).
const OWNER: u32 = 1000;

/// The whole contract, one field per concern.
#[derive(Debug, Clone, Deserialize)]
pub struct Contract {
    pub system: System,
    pub users: Users,
    pub ssh: Ssh,
    /// `sshd_config` in NixOS's order; its paths are in the Nix store.
    pub sshd_config: String,
    /// Lines in the format of tmpfiles.d(5).
    pub tmpfiles: Vec<String>,
    pub docker: Docker,
    pub ollama: Ollama,
    pub models: Models,
    pub persist: Persist,
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

    /// The owner's account: the one with the number that files on PERSIST belong to or, in a configuration that is broken
    /// on purpose, any other than root's.
    pub fn owner(&self) -> String {
        let mut others = self.accounts();
        others.remove("root");
        let by_number = others.iter().find(|(_, user)| user.uid == Some(OWNER));
        by_number
            .or_else(|| others.iter().next())
            .map(|(name, _)| name.clone())
            .unwrap_or_default()
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ssh {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_the_account_with_the_owners_number() {
        let users = |uid: u32| -> Users {
            let account = |uid: u32| {
                serde_json::json!({ "uid": uid, "home": "/", "shell": "zsh", "group": "users", "extraGroups": [],
                                    "hashedPassword": "!", "authorizedKeys": [] })
            };
            serde_json::from_value(serde_json::json!({
                "sudo": { "wheelNeedsPassword": false },
                "zsh": { "enable": true, "autosuggestions": true, "syntaxHighlighting": true, "histSize": 1 },
                "mutable": false, "root": account(0), "alice": account(uid), "aaron": account(1001),
            }))
            .unwrap()
        };
        assert_eq!(users(1000).owner(), "alice");
        assert_eq!(users(1002).owner(), "aaron");
    }
}
