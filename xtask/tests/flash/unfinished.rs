//! Flashing that ends early leaves a stick without a partition table, which no firmware boots.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::common::{ended_with, refused, trial};
use crate::setting::{
    Case, EXT4, SLOT, command, flash, has_no_table, read, starts_empty, succeeded,
};
use crate::stick::{MIB, STORE, image, persist, used_stick};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("a_stick_that_fails_halfway_does_not_boot", &[], cut_short),
        trial("a_stick_that_loses_data_is_detected", &[], forgetful),
        trial("an_interrupted_stick_does_not_boot", &[], interrupt),
    ]
}

/// A limited file size stands for a stick that is pulled out while it is written to.
fn cut_short() -> Result<(), Failed> {
    let case = Case::new()?;
    // With a PERSIST, nothing is written behind the image.
    File::options()
        .write(true)
        .open(&case.stick)?
        .write_all_at(&[0x53, 0xef], persist(SLOT) + EXT4)?;
    succeeded(&flash(&[&case.raw, &case.stick, &"--yes"]));
    let mut limited = Command::new("sh");
    // In blocks of 512 bytes: in the middle of STORE.
    limited
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 25600; exec \"$@\"",
            "sh",
            env!("CARGO_BIN_EXE_xtask"),
            "flash",
        ])
        .args([&case.raw, &case.stick])
        .arg("--yes")
        .stdin(Stdio::null());
    let output = limited.output()?;
    refused(
        &output,
        &[
            "cannot write to",
            "File too large",
            "is not usable until it is flashed again",
        ],
    )?;
    starts_empty(&case.stick);
    succeeded(&flash(&[&case.raw, &case.stick, &"--yes"]));
    case.is_flashed();
    Ok(())
}

/// A stick that does not keep what was written to it, as cheap ones do that are smaller than they say.
fn forgetful() -> Result<(), Failed> {
    let case = Case::new()?;
    let place = STORE + 5 * MIB + 77;
    let mut byte = [0];
    File::open(&case.raw)?.read_exact_at(&mut byte, place)?;
    let over = std::sync::atomic::AtomicBool::new(false);
    let output = std::thread::scope(|scope| {
        scope.spawn(|| {
            let file = File::options().write(true).open(&case.stick).unwrap();
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                file.write_all_at(&[!byte[0]], place).unwrap();
            }
        });
        let output = flash(&[&case.raw, &case.stick, &"--yes"]);
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        output
    });
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let words = format!("differs from the image at byte {place}");
    assert!(
        stderr.contains(&words) && stderr.contains("not usable"),
        "{stderr}"
    );
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    has_no_table(&case.stick, SLOT);
    Ok(())
}

fn interrupt() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    // Long enough to be interrupted while it is written.
    let raw = image(folder.path(), "image", 200, 192);
    let stick = used_stick(folder.path(), 240 * MIB);
    let mut child = command(&[&raw, &stick, &"--yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("PERSIST")));
    // The first thing that is done to the stick.
    let until = std::time::Instant::now() + Duration::from_secs(30);
    while read(&stick, MIB).iter().any(|byte| *byte != 0) {
        assert!(std::time::Instant::now() < until, "nothing was written");
    }
    kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGINT)?;
    let output = child.wait_with_output()?;
    ended_with(
        130,
        &output,
        &[
            "interrupted: ",
            "stick is not usable until it is flashed again",
        ],
    )?;
    has_no_table(&stick, 200);
    Ok(())
}
