//! The boot entries in the firmware's variables (UEFI specification 2.10, 3.1.3 and 10.3).

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Prints `none`, or one line for each entry: the content of its file in efivarfs, as Base64.
pub const LIST: &str = "cd /sys/firmware/efi/efivars 2>/dev/null || { echo none; exit; }; \
     for entry in Boot[0-9A-F][0-9A-F][0-9A-F][0-9A-F]-*; do \
     if [ -e $entry ]; then base64 -w 0 $entry; echo; fi; done";

/// The variable's attributes, which efivarfs puts first, in bytes.
const ATTRIBUTES: usize = 4;
/// A device path node's type and subtype: a file on a partition.
const FILE: [u8; 2] = [4, 4];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootEntry {
    /// What the firmware's menu shows.
    pub name: String,
    /// The path of the program, if the entry names one.
    pub file: Option<String>,
}

/// Reads the output of [`LIST`]. `None` where the machine has no such variables.
///
/// # Errors
/// A line is not an entry.
pub fn parse(listed: &str) -> Result<Option<Vec<BootEntry>>> {
    let listed = listed.trim();
    if listed == "none" {
        return Ok(None);
    }
    let entries = listed.lines().map(|line| {
        let bytes = STANDARD.decode(line.trim()).ok();
        let entry = bytes.and_then(|bytes| load_option(bytes.get(ATTRIBUTES..)?));
        entry.with_context(|| format!("{line} is not a boot entry"))
    });
    entries.collect::<Result<_>>().map(Some)
}

/// `EFI_LOAD_OPTION`: attributes (4 bytes), length of the device path (2), description, device path, data of the program.
fn load_option(option: &[u8]) -> Option<BootEntry> {
    let length = usize::from(number(option.get(4..6)?)?);
    let name = option.get(6..)?;
    let end = name.chunks_exact(2).position(|pair| pair == [0, 0])?;
    let path = name.get(2 * end + 2..)?.get(..length)?;
    Some(BootEntry {
        name: utf16(&name[..2 * end]),
        file: file(path)?,
    })
}

/// The first file in a device path: nodes of type (1 byte), subtype (1), length with this head (2), and content.
fn file(mut path: &[u8]) -> Option<Option<String>> {
    while !path.is_empty() {
        let length = usize::from(number(path.get(2..4)?)?);
        let content = path.get(4..length)?;
        if path[..2] == FILE {
            return Some(Some(utf16(content).trim_end_matches('\0').to_string()));
        }
        path = &path[length..];
    }
    Some(None)
}

fn number(bytes: &[u8]) -> Option<u16> {
    bytes.try_into().ok().map(u16::from_le_bytes)
}

fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).filter_map(number);
    char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "Sys" for `\ab` on no particular device.
    const SYSTEM: &str = "BwAAAAEAAAAQAFMAeQBzAAAABAQMAFwAYQBiAAAAf/8EAA==";
    /// "Disk": a hardware device path without a file, and data of the firmware.
    const DEVICE: &str = "BwAAAAEAAAAKAEQAaQBzAGsAAAABAQYAAAB//wQATqwIgQ==";

    #[test]
    fn an_entry_is_a_device_or_a_file() {
        let entries = parse(&format!("{SYSTEM}\n{DEVICE}\n")).unwrap().unwrap();
        let names = entries.iter().map(|entry| entry.name.as_str());
        assert_eq!(names.collect::<Vec<_>>(), ["Sys", "Disk"]);
        assert_eq!(entries[0].file.as_deref(), Some("\\ab"));
        assert_eq!(entries[1].file, None);
    }

    #[test]
    fn without_uefi_there_is_none() {
        assert_eq!(parse("none\n").unwrap(), None);
        assert_eq!(parse("").unwrap(), Some(Vec::new()));
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        let whole = STANDARD.decode(SYSTEM).unwrap();
        for length in [0, 4, 9, 17, 20, whole.len() - 1] {
            let cut = STANDARD.encode(&whole[..length]);
            assert!(
                parse(&format!("{DEVICE}\n{cut}\n{DEVICE}")).is_err(),
                "{length}"
            );
        }
    }
}
