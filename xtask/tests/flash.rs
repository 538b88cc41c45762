//! `flash`: what is on the stick afterwards, and everything that is refused before anything is written.

mod common;

#[path = "common/stick.rs"]
mod stick;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use common::{refused, trial, xtask};
use libtest_mimic::{Arguments, Failed, Trial};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use stick::{ESP, MIB, STORE, compress, image, noise, persist, used_stick};
use xtask::machine::esp;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE8wrGXB1GRjJcdnYvsgk8DrIXvSZSvzEEK4kH8aU1nM me@home";
const CONNECTION: &str = "[connection]\nid=Home\ntype=wifi\n";
/// What most images here have, in MiB: room in STORE, and how much of it is taken.
const SLOT: u64 = 24;
const USED: u64 = 6;
/// The length of most sticks here.
const STICK: u64 = 96 * MIB;
/// The ext4 superblock's magic number, behind the beginning of a partition.
const EXT4: u64 = 1024 + 0x38;

fn main() {
    let mut trials = vec![
        trial(
            "an_image_is_written_and_persist_is_kept",
            &["ssh-keygen"],
            whole,
        ),
        trial(
            "a_persist_that_lies_elsewhere_is_not_lost",
            &[],
            persist_elsewhere,
        ),
        trial("a_dry_run_writes_nothing", &[], dry_run),
        trial("without_a_terminal_nobody_is_asked", &[], no_terminal),
        trial("only_yes_is_yes", &[], answers),
        trial("what_is_no_stick_is_refused", &[], no_stick),
        trial("what_is_no_image_is_refused", &[], no_image),
        trial("a_damaged_image_is_refused", &[], damaged),
        trial("a_wrong_checksum_is_refused", &["sha256sum"], checksums),
        trial("too_small_a_stick_is_refused", &[], too_small),
        trial("a_private_key_is_refused", &["ssh-keygen"], private_key),
        trial(
            "a_stick_that_ends_early_is_not_taken_for_a_finished_one",
            &[],
            cut_short,
        ),
        trial("a_stick_that_forgets_is_found_out", &[], forgetful),
        trial("an_interrupt_leaves_no_finished_stick", &[], interrupt),
        trial(
            "the_disk_of_this_system_is_refused",
            &["findmnt", "lsblk"],
            root_disk,
        ),
    ];
    trials.extend([
        with_loop("a_disk_is_written_and_read_again", disk),
        with_loop(
            "a_partition_a_mount_and_a_switch_are_refused",
            disks_that_are_refused,
        ),
        with_loop("a_disk_that_fails_is_said_to_be_unusable", failing_disk),
    ]);
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
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

/// Runs `flash` with nobody to ask.
fn flash(arguments: &[&dyn AsRef<Path>]) -> Output {
    command(arguments).output().unwrap()
}

fn command(arguments: &[&dyn AsRef<Path>]) -> Command {
    let mut command = xtask(Path::new("/nonexistent"), &["flash"]);
    command
        .args(arguments.iter().map(|argument| argument.as_ref()))
        .stdin(Stdio::null());
    command
}

fn succeeded(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    text
}

/// Fails unless `stick` holds what `image` does, but for the part of STORE that nothing reads and the ESP.
fn same(image: &Path, stick: &Path, slot: u64, used: u64) {
    let (image, stick) = (fs::read(image).unwrap(), read(stick, persist(slot)));
    let at = |mib: u64| (mib * MIB) as usize;
    let store_end = at(9 + used);
    for (from, to) in [
        (0, at(1)),
        (at(9), store_end),
        (at(9 + slot), at(10 + slot)),
    ] {
        assert!(
            image[from..to] == stick[from..to],
            "differs in {from}..{to}"
        );
    }
}

fn read(path: &Path, length: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    File::open(path)
        .unwrap()
        .take(length)
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

fn whole() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let at = |name: &str| folder.path().join(name);
    let raw = image(folder.path(), "image", SLOT, USED);
    let stick = used_stick(folder.path(), STICK);
    File::options()
        .write(true)
        .open(&stick)?
        .write_all_at(&[0x53, 0xef], persist(SLOT) + EXT4)?;
    let before = fs::read(&stick)?;
    fs::write(at("me.pub"), KEY)?;
    fs::write(at("Home.nmconnection"), CONNECTION)?;

    // The file's name says nothing of what is in it.
    fs::rename(compress(&raw), at("packed"))?;
    let output = flash(&[
        &at("packed"),
        &stick,
        &"--yes",
        &"--authorized-key",
        &at("me.pub"),
        &"--network",
        &at("Home.nmconnection"),
    ]);
    let text = succeeded(&output);
    for words in [
        "zstd",
        "NOT CHECKED",
        "plain file",
        "kept",
        "256 SHA256:",
        "Home.nmconnection",
        "read back and compared",
        "done",
    ] {
        assert!(text.contains(words), "{words:?} is not in:\n{text}");
    }
    same(&raw, &stick, SLOT, USED);
    let after = fs::read(&stick)?;
    assert!(
        after[persist(SLOT) as usize..] == before[persist(SLOT) as usize..],
        "PERSIST was written to"
    );
    assert_eq!(
        esp::get(&stick, ESP, "authorized_keys")?.unwrap(),
        format!("{KEY}\n").as_bytes()
    );
    assert_eq!(
        esp::get(&stick, ESP, "network/Home.nmconnection")?.unwrap(),
        CONNECTION.as_bytes()
    );

    // Raw, over it: what the older ESP held is gone, to the last byte.
    let text = succeeded(&flash(&[&raw, &stick, &"--yes"]));
    assert!(!text.contains("zstd"), "{text}");
    assert!(
        fs::read(&raw)?[..(STORE + USED * MIB) as usize] == read(&stick, STORE + USED * MIB)[..]
    );
    same(&raw, &stick, SLOT, USED);
    Ok(())
}

fn persist_elsewhere() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let older = image(folder.path(), "older", SLOT, USED);
    let newer = image(folder.path(), "newer", SLOT + 4, USED);
    let stick = used_stick(folder.path(), STICK);
    succeeded(&flash(&[&older, &stick, &"--yes"]));
    let before = fs::read(&stick)?;
    let output = flash(&[&newer, &stick, &"--yes"]);
    refused(
        &output,
        &[
            "has a PERSIST at another place (34 MiB)",
            "(38 MiB)",
            "save it",
            "wipefs --all",
        ],
    )?;
    assert!(fs::read(&stick)? == before);
    // With nothing on it there is nothing to lose.
    let empty = vec![0; MIB as usize];
    File::options()
        .write(true)
        .open(&stick)?
        .write_all_at(&empty, persist(SLOT))?;
    succeeded(&flash(&[&newer, &stick, &"--yes"]));
    same(&newer, &stick, SLOT + 4, USED);
    Ok(())
}

fn dry_run() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let raw = image(folder.path(), "image", SLOT, USED);
    let stick = used_stick(folder.path(), STICK);
    let before = fs::read(&stick)?;
    let text = succeeded(&flash(&[&raw, &stick, &"--dry-run"]));
    assert!(
        text.contains("nothing was written") && text.contains("made on the first start"),
        "{text}"
    );
    assert!(fs::read(&stick)? == before);
    Ok(())
}

fn no_terminal() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let raw = image(folder.path(), "image", SLOT, USED);
    let stick = used_stick(folder.path(), STICK);
    let before = fs::read(&stick)?;
    refused(&flash(&[&raw, &stick]), &["nobody can be asked", "--yes"])?;
    assert!(fs::read(&stick)? == before);
    Ok(())
}

fn answers() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let raw = image(folder.path(), "image", SLOT, USED);
    let stick = used_stick(folder.path(), STICK);
    let before = fs::read(&stick)?;
    let ask = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.arg("flash").args([&raw, &stick]);
        rexpect::session::spawn_command(command, Some(60_000))
    };
    for (answer, words) in [
        ("y", "the answer was not"),
        ("\u{3}", "interrupted: nothing was written"),
    ] {
        let mut session = ask()?;
        session.exp_string("Type `yes`")?;
        match answer {
            "\u{3}" => session.send_control('c')?,
            answer => session.send_line(answer).map(drop)?,
        }
        session.exp_string(words)?;
        session.exp_eof()?;
        assert!(fs::read(&stick)? == before, "written to after {answer:?}");
    }
    let mut session = ask()?;
    session.exp_string("Type `yes`")?;
    session.send_line("yes")?;
    session.exp_string("can be pulled out")?;
    session.exp_eof()?;
    same(&raw, &stick, SLOT, USED);
    Ok(())
}

fn no_stick() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let raw = image(folder.path(), "image", SLOT, USED);
    let stick = used_stick(folder.path(), STICK);
    fs::set_permissions(&stick, fs::Permissions::from_mode(0o444))?;
    let none = folder.path().join("none");
    let bad: [(&Path, &str); 5] = [
        (folder.path(), "is a folder"),
        (&none, "does not exist"),
        (Path::new("/dev/null"), "neither a disk nor a file"),
        (&stick, "is read-only"),
        (&raw, "is the image itself"),
    ];
    for (device, words) in bad {
        let name = device.display().to_string();
        refused(&flash(&[&raw, &device, &"--yes"]), &[words, &name])?;
    }
    assert!(!none.exists());
    Ok(())
}

fn no_image() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let stick = used_stick(folder.path(), STICK);
    let before = fs::read(&stick)?;
    let at = |name: &str| folder.path().join(name);
    fs::write(at("noise"), noise(2 * MIB))?;
    fs::write(at("empty"), "")?;
    let long = image(folder.path(), "long", SLOT, USED);
    File::options()
        .write(true)
        .open(&long)?
        .set_len(persist(SLOT) + MIB)?;
    let bad = [
        ("noise", "has no partition table (GPT)"),
        ("empty", "has no partition table (GPT)"),
        ("none", "cannot read the image"),
        (".", "it is not a file"),
        ("long", "goes on behind the place where PERSIST begins"),
    ];
    for (name, words) in bad {
        refused(&flash(&[&at(name), &stick, &"--yes"]), &[words])?;
    }
    assert!(fs::read(&stick)? == before);
    Ok(())
}

fn damaged() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let stick = used_stick(folder.path(), STICK);
    let before = fs::read(&stick)?;
    let raw = image(folder.path(), "image", SLOT, USED);
    let packed = compress(&raw);
    let good = fs::read(&packed)?;
    let cut = |file: &Path, bytes: u64| {
        File::options()
            .write(true)
            .open(file)
            .unwrap()
            .set_len(bytes)
            .unwrap()
    };

    // Noise is not compressed, so only the checksum at the end of the frame tells.
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    fs::write(&packed, flipped)?;
    refused(
        &flash(&[&packed, &stick, &"--yes"]),
        &["image.zst is damaged", "download it again", "checksum"],
    )?;
    fs::write(&packed, &good)?;
    cut(&packed, good.len() as u64 - 9);
    refused(
        &flash(&[&packed, &stick, &"--yes"]),
        &["image.zst is damaged", "incomplete"],
    )?;
    fs::write(&packed, [&good[..], b"more"].concat())?;
    refused(
        &flash(&[&packed, &stick, &"--yes"]),
        &["image.zst is damaged"],
    )?;
    cut(&raw, persist(SLOT) - MIB);
    refused(
        &flash(&[&raw, &stick, &"--yes"]),
        &["is cut off", "download it again"],
    )?;
    assert!(fs::read(&stick)? == before);
    Ok(())
}

fn checksums() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let stick = used_stick(folder.path(), STICK);
    let before = fs::read(&stick)?;
    let packed = compress(&image(folder.path(), "image", SLOT, USED));
    let sums = folder.path().join("SHA256SUMS");
    let own = folder.path().join("image.zst.sha256");

    fs::write(&sums, format!("{}  image.zst\n", "0".repeat(64)))?;
    refused(
        &flash(&[&packed, &stick, &"--yes"]),
        &["has the SHA-256", "SHA256SUMS says 0000", "download both"],
    )?;
    fs::write(&sums, "12345  image.zst\n")?;
    refused(
        &flash(&[&packed, &stick, &"--yes"]),
        &["\"12345  image.zst\" is no SHA-256", "SHA256SUMS"],
    )?;
    fs::write(&sums, "")?;
    fs::write(&own, "")?;
    refused(
        &flash(&[&packed, &stick, &"--yes"]),
        &["is no SHA-256", "image.zst.sha256"],
    )?;
    assert!(fs::read(&stick)? == before);

    fs::remove_file(&own)?;
    let output = Command::new("sh")
        .args(["-ec", "sha256sum image image.zst > SHA256SUMS; sha256sum < image.zst | cut -d ' ' -f 1 > image.zst.sha256"])
        .current_dir(folder.path())
        .output()?;
    succeeded(&output);
    let text = succeeded(&flash(&[&packed, &stick, &"--yes"]));
    assert!(
        text.contains("SHA256SUMS") && text.contains(".sha256") && !text.contains("NOT CHECKED"),
        "{text}"
    );
    Ok(())
}

fn too_small() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let raw = image(folder.path(), "image", SLOT, USED);
    let stick = used_stick(folder.path(), persist(SLOT) - 512);
    let before = fs::read(&stick)?;
    refused(
        &flash(&[&raw, &stick, &"--yes"]),
        &["too small", "the image takes 35651584", "larger stick"],
    )?;
    assert!(fs::read(&stick)? == before);
    // Room for the system alone is enough, but its owner has to know.
    File::options()
        .write(true)
        .open(&stick)?
        .set_len(persist(SLOT))?;
    let text = succeeded(&flash(&[&raw, &stick, &"--yes"]));
    assert!(text.contains("NOTHING WILL BE KEPT"), "{text}");
    same(&raw, &stick, SLOT, USED);
    assert_eq!(fs::metadata(&stick)?.len(), persist(SLOT));
    Ok(())
}

fn private_key() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let key = folder.path().join("id_ed25519");
    let mut make = Command::new("ssh-keygen");
    make.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key);
    assert!(make.status()?.success());
    let raw = image(folder.path(), "image", SLOT, USED);
    let stick = used_stick(folder.path(), STICK);
    let before = fs::read(&stick)?;
    let output = flash(&[&raw, &stick, &"--yes", &"--authorized-key", &key]);
    refused(&output, &["is a PRIVATE key", "id_ed25519.pub"])?;
    assert!(fs::read(&stick)? == before);
    succeeded(&flash(&[
        &raw,
        &stick,
        &"--yes",
        &"--authorized-key",
        &key.with_extension("pub"),
    ]));
    Ok(())
}

/// Fails unless `stick` is one that no firmware would start and no computer opens.
fn has_no_table(stick: &Path, slot: u64) {
    let start = read(stick, MIB);
    assert!(
        start.iter().all(|byte| *byte == 0),
        "there is a partition table"
    );
    let mut backup = vec![0; MIB as usize];
    File::open(stick)
        .unwrap()
        .read_exact_at(&mut backup, persist(slot) - MIB)
        .unwrap();
    assert!(
        backup.iter().all(|byte| *byte == 0),
        "there is a backup table"
    );
}

/// A disk that takes no more than so much is a stick that is pulled out as it is written to.
fn cut_short() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let raw = image(folder.path(), "image", SLOT, USED);
    let stick = used_stick(folder.path(), STICK);
    succeeded(&flash(&[&raw, &stick, &"--yes"]));
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
        .args([&raw, &stick])
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
    let before = read(&stick, MIB);
    assert!(
        before.iter().all(|byte| *byte == 0),
        "there is a partition table"
    );
    succeeded(&flash(&[&raw, &stick, &"--yes"]));
    same(&raw, &stick, SLOT, USED);
    Ok(())
}

/// A stick that does not keep what was written to it, as cheap ones do that are smaller than they say.
fn forgetful() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let raw = image(folder.path(), "image", SLOT, USED);
    let stick = used_stick(folder.path(), STICK);
    let place = STORE + 5 * MIB + 77;
    let mut byte = [0];
    File::open(&raw)?.read_exact_at(&mut byte, place)?;
    let over = std::sync::atomic::AtomicBool::new(false);
    let output = std::thread::scope(|scope| {
        scope.spawn(|| {
            let file = File::options().write(true).open(&stick).unwrap();
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                file.write_all_at(&[!byte[0]], place).unwrap();
            }
        });
        let output = flash(&[&raw, &stick, &"--yes"]);
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
    has_no_table(&stick, SLOT);
    Ok(())
}

fn interrupt() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    // Long enough to be met while it is written.
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
    refused(
        &output,
        &[
            "interrupted: ",
            "stick is not usable until it is flashed again",
        ],
    )?;
    has_no_table(&stick, 200);
    Ok(())
}

fn root_disk() -> Result<(), Failed> {
    let source = Command::new("findmnt")
        .args(["-no", "SOURCE", "/"])
        .output()?;
    let source = PathBuf::from(String::from_utf8(source.stdout)?.trim());
    if !source.is_absolute() {
        // In a container the root is on no disk that could be named.
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let raw = image(folder.path(), "image", SLOT, USED);
    // Should it not be refused, then it is not written to either.
    let output = flash(&[&raw, &source, &"--dry-run"]);
    let words = if String::from_utf8_lossy(&output.stderr).contains("is a partition") {
        "the whole disk"
    } else {
        "this computer's system"
    };
    refused(&output, &[words])
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
    let folder = tempfile::tempdir()?;
    let raw = image(folder.path(), "image", SLOT, USED);
    let stick = used_stick(folder.path(), STICK);
    let key = folder.path().join("me.pub");
    fs::write(&key, KEY)?;
    let device = Loop::new(&["--partscan"], &stick);
    let text = succeeded(&flash(&[
        &compress(&raw),
        &device.0,
        &"--yes",
        &"--authorized-key",
        &key,
    ]));
    assert!(
        text.contains("not mounted") && text.contains(&device.0.display().to_string()),
        "{text}"
    );
    same(&raw, &device.0, SLOT, USED);
    assert_eq!(
        esp::get(&device.0, ESP, "authorized_keys")?.unwrap(),
        format!("{KEY}\n").as_bytes()
    );
    // The kernel knows the new partitions, as far as it reads such tables at all.
    let known = device.part(1).exists();
    drop(device);
    let anew = Loop::new(&["--partscan"], &stick);
    assert_eq!(known, anew.part(1).exists());
    Ok(())
}

fn disks_that_are_refused() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let raw = image(folder.path(), "image", SLOT, USED);
    let stick = used_stick(folder.path(), STICK);
    succeeded(&flash(&[&raw, &stick, &"--yes"]));
    let device = Loop::new(&["--partscan"], &stick);
    let name = device.0.display().to_string();
    let data = device.part(2);
    if !data.exists() {
        // Not every kernel reads such tables; this program does.
        succeeded(&Command::new("partx").arg("--add").arg(&device.0).output()?);
    }
    succeeded(&Command::new("mke2fs").arg("-q").arg(&data).output()?);
    let before = read(&device.0, STICK);
    let part = data.display().to_string();
    refused(
        &flash(&[&raw, &data, &"--yes"]),
        &[&part, "is a partition", &name],
    )?;
    let at = folder.path().join("mounted");
    let mount = Mount::new(&["-o", "ro"], &data, &at);
    let words = [
        "is in use",
        &at.display().to_string(),
        &format!("umount {part}"),
    ];
    refused(&flash(&[&raw, &device.0, &"--yes"]), &words)?;
    drop(mount);
    // The file behind it would be written to under its feet.
    refused(
        &flash(&[&raw, &stick, &"--yes"]),
        &[&format!("is in use as {name}")],
    )?;
    drop(device);
    let device = Loop::new(&["--read-only"], &stick);
    refused(
        &flash(&[&raw, &device.0, &"--yes"]),
        &["is read-only", "switch"],
    )?;
    assert!(read(&device.0, STICK) == before);
    Ok(())
}

/// The file behind the disk is on a file system that has less room than the disk says.
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
