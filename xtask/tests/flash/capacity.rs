//! Sticks that hold less than they say, and the PERSIST that is given up.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::{ended_with, refused, trial};
use crate::setting::{
    Case, EXT4, SLOT, STICK, USED, command, flash, has_no_table, read, same, succeeded,
};
use crate::stick::{MIB, end, image, noise, persist};

const BLOCK: usize = 4096;
/// Ample for a stick to be begun with.
const DEADLINE: Duration = Duration::from_secs(60);

pub fn trials() -> Vec<Trial> {
    vec![
        trial("a_new_stick_is_checked_and_left_empty_there", &[], sound),
        trial("a_persist_that_is_given_up_leaves_no_trace", &[], discarded),
        trial("a_stick_that_drops_writes_is_not_flashed", &[], drops),
        trial(
            "a_stick_that_loses_markers_to_the_image_does_not_boot",
            &[],
            loses_later,
        ),
        trial(
            "a_check_that_fails_leaves_the_stick_as_it_was",
            &[],
            check_fails,
        ),
        trial(
            "a_check_that_is_interrupted_leaves_the_stick_as_it_was",
            &[],
            interrupted,
        ),
    ]
}

/// Fails unless what is behind the image is what was there `before`, or zeros; how many bytes differ.
fn only_cleared(before: &[u8], stick: &Path) -> usize {
    let after = fs::read(stick).unwrap();
    assert_eq!(before.len(), after.len());
    let behind = end(SLOT) as usize..;
    let pairs = before[behind.clone()].iter().zip(&after[behind]);
    let changed: Vec<u8> = pairs
        .filter(|(before, after)| before != after)
        .map(|(_, after)| *after)
        .collect();
    assert!(
        changed.iter().all(|byte| *byte == 0),
        "a marker is left on the stick"
    );
    changed.len()
}

fn sound() -> Result<(), Failed> {
    let case = Case::new()?;
    let before = fs::read(&case.stick)?;
    let text = succeeded(&flash(&[&case.raw, &case.stick, &"--yes"]));
    for words in [
        "capacity   will be checked",
        "PERSIST gets 60 MB; Ollama's image takes 4 to 9 GB",
        "WARNING    PERSIST has less than 9 GB",
        "WARNING    no SSH key: unless the image has one, nobody can log in",
    ] {
        assert!(text.contains(words), "{words:?} is not in:\n{text}");
    }
    case.is_flashed();
    // Its beginning, its end, a copy of the superblock, and markers.
    assert!(only_cleared(&before, &case.stick) > 10 * BLOCK);
    let after = fs::read(&case.stick)?;
    for start in [persist(SLOT), persist(SLOT) + 8 * MIB, STICK - MIB] {
        let range = start as usize..(start + MIB) as usize;
        assert!(after[range].iter().all(|byte| *byte == 0), "{start}");
    }
    Ok(())
}

fn discarded() -> Result<(), Failed> {
    let case = Case::new()?;
    put(&case.stick, &[0x53, 0xef], persist(SLOT) + EXT4);
    let before = fs::read(&case.stick)?;
    let text = succeeded(&flash(&[&case.raw, &case.stick, &"--yes"]));
    let words = "capacity   NOT CHECKED: the check would write into PERSIST, which is kept";
    assert!(
        text.contains(words) && text.contains("PERSIST has 60 MB"),
        "{text}"
    );
    assert_eq!(
        only_cleared(&before, &case.stick),
        0,
        "PERSIST was written to"
    );

    let discard = |last: &str| {
        let output = flash(&[&case.raw, &case.stick, &"--discard-persist", &last]);
        succeeded(&output)
    };
    let text = discard("--dry-run");
    assert!(text.contains("THE ONE ON THE STICK WILL BE LOST"), "{text}");
    assert_eq!(
        only_cleared(&before, &case.stick),
        0,
        "a dry run has written"
    );
    let text = discard("--yes");
    assert!(text.contains("capacity   will be checked"), "{text}");
    assert!(only_cleared(&before, &case.stick) > 10 * BLOCK);
    same(&case.raw, &case.stick, SLOT, USED);
    let text = succeeded(&flash(&[&case.raw, &case.stick, &"--dry-run"]));
    assert!(
        text.contains("PERSIST    will be created on first boot"),
        "{text}"
    );
    Ok(())
}

fn put(stick: &Path, bytes: &[u8], offset: u64) {
    let file = File::options().write(true).open(stick).unwrap();
    file.write_all_at(bytes, offset).unwrap();
}

/// The last block, in which the stick keeps nothing.
fn last_block(stick: &Path) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    let file = File::open(stick).unwrap();
    let length = file.metadata().unwrap().len();
    file.read_exact_at(&mut block, length - BLOCK as u64)
        .unwrap();
    block
}

/// Flashes while the last block of the stick keeps nothing, from when `begins` holds.
fn flash_losing(case: &Case, begins: fn(&Path) -> bool) -> Output {
    let over = AtomicBool::new(false);
    if begins(&case.stick) {
        put(&case.stick, &[0; BLOCK], STICK - BLOCK as u64);
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let file = File::options().write(true).open(&case.stick).unwrap();
            while !over.load(Ordering::Relaxed) && !begins(&case.stick) {
                std::thread::yield_now();
            }
            while !over.load(Ordering::Relaxed) {
                file.write_all_at(&[0; BLOCK], STICK - BLOCK as u64)
                    .unwrap();
            }
        });
        let output = flash(&[&case.raw, &case.stick, &"--yes"]);
        over.store(true, Ordering::Relaxed);
        output
    })
}

fn drops() -> Result<(), Failed> {
    let case = Case::new()?;
    let mut before = fs::read(&case.stick)?;
    let output = flash_losing(&case, |_| true);
    let words = [
        "says that it has 100 MB, but stores only about 100 MB: return it",
        "was not flashed, and all that was on it is still there",
        &case.stick.display().to_string(),
    ];
    ended_with(1, &output, &words)?;
    let length = before.len();
    before[length - BLOCK..].fill(0);
    assert!(fs::read(&case.stick)? == before, "something is left on it");
    Ok(())
}

fn loses_later() -> Result<(), Failed> {
    let case = Case::new()?;
    let begun = |stick: &Path| read(stick, MIB).iter().all(|byte| *byte == 0);
    let output = flash_losing(&case, begun);
    let words = [
        "stores only about 100 MB: return it",
        "is not usable until it is flashed again",
    ];
    ended_with(1, &output, &words)?;
    has_no_table(&case.stick, SLOT);
    Ok(())
}

fn check_fails() -> Result<(), Failed> {
    let case = Case::new()?;
    // In blocks of 512 bytes: before the image's end.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 25600; exec \"$@\"", "sh"])
        .args([env!("CARGO_BIN_EXE_xtask"), "flash", "--yes"])
        .args([&case.raw, &case.stick])
        .stdin(Stdio::null())
        .output()?;
    let words = [
        "cannot write to",
        "File too large",
        "was not flashed, and all that was on it is still there",
    ];
    refused(&output, &words)?;
    case.is_untouched()?;
    Ok(())
}

fn interrupted() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let raw = image(folder.path(), "image", SLOT, USED);
    let stick = folder.path().join("stick");
    // Long enough for thousands of markers. It takes no room on the disk.
    File::create_new(&stick)?.set_len(16 << 30)?;
    put(&stick, &noise(MIB), 0);
    put(&stick, &[7; BLOCK], (16 << 30) - BLOCK as u64);
    let before = read(&stick, MIB);
    let mut child = command(&[&raw, &stick, &"--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("capacity")));
    // The first marker.
    let until = Instant::now() + DEADLINE;
    while last_block(&stick) == [7; BLOCK] {
        assert!(Instant::now() < until, "nothing was written");
    }
    kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGINT)?;
    let output = child.wait_with_output()?;
    let words = [
        "interrupted: ",
        "stick was not flashed, and all that was on it is still there",
    ];
    ended_with(130, &output, &words)?;
    assert!(read(&stick, MIB) == before && last_block(&stick) == [7; BLOCK]);
    starts_empty_behind(&stick);
    Ok(())
}

/// Fails if a marker is where the spread of them begins.
fn starts_empty_behind(stick: &Path) {
    let mut behind = vec![0; 32 * MIB as usize];
    let file = File::open(stick).unwrap();
    file.read_exact_at(&mut behind, end(SLOT)).unwrap();
    assert!(behind.iter().all(|byte| *byte == 0), "a marker is left");
}
