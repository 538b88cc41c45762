//! A disk as lsblk describes it. It knows mounts, swap, and the layers on top of a disk.

use anyhow::{Context, Result};
use serde::Deserialize;

use super::super::disk::DiskInfo;
use crate::units::decimal_size;

/// The columns that are read; without NAME lsblk does not nest them. MOUNTPOINTS came with util-linux 2.37
/// (2021).
pub const COLUMNS: &str =
    "NAME,PATH,TYPE,PKNAME,RO,SIZE,LOG-SEC,MODEL,SERIAL,TRAN,FSTYPE,LABEL,PARTLABEL,MOUNTPOINTS";

#[derive(Deserialize)]
struct Listing {
    blockdevices: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    path: String,
    #[serde(rename = "type")]
    kind: String,
    pkname: Option<String>,
    ro: bool,
    size: u64,
    #[serde(rename = "log-sec")]
    sector: u64,
    model: Option<String>,
    serial: Option<String>,
    tran: Option<String>,
    fstype: Option<String>,
    label: Option<String>,
    partlabel: Option<String>,
    #[serde(default)]
    mountpoints: Vec<Option<String>>,
    #[serde(default)]
    children: Vec<Node>,
}

/// Reads what `lsblk --json --bytes --paths --output COLUMNS DEVICE` prints.
///
/// # Errors
/// `text` has another form.
pub fn parse(text: &str) -> Result<DiskInfo> {
    let listing: Listing = serde_json::from_str(text).context("cannot read the output of lsblk")?;
    let node = listing
        .blockdevices
        .into_iter()
        .next()
        .context("lsblk lists nothing")?;
    let mut disk = DiskInfo::default();
    look(&node, &mut disk);
    let is_part = node.kind == "part";
    let is_disk = matches!(node.kind.as_str(), "disk" | "loop");
    disk.part_of = is_part.then(|| node.pkname.unwrap_or_else(|| "without its number".into()));
    disk.other_kind = (!is_part && !is_disk).then_some(node.kind);
    let text = |text: Option<String>| {
        text.map(|text| text.trim().to_string())
            .filter(|text| !text.is_empty())
    };
    disk.model = text(node.model);
    disk.serial = text(node.serial);
    disk.transport = text(node.tran);
    // Another system on it need not be mounted here. A disk in a USB case has the transport usb.
    let inside = ["nvme", "sata", "ata", "pcie"];
    disk.internal = disk
        .transport
        .as_ref()
        .is_some_and(|kind| inside.contains(&kind.as_str()));
    disk.size = node.size;
    disk.sector = node.sector;
    disk.read_only = node.ro;
    Ok(disk)
}

fn look(node: &Node, disk: &mut DiskInfo) {
    let mounts = node.mountpoints.iter().flatten();
    disk.mounts
        .extend(mounts.map(|mount| (node.path.clone(), mount.clone())));
    for child in &node.children {
        if child.kind == "part" {
            let name = child.partlabel.as_ref().or(child.label.as_ref());
            // Bound here, because Rust 1.88 would drop it at the end of the next statement.
            let size = decimal_size(child.size);
            let words = [Some(&child.path), name, child.fstype.as_ref(), Some(&size)];
            let words: Vec<&str> = words.into_iter().flatten().map(String::as_str).collect();
            disk.partitions.push(words.join(" "));
        } else {
            disk.holders
                .push(format!("{} ({})", child.path, child.kind));
        }
        look(child, disk);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STICK: &str = r#"{"blockdevices": [{"path":"/dev/sdb", "type":"disk", "pkname":null, "ro":false, "size":16008609792,
        "log-sec":512, "model":"Ultra Fit       ", "serial":"4C530001", "tran":"usb", "fstype":null, "label":null,
        "partlabel":null, "mountpoints":[null], "children": [
          {"path":"/dev/sdb1", "type":"part", "pkname":"/dev/sdb", "ro":false, "size":268435456, "log-sec":512, "model":null,
           "serial":null, "tran":null, "fstype":"vfat", "label":"ESP", "partlabel":"ESP", "mountpoints":["/media/me/ESP"]},
          {"path":"/dev/sdb2", "type":"part", "pkname":"/dev/sdb", "ro":false, "size":15000000000, "log-sec":512, "model":null,
           "serial":null, "tran":null, "fstype":"crypto_LUKS", "label":null, "partlabel":null, "mountpoints":[null],
           "children": [{"path":"/dev/mapper/luks", "type":"crypt", "pkname":"/dev/sdb2", "ro":false, "size":14999999999,
             "log-sec":512, "model":null, "serial":null, "tran":null, "fstype":"swap", "label":null, "partlabel":null,
             "mountpoints":["[SWAP]"]}]}]}]}"#;

    #[test]
    fn a_disk_is_read_with_all_layers_on_it() {
        let disk = parse(STICK).unwrap();
        assert_eq!(disk.model.as_deref(), Some("Ultra Fit"));
        assert_eq!(disk.serial.as_deref(), Some("4C530001"));
        assert_eq!(disk.partitions[0], "/dev/sdb1 ESP vfat 268 MB");
        assert_eq!(disk.mounts[0].1, "/media/me/ESP");
        assert_eq!(disk.mounts[1], ("/dev/mapper/luks".into(), "[SWAP]".into()));
        assert_eq!(disk.holders, ["/dev/mapper/luks (crypt)"]);
        assert_eq!((disk.size, disk.sector), (16_008_609_792, 512));
    }

    #[test]
    fn an_unmounted_internal_disk_is_refused() {
        let unmounted = STICK.replace("/media/me/ESP", "").replace("[SWAP]", "");
        assert!(!parse(&unmounted).unwrap().internal);
        let inside = parse(&unmounted.replacen("usb", "sata", 1)).unwrap();
        assert!(inside.objection().unwrap().contains("inside this computer"));
    }

    #[test]
    fn a_partition_names_its_disk() {
        let part = STICK.replacen(
            "\"disk\", \"pkname\":null",
            "\"part\", \"pkname\":\"/dev/sdz\"",
            1,
        );
        assert_eq!(parse(&part).unwrap().part_of.as_deref(), Some("/dev/sdz"));
        let volume = STICK.replacen("\"disk\"", "\"lvm\"", 1);
        assert_eq!(parse(&volume).unwrap().other_kind.as_deref(), Some("lvm"));
        assert!(parse("{}").is_err());
    }
}
