//! Edits of a UKI: a PE file whose sections hold the command line and the system's os-release.
//!
//! They are made in place, so that the rest of the file stays as it was built.

use std::ops::Range;

use anyhow::Result;

use crate::error::usage;

/// A section: where its entry in the table is, and where its content, whose end is padding.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Section {
    entry: usize,
    /// Bytes without the padding (`VirtualSize`).
    size: usize,
    raw: Range<usize>,
}

/// The length of an entry of the section table in bytes, and the offsets of its fields (Microsoft, "PE Format", section table).
const ENTRY: usize = 40;
const VIRTUAL_SIZE: usize = 8;
const RAW_SIZE: usize = 16;
const RAW_AT: usize = 20;

/// The section called `name` in a PE file.
fn section(uki: &[u8], name: &str) -> Option<Section> {
    let number = |at: usize, bytes: usize| {
        let field = uki.get(at..at + bytes)?;
        Some(
            field
                .iter()
                .rev()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
        )
    };
    let header = number(60, 4)?;
    if !uki.starts_with(b"MZ") || uki.get(header..header + 4)? != b"PE\0\0" {
        return None;
    }
    let table = header + 24 + number(header + 20, 2)?;
    let mut entries = (0..number(header + 6, 2)?).map(|at| table + at * ENTRY);
    let mut padded = [0; 8];
    padded
        .get_mut(..name.len())?
        .copy_from_slice(name.as_bytes());
    let entry = entries.find(|entry| uki.get(*entry..*entry + 8) == Some(&padded))?;
    let (start, length) = (number(entry + RAW_AT, 4)?, number(entry + RAW_SIZE, 4)?);
    let size = number(entry + VIRTUAL_SIZE, 4)?;
    (size <= length && start + length <= uki.len()).then_some(Section {
        entry,
        size,
        raw: start..start + length,
    })
}

fn found(uki: &[u8], name: &str) -> Result<Section> {
    section(uki, name).ok_or_else(|| {
        usage(format!(
            "the image's UKI has no section {name}: use an image of this project"
        ))
    })
}

/// The kernel's command line.
///
/// # Errors
/// It has none.
pub fn cmdline(uki: &[u8]) -> Result<String> {
    let section = found(uki, ".cmdline")?;
    let text = &uki[section.raw.start..][..section.size];
    Ok(String::from_utf8_lossy(text)
        .trim_end_matches('\0')
        .to_string())
}

/// Sets the kernel's command line.
///
/// # Errors
/// Its section has no room for it.
pub fn set_cmdline(uki: &mut [u8], text: &str) -> Result<()> {
    let section = found(uki, ".cmdline")?;
    let room = section.raw.len();
    if text.len() > room {
        return Err(usage(format!(
            "the command line would have {} bytes, and its section in the UKI has room for {room} ({} are in use): add fewer parameters",
            text.len(),
            section.size
        )));
    }
    let content = &mut uki[section.raw];
    content.fill(0);
    content[..text.len()].copy_from_slice(text.as_bytes());
    let size = (text.len() as u32).to_le_bytes();
    uki[section.entry + VIRTUAL_SIZE..][..size.len()].copy_from_slice(&size);
    Ok(())
}

/// Writes the version `new` over `old` in the system's os-release.
///
/// # Errors
/// The versions differ in length, or `old` is not there.
pub fn set_version(uki: &mut [u8], old: &str, new: &str) -> Result<()> {
    let section = found(uki, ".osrel")?;
    let wanted = format!("IMAGE_VERSION={old}");
    let text = &mut uki[section.raw.start..][..section.size];
    let quoted = wanted.replace('=', "=\"");
    let place = [wanted, quoted]
        .into_iter()
        .find_map(|line| Some(find(text, line.as_bytes())? + line.len() - old.len()));
    let place = place.filter(|_| old.len() == new.len()).ok_or_else(|| {
        usage(format!(
            "the UKI's os-release has no IMAGE_VERSION={old} to write {new} over: use an image of version {old}"
        ))
    })?;
    text[place..][..new.len()].copy_from_slice(new.as_bytes());
    Ok(())
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|at| at == part)
}

/// For tests: a UKI with `osrel` and `cmdline`, whose section has 64 bytes.
#[cfg(test)]
pub fn test_uki(osrel: &str, cmdline: &str) -> Vec<u8> {
    test_uki_with_room(osrel, cmdline, 64)
}

/// As [`test_uki`], with `room` for the command line.
#[cfg(test)]
pub fn test_uki_with_room(osrel: &str, cmdline: &str, room: usize) -> Vec<u8> {
    const PE: usize = 64;
    const OPTIONAL: usize = 112;
    let mut uki = vec![0; 512];
    uki[..2].copy_from_slice(b"MZ");
    uki[60] = PE as u8;
    // For x86-64, with three sections.
    uki[PE..][..8].copy_from_slice(b"PE\0\0\x64\x86\x03\0");
    uki[PE + 20] = OPTIONAL as u8;
    // PE32+
    uki[PE + 24..][..2].copy_from_slice(&[0x0b, 0x02]);
    let sections = [
        (".linux", "kernel", 16),
        (".osrel", osrel, 256),
        (".cmdline", cmdline, room),
    ];
    for (number, (name, text, raw_size)) in sections.into_iter().enumerate() {
        let entry = PE + 24 + OPTIONAL + number * ENTRY;
        uki[entry..][..name.len()].copy_from_slice(name.as_bytes());
        let fields = [
            (VIRTUAL_SIZE, text.len()),
            (RAW_SIZE, raw_size),
            (RAW_AT, uki.len()),
        ];
        for (at, value) in fields {
            uki[entry + at..][..4].copy_from_slice(&(value as u32).to_le_bytes());
        }
        let end = uki.len() + raw_size;
        uki.extend_from_slice(text.as_bytes());
        uki.resize(end, 0);
    }
    uki
}

#[cfg(test)]
mod tests {
    use super::*;

    const OSREL: &str = "ID=nixos\nIMAGE_VERSION=20260101000000\nX=20260101000000\n";

    #[test]
    fn the_command_line_grows_into_its_padding() {
        let mut uki = test_uki(OSREL, "root=fstab quiet");
        let before = uki.clone();
        assert_eq!(cmdline(&uki).unwrap(), "root=fstab quiet");
        let longest = "x".repeat(64);
        set_cmdline(&mut uki, &longest).unwrap();
        assert_eq!(cmdline(&uki).unwrap(), longest);
        set_cmdline(&mut uki, "init=/no").unwrap();
        assert_eq!(cmdline(&uki).unwrap(), "init=/no");
        let error = set_cmdline(&mut uki, &"x".repeat(65))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("would have 65 bytes") && error.contains("room for 64"),
            "{error}"
        );
        set_cmdline(&mut uki, "root=fstab quiet").unwrap();
        assert!(uki == before, "nothing else has changed");
    }

    #[test]
    fn the_version_is_written_in_place() {
        for quote in ["", "\""] {
            let osrel = OSREL.replace(
                "ON=20260101000000",
                &format!("ON={quote}20260101000000{quote}"),
            );
            let mut uki = test_uki(&osrel, "");
            set_version(&mut uki, "20260101000000", "20260202000000").unwrap();
            let expected = osrel.replace("ON=20260101000000", "ON=20260202000000");
            let expected = expected.replace("ON=\"20260101000000", "ON=\"20260202000000");
            assert!(uki == test_uki(&expected, ""));
            assert!(set_version(&mut uki, "20260101000000", "20260202000000").is_err());
            assert!(set_version(&mut uki, "20260202000000", "2").is_err());
        }
    }

    #[test]
    fn what_is_no_uki_is_refused() {
        let mut uki = test_uki(OSREL, "quiet");
        let whole = uki.clone();
        for length in [0, 1, 63, 66, 100, 200, uki.len() - 1] {
            let error = cmdline(&whole[..length]).unwrap_err().to_string();
            assert!(error.contains("no section .cmdline"), "{length}: {error}");
        }
        uki[64] = b'N';
        assert!(cmdline(&uki).is_err());
    }
}
