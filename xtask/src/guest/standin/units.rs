//! Installs the recorded units and their scripts.

use super::archive::Archive;
use super::debian;
use crate::contract::Contract;

/// Adds the units and scripts of `contract`. Returns the units that Debian cannot have.
pub fn add(archive: &mut Archive, contract: &Contract) -> Vec<String> {
    for (name, text) in debian::scripts(contract) {
        archive.file_with_mode(&format!("{}/{name}", debian::SCRIPTS), 0o755, text);
    }
    let (units, absent) = debian::units(contract);
    for unit in units {
        for (name, target, kind) in &unit.enabled {
            archive.enable(name, target, kind, "..");
        }
        for alias in &unit.aliases {
            archive.link(&format!("/etc/systemd/system/{alias}"), &unit.path);
        }
        archive.unit(&unit.path, unit.text);
    }
    absent
}
