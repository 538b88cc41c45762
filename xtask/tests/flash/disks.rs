//! Real block devices of the kernel: loop devices, which need root.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use stick::esp;

use crate::common::{refused, trial};
use crate::setting::{Case, KEY, SLOT, STICK, USED, flash, has_no_table, read, same, succeeded};
use crate::stick::{ESP, compress, image};

pub fn trials() -> Vec<Trial> {
    vec![
        with_loop("a_disk_is_written_and_read_again", disk),
        with_loop(
            "a_partition_a_mount_and_a_switch_are_refused",
            disks_that_are_refused,
        ),
        with_loop("a_disk_that_fails_is_reported_as_unusable", failing_disk),
    ]
}

/// A test with loop devices, which need root and a kernel that has them.
fn with_loop(name: &str, run: fn() -> Result<(), Failed>) -> Trial {
    const PROGRAMS: &[&str] = &["losetup", "lsblk", "mke2fs", "mount", "partx", "ssh-keygen"];
    let free = Command::new("losetup").arg("--find").output();
    if nix::unistd::geteuid().is_root() && free.is_ok_and(|output| output.status.success()) {
        return trial(name, PROGRAMS, run);
    }
    trial(
        &format!("{name} (ignored: no root or no loop devices)"),
        &[],
        run,
    )
    .with_ignored_flag(true)
}

/// A loop device, let go of when dropped.
struct Loop(PathBuf);

impl Loop {
    fn new(options: &[&str], file: &Path) -> Self {
        let output = Command::new("losetup")
            .args(["--find", "--show"])
            .args(options)
            .arg(file)
            .output()
            .unwrap();
        Loop(PathBuf::from(succeeded(&output).trim()))
    }
}

impl Loop {
    fn part(&self, number: u32) -> PathBuf {
        PathBuf::from(format!("{}p{number}", self.0.display()))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup")
            .arg("--detach")
            .arg(&self.0)
            .status();
    }
}

/// A mounted file system, unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    fn new(options: &[&str], source: &Path, at: &Path) -> Self {
        fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(options).arg(source).arg(at);
        succeeded(&mount.output().unwrap());
        Mount(at.to_path_buf())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn disk() -> Result<(), Failed> {
    let case = Case::new()?;
    let key = case.folder.path().join("me.pub");
    fs::write(&key, KEY)?;
    let device = Loop::new(&["--partscan"], &case.stick);
    let text = succeeded(&flash(&[
        &compress(&case.raw),
        &device.0,
        &"--yes",
        &"--authorized-key",
        &key,
    ]));
    assert!(
        text.contains("not mounted") && text.contains(&device.0.display().to_string()),
        "{text}"
    );
    same(&case.raw, &device.0, SLOT, USED);
    assert_eq!(
        esp::get(&device.0, ESP, "authorized_keys")?.unwrap(),
        format!("{KEY}\n").as_bytes()
    );
    // The kernel knows the new partitions, as far as it reads such tables at all.
    let known = device.part(1).exists();
    drop(device);
    let anew = Loop::new(&["--partscan"], &case.stick);
    assert_eq!(known, anew.part(1).exists());
    Ok(())
}

fn disks_that_are_refused() -> Result<(), Failed> {
    let case = Case::new()?;
    succeeded(&flash(&[&case.raw, &case.stick, &"--yes"]));
    let device = Loop::new(&["--partscan"], &case.stick);
    let name = device.0.display().to_string();
    let data = device.part(2);
    if !data.exists() {
        // Not every kernel reads such tables.
        succeeded(&Command::new("partx").arg("--add").arg(&device.0).output()?);
    }
    succeeded(&Command::new("mke2fs").arg("-q").arg(&data).output()?);
    let before = read(&device.0, STICK);
    let part = data.display().to_string();
    refused(
        &flash(&[&case.raw, &data, &"--yes"]),
        &[&part, "is a partition", &name],
    )?;
    let at = case.folder.path().join("mounted");
    let mount = Mount::new(&["-o", "ro"], &data, &at);
    let words = [
        "is in use",
        &at.display().to_string(),
        &format!("umount {part}"),
    ];
    refused(&flash(&[&case.raw, &device.0, &"--yes"]), &words)?;
    drop(mount);
    // The file behind it must not be written to either.
    refused(
        &flash(&[&case.raw, &case.stick, &"--yes"]),
        &[&format!("is in use by {name}")],
    )?;
    drop(device);
    let device = Loop::new(&["--read-only"], &case.stick);
    refused(
        &flash(&[&case.raw, &device.0, &"--yes"]),
        &["is read-only", "switch"],
    )?;
    assert!(read(&device.0, STICK) == before);
    Ok(())
}

/// The file behind the disk is on a file system that has less room than the disk.
fn failing_disk() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let raw = image(folder.path(), "image", SLOT, USED);
    let at = folder.path().join("memory");
    let memory = Mount::new(&["-t", "tmpfs", "-o", "size=4M"], Path::new("none"), &at);
    let backing = memory.0.join("backing");
    File::create(&backing)?.set_len(STICK)?;
    let device = Loop::new(&[], &backing);
    let output = flash(&[&raw, &device.0, &"--yes"]);
    refused(
        &output,
        &[
            "cannot",
            &device.0.display().to_string(),
            "is not usable until it is flashed again",
        ],
    )?;
    has_no_table(&device.0, SLOT);
    drop(device);
    Ok(())
}
