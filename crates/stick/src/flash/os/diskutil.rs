//! A disk as macOS's diskutil describes it, converted by `plutil -convert json`.

use anyhow::{Context, Result};
use serde_json::Value;

use super::super::disk::DiskInfo;
use crate::units::decimal_size;

/// Reads `diskutil info -plist DISK` and `diskutil list -plist DISK`.
///
/// # Errors
/// One of them is not JSON.
pub fn parse(info: &str, list: &str) -> Result<DiskInfo> {
    let info: Value = serde_json::from_str(info).context("cannot read the output of diskutil")?;
    let list: Value = serde_json::from_str(list).context("cannot read the output of diskutil")?;
    let text = |key: &str| {
        info[key]
            .as_str()
            .map(|text| text.trim().to_string())
            .filter(|text| !text.is_empty())
    };
    let whole = info["WholeDisk"].as_bool() == Some(true);
    let mut disk = DiskInfo {
        part_of: (!whole).then(|| format!("/dev/{}", text("ParentWholeDisk").unwrap_or_default())),
        model: text("MediaName").or_else(|| text("IORegistryEntryName")),
        transport: text("BusProtocol").map(|bus| bus.to_lowercase()),
        size: info["TotalSize"]
            .as_u64()
            .or(info["Size"].as_u64())
            .unwrap_or_default(),
        sector: info["DeviceBlockSize"].as_u64().unwrap_or(512),
        read_only: info["WritableMedia"].as_bool() == Some(false),
        // Taken to be internal unless diskutil says that it is not.
        internal: info["Internal"].as_bool() != Some(false),
        ..DiskInfo::default()
    };
    let entries = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    for whole in entries(&list, "AllDisksAndPartitions") {
        let volumes = entries(&whole, "APFSVolumes");
        for part in entries(&whole, "Partitions")
            .iter()
            .chain(&volumes)
            .chain([&whole])
        {
            let name = |key: &str| part[key].as_str().unwrap_or_default();
            let path = format!("/dev/{}", name("DeviceIdentifier"));
            if !name("MountPoint").is_empty() {
                disk.mounts
                    .push((path.clone(), name("MountPoint").to_string()));
            }
            if part["Partitions"].is_null() {
                let size = decimal_size(part["Size"].as_u64().unwrap_or_default());
                disk.partitions.push(format!(
                    "{path} {} {} {size}",
                    name("VolumeName"),
                    name("Content")
                ));
            }
        }
    }
    Ok(disk)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = r#"{"DeviceIdentifier":"disk4", "WholeDisk":true, "ParentWholeDisk":"disk4", "MediaName":"Ultra Fit",
        "BusProtocol":"USB", "TotalSize":16008609792, "DeviceBlockSize":512, "WritableMedia":true, "Internal":false}"#;
    const LIST: &str = r#"{"AllDisksAndPartitions":[{"DeviceIdentifier":"disk4", "Size":16008609792, "Partitions":[
        {"DeviceIdentifier":"disk4s1", "VolumeName":"ESP", "Content":"Microsoft Basic Data", "Size":268435456,
         "MountPoint":"/Volumes/ESP"}]}]}"#;

    #[test]
    fn a_stick_is_recognised_with_its_mounts() {
        let disk = parse(INFO, LIST).unwrap();
        assert_eq!(disk.model.as_deref(), Some("Ultra Fit"));
        assert_eq!(
            disk.mounts,
            [("/dev/disk4s1".to_string(), "/Volumes/ESP".to_string())]
        );
        assert_eq!(
            disk.partitions,
            ["/dev/disk4s1 ESP Microsoft Basic Data 268 MB"]
        );
        assert!(disk.objection().unwrap().contains("/Volumes/ESP"));
        assert_eq!(parse(INFO, "{}").unwrap().objection(), None);
    }

    #[test]
    fn an_internal_disk_and_a_partition_are_refused() {
        let inside = parse(
            &INFO.replace("\"Internal\":false", "\"Internal\":true"),
            "{}",
        )
        .unwrap();
        assert!(inside.objection().unwrap().contains("inside"));
        let silent = parse(&INFO.replace("\"Internal\":false", "\"X\":0"), "{}").unwrap();
        assert!(silent.internal);
        let part = parse(
            &INFO.replace("\"WholeDisk\":true", "\"WholeDisk\":false"),
            "{}",
        )
        .unwrap();
        assert!(
            part.objection()
                .unwrap()
                .contains("the whole disk, /dev/disk4")
        );
    }
}
