use std::io::Write;
use std::path::PathBuf;

use super::*;
use crate::flash::image::StickImage;
use crate::monitor::NoMonitor;
use crate::testing::test_image;

/// Where PERSIST begins in [`test_image`], and the length of a stick.
const PLACE: u64 = 52 * MIB;
const SIZE: u64 = 200 * MIB;

struct Case {
    folder: tempfile::TempDir,
    stick: PathBuf,
}

impl Case {
    /// A stick that has the image, so that its table lists PERSIST.
    fn flashed() -> Self {
        let case = Self::empty();
        let image = std::fs::read(test_image(case.folder.path())).unwrap();
        case.put(0, &image);
        case
    }

    fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stick = folder.path().join("stick");
        File::create_new(&stick).unwrap().set_len(SIZE).unwrap();
        Case { folder, stick }
    }

    fn put(&self, offset: u64, bytes: &[u8]) {
        let mut file = File::options().write(true).open(&self.stick).unwrap();
        file.seek(SeekFrom::Start(offset)).unwrap();
        file.write_all(bytes).unwrap();
    }

    fn put_ext4(&self) {
        self.put(PLACE + EXT4_MAGIC.0, &EXT4_MAGIC.1);
    }

    /// A copy of the superblock of group `group`.
    fn put_copy(&self, at: u64, block: u32, group: u16) {
        self.put(PLACE + at + 0x38, &EXT4_MAGIC.1);
        self.put(PLACE + at + 0x18, &block.to_le_bytes());
        self.put(PLACE + at + 0x5a, &group.to_le_bytes());
    }

    fn plan(&self, discard: bool) -> PersistPlan {
        self.try_plan(discard).unwrap()
    }

    fn try_plan(&self, discard: bool) -> Result<PersistPlan> {
        let other = self.folder.path().join("other");
        std::fs::create_dir_all(&other)?;
        let path = other.join("image");
        if !path.exists() {
            test_image(&other);
        }
        let image = StickImage::open(&path)?;
        let device = Device::open(&self.stick, &image, &NoMonitor)?;
        plan_persist(&device, &image.layout()?, discard)
    }
}

const BYTES: u64 = SIZE - PLACE;

#[test]
fn a_stick_without_one_gets_a_new_one() {
    let unused = Case::empty();
    let used = Case::empty();
    used.put(0, b"a table of another kind");
    used.put(PLACE, b"and its data");
    for case in [unused, used] {
        assert_eq!(case.plan(false), PersistPlan::New { bytes: BYTES });
        assert_eq!(case.plan(false).forbids_check(), None);
    }
}

#[test]
fn one_is_kept_unless_it_is_given_up() {
    let case = Case::flashed();
    case.put_ext4();
    assert_eq!(case.plan(false), PersistPlan::Kept { bytes: BYTES });
    assert!(case.plan(false).forbids_check().unwrap().contains("kept"));
    let given_up = case.plan(true);
    assert_eq!(given_up, PersistPlan::Discarded { bytes: BYTES });
    assert!(given_up.describe().contains("LOST") && given_up.forbids_check().is_none());
}

#[test]
fn one_at_another_place_is_lost_only_if_it_is_given_up() {
    let case = Case::empty();
    let mut file = File::options()
        .read(true)
        .write(true)
        .open(&case.stick)
        .unwrap();
    let elsewhere = gpt::NewPartition {
        name: "PERSIST",
        extent: gpt::Extent {
            offset: PLACE + 20 * MIB,
            length: 16 * MIB,
        },
        kind: gpt::partition_types::LINUX_FS,
    };
    gpt::create(&mut file, None, &[elsewhere]).unwrap();
    assert_eq!(case.plan(false), PersistPlan::New { bytes: BYTES });
    case.put(PLACE + 20 * MIB, b"data");
    let error = case.try_plan(false).unwrap_err().to_string();
    assert!(error.contains("at another place"), "{error}");
    assert_eq!(case.plan(true), PersistPlan::Discarded { bytes: BYTES });
}

#[test]
fn one_without_its_beginning_is_left_untouched() {
    for (at, block) in EXT4_COPIES {
        let case = Case::flashed();
        case.put_copy(at, block, 1);
        assert_eq!(case.plan(false), PersistPlan::Foreign);
        assert!(
            case.plan(false)
                .forbids_check()
                .unwrap()
                .contains("untouched")
        );
        assert_eq!(case.plan(true), PersistPlan::Discarded { bytes: BYTES });
        // A copy of a file system that begins elsewhere.
        case.put_copy(at, block, 3);
        assert_eq!(case.plan(false), PersistPlan::New { bytes: BYTES });
    }
}

#[test]
fn other_data_is_left_untouched_even_if_flashing_ended_early() {
    let case = Case::flashed();
    case.put(PLACE, b"LUKS");
    assert_eq!(case.plan(false), PersistPlan::Foreign);
    case.put(0, &vec![0; MIB as usize]);
    case.put(PLACE - MIB, &vec![0; MIB as usize]);
    assert_eq!(case.plan(false), PersistPlan::Foreign);
    assert_eq!(case.plan(true), PersistPlan::Discarded { bytes: BYTES });
}

#[test]
fn what_cannot_be_read_is_not_taken_for_empty() {
    let case = Case::empty();
    let image = StickImage::open(&test_image(case.folder.path())).unwrap();
    let unreadable = Device {
        path: case.stick.clone(),
        file: File::options().write(true).open(&case.stick).unwrap(),
        size: SIZE,
        disk: None,
    };
    let error = plan_persist(&unreadable, &image.layout().unwrap(), false).unwrap_err();
    assert!(error.to_string().starts_with("cannot read"), "{error}");
}

#[test]
fn without_room_for_a_new_one_none_is_given_up() {
    let case = Case::flashed();
    case.put_ext4();
    let file = File::options().write(true).open(&case.stick).unwrap();
    file.set_len(PLACE + ROOM - 512).unwrap();
    let kept = PersistPlan::Kept { bytes: ROOM - 512 };
    assert_eq!(case.plan(true), kept);
    case.put(PLACE + EXT4_MAGIC.0, &[0, 0]);
    assert_eq!(case.plan(true), PersistPlan::NoRoom);
    assert!(case.plan(true).forbids_check().is_some());
}

#[test]
fn traces_of_an_older_file_system_lie_behind_the_image() {
    let all = traces(PLACE, SIZE);
    assert!(
        all.iter()
            .all(|range| PLACE <= range.start && range.end <= SIZE)
    );
    let cleared = |at: u64| all.iter().any(|range| range.contains(&at));
    for at in [
        0,
        BEGINNING as u64 - 1,
        8193 * 1024 + 0x38,
        32768 * 4096 + 0x38,
        BYTES - 1,
    ] {
        assert!(cleared(PLACE + at), "{at}");
    }
    assert!(!cleared(PLACE + 20 * MIB));
    assert!(traces(PLACE, PLACE).iter().all(|range| range.is_empty()));
}
