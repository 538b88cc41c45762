//! What a machine is built of, as QEMU's arguments.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

/// A disk beside the stick.
#[derive(Debug, Clone)]
pub struct Disk {
    pub path: PathBuf,
    /// Seen in the guest as `/dev/disk/by-id/virtio-…`.
    pub serial: &'static str,
    pub read_only: bool,
    /// A sector (512 bytes) that cannot be read.
    pub bad_sector: Option<u64>,
}

impl Disk {
    /// A disk that works.
    pub fn new(path: PathBuf, serial: &'static str) -> Self {
        Disk {
            path,
            serial,
            read_only: false,
            bad_sector: None,
        }
    }
}

/// What the machine finds when it is switched on, beside its disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surroundings {
    /// The network cable is plugged in.
    pub cable: bool,
    /// What the hardware clock says: `utc` is the host's time; else a date and time in UTC, as ISO 8601.
    pub clock: &'static str,
}

impl Surroundings {
    pub const ORDINARY: Surroundings = Surroundings {
        cable: true,
        clock: "utc",
    };
}

/// A disk that stays. Unless `keep`, what is written to it is gone when the machine ends.
pub fn drive(command: &mut Command, path: &Path, serial: &str, read_only: bool, keep: bool) {
    backend(command, path, serial, read_only, keep);
    command.arg("-device").arg(format!(
        "virtio-blk-pci,id={serial}-disk,drive={serial},serial={serial}"
    ));
}

fn backend(command: &mut Command, path: &Path, id: &str, read_only: bool, keep: bool) {
    let access = match (read_only, keep) {
        (true, _) => ",readonly=on",
        (false, true) => ",discard=unmap",
        (false, false) => ",discard=unmap,snapshot=on",
    };
    // A comma in a file name would start the next option.
    let file = path.display().to_string().replace(',', ",,");
    command.arg("-drive").arg(format!(
        "id={id},file={file},format=raw,if=none,cache=writeback{access}"
    ));
}

/// A disk that can be pulled out and plugged in while the machine runs: it sits on a port of its own. Unless `keep`, it
/// stays, has no bad sector, and what is written to it is gone when the machine ends.
pub fn pluggable(command: &mut Command, disk: &Disk, slot: usize, keep: bool) {
    let name = disk.serial;
    if keep {
        let mut file = json!({ "driver": "file", "filename": disk.path });
        if let Some(sector) = disk.bad_sector {
            // EIO, for every read that touches the sector (QEMU, docs/devel/blkdebug.txt).
            let rule = json!({
                "event": "none", "iotype": "read", "errno": 5, "sector": sector, "immediately": true
            });
            file = json!({ "driver": "blkdebug", "image": file, "inject-error": [rule] });
        }
        let node = json!({
            "node-name": name, "driver": "raw", "read-only": disk.read_only, "discard": "unmap", "file": file
        });
        command.arg("-blockdev").arg(node.to_string());
    } else {
        backend(command, &disk.path, name, disk.read_only, keep);
    }
    let port = format!("{name}-port");
    command
        .arg("-device")
        .arg(format!(
            "pcie-root-port,id={port},chassis={slot},slot={slot}"
        ))
        .arg("-device")
        .arg(format!(
            "virtio-blk-pci,id={name}-disk,bus={port},drive={name},serial={name}"
        ));
}
