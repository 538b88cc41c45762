//! The owner's files: SSH keys and network connections, for the folder of the stick's FAT partition that the machine reads.
//! The checks are those of modules/esp-*.sh, so that nothing is put there that the machine would refuse.

mod connection;
mod key;
mod options;
mod text;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, bail};

use self::connection::{Connection, connection};
use self::key::{SSH2, fingerprint, is_private};
use self::text::decode;
use crate::esp;
use crate::gpt::Extent;
use crate::monitor::Monitor;

/// The machine reads no more of a file.
const LIMIT: usize = 65_536;
const KEYS: &str = "authorized_keys";
/// What to do if a file holds no key.
const MAKE_KEY: &str =
    "give your public key, a file like ~/.ssh/id_ed25519.pub, which `ssh-keygen -t ed25519` makes";

/// Files for the stick.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct OwnerFiles {
    /// Lines of authorized_keys, each once.
    pub keys: Vec<String>,
    /// A line about each key: bits, fingerprint, comment.
    pub fingerprints: Vec<String>,
    /// Name and content of each connection.
    pub connections: Vec<(String, Vec<u8>)>,
    /// What the machine takes, but may not use: the file, and what to do.
    pub warnings: Vec<String>,
}

/// Reads the files that hold public keys, and those that hold connections of NetworkManager.
///
/// # Errors
/// One of them cannot be read or would be refused by the machine.
pub fn gather(
    keys: &[PathBuf],
    connections: &[PathBuf],
    monitor: &dyn Monitor,
) -> Result<OwnerFiles> {
    let mut files = OwnerFiles::default();
    for path in keys {
        let bytes = content(path, MAKE_KEY)?;
        if is_private(&bytes) {
            return Err(Error::msg(format!(
                "{} is a PRIVATE key, which must not be on a stick: give the public one, {}",
                path.display(),
                path.with_extension("pub").display()
            )));
        }
        let refuse = |why: &str| Error::msg(format!("{} {why}", path.display()));
        let decoded = decode(&bytes).ok_or_else(|| {
            refuse("is not a text that can be converted to UTF-8: save it as such")
        })?;
        if decoded.text.lines().any(|line| line.starts_with(SSH2)) {
            return Err(refuse(
                "is in the format of PuTTY or SSH2, which sshd does not read: give the text in PuTTYgen's box \"Public key for \
                 pasting\" (or use `ssh-keygen -i -f FILE`)",
            ));
        }
        let lines = decoded
            .text
            .lines()
            .map(|line| line.trim_start_matches([' ', '\t']));
        let mut any = false;
        for (number, line) in (1..).zip(lines) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            any = true;
            if files.keys.iter().any(|known| known == line) {
                continue;
            }
            let place = format!("{}, line {number}", path.display());
            files.fingerprints.push(fingerprint(line, &place, monitor)?);
            files.keys.push(line.to_string());
        }
        if decoded.guessed {
            let warning = format!("{}: {}", path.display(), in_windows_1252());
            files.warnings.push(warning);
        }
        if !any {
            return Err(Error::msg(format!(
                "{} contains no key: give a file like ~/.ssh/id_ed25519.pub",
                path.display()
            )));
        }
    }
    let mut uuids = BTreeMap::new();
    for path in connections {
        let Connection {
            name,
            uuid,
            content,
            warnings,
        } = connection(path)?;
        let same = |(other, _): &(String, _)| other.eq_ignore_ascii_case(&name);
        if files.connections.iter().any(same) {
            return Err(Error::msg(format!(
                "two --network files are called {name}: rename one"
            )));
        }
        if !uuid.is_empty()
            && let Some(other) = uuids.insert(uuid, name.clone())
        {
            return Err(Error::msg(format!(
                "{name} and {other} have the same uuid, so only one would be used: delete the line uuid= in one"
            )));
        }
        let warnings = warnings.iter().map(|warning| format!("{name}: {warning}"));
        files.warnings.extend(warnings);
        files.connections.push((name, content));
    }
    Ok(files)
}

fn in_windows_1252() -> String {
    "it is in Windows-1252: save it as UTF-8 if a name in it is wrong".to_string()
}

/// The bytes of a file. `otherwise` says what to do if it is missing or too long.
fn content(path: &Path, otherwise: &str) -> Result<Vec<u8>> {
    // No more than it takes to see that a file is too long: it may be an image.
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| {
        let most = u64::try_from(LIMIT).unwrap_or(u64::MAX) + 1;
        file.take(most).read_to_end(&mut bytes)
    });
    read.map_err(|error| {
        let path = path.display();
        Error::msg(match error.kind() {
            io::ErrorKind::NotFound => format!("there is no file {path}: {otherwise}"),
            _ => format!("cannot read {path}: {error}"),
        })
    })?;
    if bytes.len() > LIMIT {
        return Err(Error::msg(format!(
            "{} is too long: the machine reads only {LIMIT} bytes of a file: {otherwise}",
            path.display()
        )));
    }
    Ok(bytes)
}

impl OwnerFiles {
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.connections.is_empty()
    }

    /// Name, seen from the folder, and content of each file as it will be in the ESP of `disk`: keys in the image
    /// stay.
    fn wanted(&self, disk: &Path, esp: Extent) -> Result<Vec<(String, Vec<u8>)>> {
        let mut wanted = Vec::new();
        if !self.keys.is_empty() {
            let there = esp::get(disk, esp, KEYS)?.unwrap_or_default();
            let mut lines: Vec<String> = String::from_utf8_lossy(&there)
                .lines()
                .map(str::to_string)
                .collect();
            for key in &self.keys {
                if !lines.contains(key) {
                    lines.push(key.clone());
                }
            }
            wanted.push((
                KEYS.to_string(),
                format!("{}\n", lines.join("\n")).into_bytes(),
            ));
        }
        let connections = self.connections.iter();
        wanted.extend(
            connections.map(|(name, content)| (format!("network/{name}"), content.clone())),
        );
        Ok(wanted)
    }

    /// Puts the files into the ESP of `disk`; `settle` is called before they are read back, and has to drop caches so
    /// that they are read from the disk.
    ///
    /// # Errors
    /// No room for them, they cannot be written, or they read back differently.
    pub fn put(&self, disk: &Path, esp: Extent, settle: impl FnOnce() -> Result<()>) -> Result<()> {
        let wanted = self.wanted(disk, esp)?;
        for (name, content) in &wanted {
            esp::put(disk, esp, name, content)
                .with_context(|| format!("cannot put {name} onto the stick's FAT partition"))?;
        }
        settle()?;
        for (name, content) in &wanted {
            if esp::get(disk, esp, name)?.as_ref() != Some(content) {
                bail!(
                    "{name} on the stick's FAT partition differs from what was written: take another stick"
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::command;
    use crate::monitor::NoMonitor;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE8wrGXB1GRjJcdnYvsgk8DrIXvSZSvzEEK4kH8aU1nM me@home";

    fn file(folder: &Path, name: &str, content: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn refusal(keys: &[PathBuf], connections: &[PathBuf]) -> String {
        gather(keys, connections, &NoMonitor)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn keys_of_several_files_are_merged() {
        if command::command("ssh-keygen").arg("-?").output().is_err() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let one = file(
            folder.path(),
            "one.pub",
            &format!("\u{feff}# mine\r\n{KEY}\r\n\r\n"),
        );
        let two = file(folder.path(), "two.pub", KEY);
        let files = gather(&[one, two], &[], &NoMonitor).unwrap();
        assert_eq!(files.keys, [KEY]);
        assert!(
            files.fingerprints[0].starts_with("256 SHA256:"),
            "{:?}",
            files.fingerprints
        );
        let cut = file(folder.path(), "cut.pub", &KEY[..40]);
        assert!(refusal(&[cut], &[]).contains("cut.pub, line 1: not a public SSH key"));
    }

    #[test]
    fn a_file_without_a_public_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        for content in [
            "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n",
            "PuTTY-User-Key-File-3: ssh-ed25519\n",
        ] {
            let private = file(folder.path(), "id_ed25519", content);
            let refusal = refusal(&[private], &[]);
            assert!(
                refusal.contains("is a PRIVATE key") && refusal.contains("id_ed25519.pub"),
                "{refusal}"
            );
        }
        let empty = file(folder.path(), "empty", "# nothing\n");
        assert!(refusal(&[empty], &[]).contains("contains no key"));
        let long = file(folder.path(), "long", &"x".repeat(LIMIT + 1));
        let long = refusal(&[long], &[]);
        assert!(
            long.contains("too long") && long.contains("give your public key"),
            "{long}"
        );
        // A file that does not fit into memory, all of it a hole.
        let huge = folder.path().join("huge");
        fs::File::create(&huge).unwrap().set_len(1 << 40).unwrap();
        assert!(refusal(&[huge], &[]).contains("too long"));
        let none = refusal(&[folder.path().join("none")], &[]);
        assert!(
            none.contains("there is no file") && none.contains("ssh-keygen"),
            "{none}"
        );
        assert!(refusal(&[folder.path().into()], &[]).contains("cannot read"));
    }

    #[test]
    fn a_file_without_a_connection_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let good = "[connection]\r\nid=Home\r\ntype=wifi\r\n[wifi]\r\nssid=Home\r\n";
        let home = file(folder.path(), "Home.nmconnection", good);
        let files = gather(&[], std::slice::from_ref(&home), &NoMonitor).unwrap();
        assert_eq!(
            files.connections[0],
            ("Home.nmconnection".into(), good.replace('\r', "").into())
        );
        assert!(refusal(&[], &[home.clone(), home]).contains("two --network files"));
        let [one, two] = ["one.nmconnection", "two.nmconnection"]
            .map(|name| file(folder.path(), name, &good.replace("type=", "uuid=x\ntype=")));
        assert!(refusal(&[], &[one, two]).contains("have the same uuid"));
        let none = folder.path().join("none.nmconnection");
        assert!(
            refusal(&[], &[none])
                .contains("none.nmconnection: write one as docs/owner.md shows (Wi-Fi)")
        );
        let nonet = refusal(&[], &[folder.path().join("nonet")]);
        assert!(nonet.contains("there is no file"), "{nonet}");
        let misnamed = file(folder.path(), "Home.txt", good);
        assert!(refusal(&[], &[misnamed]).contains("NAME.nmconnection"));
        for (name, content, program) in [
            ("wpa_supplicant.conf", "network={\n}\n", "wpa_supplicant"),
            (
                "home.conf",
                "ctrl_interface=x\n\tnetwork={\n}\n",
                "wpa_supplicant",
            ),
            ("50-cloud-init.yaml", "network:\n", "netplan"),
            ("Home.xml", "<?xml?>\n<WLANProfile>\n", "Windows"),
        ] {
            let refusal = refusal(&[], &[file(folder.path(), name, content)]);
            let words = format!("is for {program}, and this machine uses NetworkManager");
            assert!(refusal.contains(&words), "{refusal}");
        }
        let other = file(folder.path(), "other.nmconnection", "[wifi]\nssid=x\n");
        assert!(refusal(&[], &[other]).contains("not a connection of NetworkManager"));
    }
}
