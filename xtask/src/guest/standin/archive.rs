//! The configuration's tar: files and links, all owned by root.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

/// A fixed time, so that the same contract makes the same bytes (2025-01-01).
const MODIFIED: u64 = 1_735_689_600;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    File { mode: u32, text: String },
    Link { target: String },
}

/// The entries by path, without the leading slash: a later one replaces an earlier one of the same path.
#[derive(Debug, Default)]
pub struct Archive {
    entries: BTreeMap<String, Entry>,
}

impl Archive {
    /// A world-readable file.
    pub fn file(&mut self, path: &str, text: impl Into<String>) {
        self.file_with_mode(path, 0o644, text);
    }

    pub fn file_with_mode(&mut self, path: &str, mode: u32, text: impl Into<String>) {
        self.entries.insert(
            relative(path),
            Entry::File {
                mode,
                text: text.into(),
            },
        );
    }

    /// A symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        self.entries.insert(
            relative(path),
            Entry::Link {
                target: target.to_string(),
            },
        );
    }

    /// A systemd unit file.
    pub fn unit(&mut self, name: &str, text: impl Into<String>) {
        self.file(&format!("/etc/systemd/system/{name}"), text);
    }

    /// The link that `systemctl enable` makes for `WantedBy=` or `RequiredBy=` (`kind` is `wants` or `requires`).
    pub fn enable(&mut self, unit: &str, target: &str, kind: &str, from: &str) {
        self.link(
            &format!("/etc/systemd/system/{target}.{kind}/{unit}"),
            &format!("{from}/{unit}"),
        );
    }

    /// Writes everything to `path`.
    pub fn write(&self, path: &Path) -> Result<()> {
        self.build(path)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn build(&self, path: &Path) -> Result<()> {
        let mut tar = tar::Builder::new(std::io::BufWriter::new(std::fs::File::create(path)?));
        for (name, entry) in &self.entries {
            let mut header = tar::Header::new_gnu();
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(MODIFIED);
            match entry {
                Entry::File { mode, text } => {
                    header.set_mode(*mode);
                    header.set_size(text.len() as u64);
                    tar.append_data(&mut header, name, text.as_bytes())?;
                }
                Entry::Link { target } => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_mode(0o777);
                    header.set_size(0);
                    tar.append_link(&mut header, name, target)?;
                }
            }
        }
        tar.into_inner()?
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?;
        Ok(())
    }

    #[cfg(test)]
    pub fn text(&self, path: &str) -> &str {
        match self.entries.get(&relative(path)) {
            Some(Entry::File { text, .. }) => text,
            other => panic!("{path}: {other:?}"),
        }
    }

    #[cfg(test)]
    pub fn target(&self, path: &str) -> Option<&str> {
        match self.entries.get(&relative(path)) {
            Some(Entry::Link { target }) => Some(target),
            _ => None,
        }
    }
}

fn relative(path: &str) -> String {
    path.trim_start_matches('/').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_belongs_to_root_and_the_size_fits_a_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        let mut archive = Archive::default();
        archive.file_with_mode("/etc/shadow", 0o640, "root:!:1::::::\n");
        archive.link("/etc/localtime", "/usr/share/zoneinfo/Europe/Berlin");
        archive.write(&path).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().len() % 512,
            0,
            "virtio disks are counted in sectors"
        );

        let mut tar = tar::Archive::new(std::fs::File::open(&path).unwrap());
        let seen: Vec<_> = tar
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                let path = entry.path().unwrap().display().to_string();
                (
                    path,
                    header.uid().unwrap(),
                    header.gid().unwrap(),
                    header.mode().unwrap(),
                    entry.link_name().unwrap().is_some(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("etc/localtime".into(), 0, 0, 0o777, true),
                ("etc/shadow".to_string(), 0, 0, 0o640, false)
            ]
        );
    }
}
