//! Installs the recorded units and their scripts.

use super::archive::Archive;
use super::debian;
use crate::contract::Contract;

/// A recorded script that is a command for everyone.
const COMMAND: &str = "ollamalive";

/// Adds the units and scripts of `contract`. Returns the units that Debian cannot have.
pub fn add(archive: &mut Archive, contract: &Contract) -> Vec<String> {
    for (name, text) in debian::scripts(contract) {
        archive.file_with_mode(&format!("{}/{name}", debian::SCRIPTS), 0o755, text);
    }
    // The owner's command.
    if contract.scripts.contains_key(COMMAND) {
        archive.link(
            &format!("/usr/bin/{COMMAND}"),
            &format!("{}/{COMMAND}", debian::SCRIPTS),
        );
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
