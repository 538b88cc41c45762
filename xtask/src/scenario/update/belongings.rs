//! What an owner keeps on the stick, and an update must not change.

use std::collections::BTreeSet;

use anyhow::{Error, Result, ensure};

use crate::scenario::Context;
use crate::scenario::durability::host_keys;

/// A file of the owner's.
const DATA: &str = "/persist/home/before-the-update";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Belongings {
    pub host_keys: BTreeSet<String>,
    pub machine_id: String,
    /// UUID of PERSIST's file system.
    pub file_system: String,
    pub data: String,
}

impl Belongings {
    /// What differs in `after`: a sentence for each difference.
    pub fn changes(&self, after: &Self) -> Vec<String> {
        [
            ("the host keys", self.host_keys == after.host_keys),
            ("the machine ID", self.machine_id == after.machine_id),
            (
                "PERSIST's file system",
                self.file_system == after.file_system,
            ),
            ("the owner's file", self.data == after.data),
        ]
        .into_iter()
        .filter(|(_, same)| !same)
        .map(|(what, _)| format!("{what} changed: {self:?} and {after:?}"))
        .collect()
    }
}

/// Writes the owner's file with new content, and syncs it to the stick.
///
/// # Errors
/// No shell, or no room.
pub fn write(cx: &mut Context) -> Result<()> {
    cx.machine.succeed(&format!(
        "head -c 1000000 /dev/urandom > {DATA} && sync {DATA}"
    ))?;
    let mounted = "findmnt -no UUID --mountpoint /persist";
    ensure!(
        !cx.machine.succeed(mounted)?.trim().is_empty(),
        "PERSIST is not in use"
    );
    Ok(())
}

/// Reads the belongings from the machine.
///
/// # Errors
/// No shell, or no SSH server.
pub fn look(cx: &mut Context) -> Result<Belongings> {
    let mut read = |command: &str| Ok::<_, Error>(cx.machine.succeed(command)?.trim().to_string());
    let machine_id = read("cat /etc/machine-id")?;
    // Nothing, where PERSIST is not mounted or the file is not there: that differs from before.
    let file_system = read("findmnt -no UUID --mountpoint /persist || true")?;
    let data = read(&format!("sha256sum < {DATA} || true"))?;
    Ok(Belongings {
        host_keys: host_keys(cx)?,
        machine_id,
        file_system,
        data,
    })
}

#[cfg(test)]
pub mod testing {
    use super::*;

    pub fn belongings() -> Belongings {
        Belongings {
            host_keys: BTreeSet::from(["ssh-ed25519 SHA256:f1".to_string()]),
            machine_id: "6f".into(),
            file_system: "u".into(),
            data: "d".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::belongings;
    use super::*;

    #[test]
    fn each_change_is_named() {
        let before = belongings();
        assert!(before.changes(&before).is_empty());
        let change = |change: fn(&mut Belongings), named: &str| {
            let mut after = before.clone();
            change(&mut after);
            let changes = before.changes(&after);
            assert!(changes.len() == 1 && changes[0].starts_with(named));
        };
        change(|it| it.host_keys.clear(), "the host keys changed");
        change(|it| it.machine_id.clear(), "the machine ID changed");
        change(|it| it.file_system.clear(), "PERSIST's file system changed");
        change(|it| it.data.clear(), "the owner's file changed");
    }
}
