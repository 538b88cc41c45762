use std::path::PathBuf;

use stick::testing::{SmallImage, put};
use stick::units::MIB;

use super::uki::test_uki;
use super::*;

pub const OLD: &str = "20260101000000";
const NEW: &str = "20260202000000";
const OSREL: &str = "IMAGE_VERSION=20260101000000\nOLLAMALIVE_USER=alice\n";

/// An image with a system, whose store has two blocks.
pub fn image(folder: &Path) -> PathBuf {
    let path = folder.join("image");
    let small = SmallImage {
        version: OLD.into(),
        ..SmallImage::default()
    };
    let file = small.with_system(&path, vec![7; 8192], OSREL).unwrap();
    // Of the superblock: the kind of hashes, and 32 bytes of salt.
    for (at, value) in [(12, 1), (80, 32)] {
        put(&file, small.verity().offset + at, &[value]).unwrap();
    }
    esp::write(
        &path,
        small.esp(),
        &uki_path(OLD),
        &test_uki(OSREL, "init=/a"),
    )
    .unwrap();
    path
}

fn changes(parameters: &[ParameterEdit]) -> Changes {
    Changes {
        parameters: parameters.to_vec(),
        rehash: false,
    }
}

#[test]
fn a_derived_image_has_another_version_and_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let (image, target) = (image(folder.path()), folder.path().join("derived"));
    let edits = [
        ParameterEdit::Set {
            name: "init".into(),
            value: "/nonexistent".into(),
        },
        ParameterEdit::Add("systemd.mask=sshd.service".into()),
    ];
    let before = fs::read(&image).unwrap();
    derive(&image, &target, NEW, &changes(&edits)).unwrap();
    assert!(fs::read(&image).unwrap() == before);
    assert_eq!(version_of(&target).unwrap(), NEW);
    let extent = gpt::partition(&target, "ESP").unwrap();
    assert_eq!(esp::read(&target, extent, &uki_path(OLD)).unwrap(), None);
    let uki = esp::read(&target, extent, &uki_path(NEW)).unwrap().unwrap();
    let expected = test_uki(
        &OSREL.replace(OLD, NEW),
        "init=/nonexistent systemd.mask=sshd.service",
    );
    assert!(uki == expected);
    // The slot: its content, its places and its GUIDs.
    let mut table = gpt::partitions(&image).unwrap();
    for partition in table.values_mut() {
        partition.name = partition.name.replace(OLD, NEW);
    }
    assert_eq!(gpt::partitions(&target).unwrap(), table);
    let after = fs::read(&target).unwrap();
    let slot = (39 * MIB) as usize..(45 * MIB) as usize;
    assert!(after[slot.clone()] == before[slot]);
    assert_eq!(after.len(), before.len());
}

#[test]
fn a_rehashed_slot_has_ids_of_its_own_and_the_same_store() {
    let folder = tempfile::tempdir().unwrap();
    let (image, target) = (image(folder.path()), folder.path().join("derived"));
    let extent = gpt::partition(&image, "ESP").unwrap();
    let root = "0".repeat(64);
    let cmdline = format!("usrhash={root} x");
    let uki = uki::test_uki_with_room(OSREL, &cmdline, 128);
    esp::write(&image, extent, &uki_path(OLD), &uki).unwrap();
    let own = Changes {
        rehash: true,
        ..Changes::default()
    };
    derive(&image, &target, NEW, &own).unwrap();
    let partitions = gpt::partitions(&target).unwrap();
    let id = |number| partitions[&number].part_guid.simple().to_string();
    let root = format!("{}{}", id(3), id(2));
    let uki = esp::read(&target, extent, &uki_path(NEW)).unwrap().unwrap();
    assert_eq!(uki::cmdline(&uki).unwrap(), format!("usrhash={root} x"));
    let (before, after) = (fs::read(&image).unwrap(), fs::read(&target).unwrap());
    let part =
        |bytes: &[u8], mib: u64, length: usize| bytes[(mib * MIB) as usize..][..length].to_vec();
    assert!(part(&after, 41, 4 << 20) == part(&before, 41, 4 << 20));
    let verity = part(&after, 39, 8192);
    let superblock: [u8; rehash::SUPERBLOCK] = verity[..512].try_into().unwrap();
    assert!(rehash::salt(&superblock).starts_with(NEW.as_bytes()));
    let again = rehash::rehash(
        &superblock,
        &rehash::salt(&superblock),
        &part(&after, 41, 8192)[..],
    );
    let again = again.unwrap();
    assert!(again.area == verity);
    assert_eq!(again.root_hex(), root);
}

#[test]
fn what_cannot_be_derived_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (image, target) = (image(folder.path()), folder.path().join("derived"));
    let long = [ParameterEdit::Add("x".repeat(60))];
    for (version, edits, words) in [
        (NEW, &long[..], "would have 68 bytes"),
        ("2026", &[], "give 14 digits, such as 20260101000000"),
    ] {
        let error = derive(&image, &target, version, &changes(edits)).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
        assert!(!target.exists());
    }
    let extent = gpt::partition(&image, "ESP").unwrap();
    esp::rename(&image, extent, &uki_path(OLD), "other.efi").unwrap();
    let error = derive(&image, &target, NEW, &changes(&[])).unwrap_err();
    assert!(error.to_string().contains("in its ESP"), "{error}");
    gpt::rename(&image, &format!("store_{OLD}"), "STORE").unwrap();
    let error = derive(&image, &target, NEW, &changes(&[])).unwrap_err();
    assert!(
        error.to_string().contains("store_ and a version"),
        "{error}"
    );
}

#[test]
fn one_bit_of_the_store_is_flipped() {
    let folder = tempfile::tempdir().unwrap();
    let image = image(folder.path());
    let before = fs::read(&image).unwrap();
    let last = 2 * 4096 - 1;
    flip_store_byte(&image, last).unwrap();
    let after = fs::read(&image).unwrap();
    let at = (41 * MIB + last) as usize;
    assert_eq!(after[at], before[at] ^ 1);
    let others = |bytes: &[u8]| [&bytes[..at], &bytes[at + 1..]].concat();
    assert!(others(&after) == others(&before));
    let error = flip_store_byte(&image, last + 1).unwrap_err().to_string();
    assert!(error.contains("has 8192 bytes"), "{error}");
}
