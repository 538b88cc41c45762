//! Mounts, as fstab(5) has them.

use std::collections::BTreeMap;

use crate::contract::FileSystem;

/// These two are NixOS's own business: the stand-in has Debian there.
const NOT_OURS: [&str; 2] = ["/", "/nix/store"];
/// These concern an initial RAM disk with systemd in it, which the stand-in has not.
const INITRD_ONLY: [&str; 2] = ["x-initrd.mount", "x-systemd.before=initrd-fs.target"];

/// A line for each recorded file system.
pub fn fstab(filesystems: &BTreeMap<String, FileSystem>) -> String {
    let ours = filesystems
        .iter()
        .filter(|(point, _)| !NOT_OURS.contains(&point.as_str()));
    ours.map(|(point, filesystem)| line(point, filesystem))
        .collect()
}

fn line(point: &str, filesystem: &FileSystem) -> String {
    let options: Vec<&str> = filesystem
        .options
        .iter()
        .map(String::as_str)
        .filter(|option| !INITRD_ONLY.contains(option))
        .collect();
    let options = if options.is_empty() {
        "defaults".to_string()
    } else {
        options.join(",")
    };
    let device = filesystem.device.as_deref().unwrap_or("none");
    format!(
        "{} {} {} {} 0 0\n",
        escaped(device),
        escaped(point),
        filesystem.fs_type,
        escaped(&options)
    )
}

fn escaped(field: &str) -> String {
    field
        .replace('\\', "\\134")
        .replace(' ', "\\040")
        .replace('\t', "\\011")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_mounts_less_what_belongs_to_nixos() {
        let recorded = serde_json::from_value(serde_json::json!({
            "/": { "device": "tmpfs", "fsType": "tmpfs", "options": ["x-initrd.mount"] },
            "/nix/store": { "device": "/dev/disk/by-partlabel/STORE", "fsType": "erofs", "options": ["ro"] },
            "/home": { "device": "/persist/home", "fsType": "none",
                       "options": ["x-initrd.mount", "bind", "nofail", "x-systemd.before=initrd-fs.target"] },
            "/mnt/my models": { "device": "LABEL=Models", "fsType": "ntfs-3g", "options": [] }
        }))
        .unwrap();
        assert_eq!(
            fstab(&recorded),
            "/persist/home /home none bind,nofail 0 0\nLABEL=Models /mnt/my\\040models ntfs-3g defaults 0 0\n"
        );
    }
}
