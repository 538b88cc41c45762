//! Refusals before anything is written.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::common::{ended_with, refused, trial};
use crate::setting::{Case, SLOT, STICK, USED, flash, same, succeeded};
use crate::stick::{MIB, compress, end, image, noise, used_stick};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("without_a_terminal_yes_is_required", &[], no_terminal),
        trial("only_the_answer_yes_writes", &[], answers),
        trial("anything_but_a_stick_is_refused", &[], no_stick),
        trial("anything_but_an_image_is_refused", &[], no_image),
        trial("a_damaged_image_is_refused", &[], damaged),
        trial("a_wrong_checksum_is_refused", &["sha256sum"], checksums),
        trial("a_stick_that_is_too_small_is_refused", &[], too_small),
        trial("a_private_key_is_refused", &["ssh-keygen"], private_key),
        trial(
            "the_system_disk_is_refused",
            &["findmnt", "lsblk"],
            root_disk,
        ),
    ]
}

fn no_terminal() -> Result<(), Failed> {
    let case = Case::new()?;
    refused(
        &flash(&[&case.raw, &case.stick]),
        &["there is no terminal to ask", "--yes"],
    )?;
    case.is_untouched()?;
    Ok(())
}

fn answers() -> Result<(), Failed> {
    let case = Case::new()?;
    let ask = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.arg("flash").args([&case.raw, &case.stick]);
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
        case.is_untouched()?;
    }
    let mut session = ask()?;
    session.exp_string("Type `yes`")?;
    session.send_line("yes")?;
    session.exp_string("can be removed")?;
    session.exp_eof()?;
    case.is_flashed();
    Ok(())
}

fn no_stick() -> Result<(), Failed> {
    let case = Case::new()?;
    fs::set_permissions(&case.stick, fs::Permissions::from_mode(0o444))?;
    let none = case.folder.path().join("none");
    let bad: [(&Path, &str); 6] = [
        (case.folder.path(), "is a folder"),
        (&none, "or create the file: truncate -s 32G"),
        (
            Path::new("/dev/no-such-disk"),
            "does not exist: plug the stick in",
        ),
        (Path::new("/dev/null"), "neither a disk nor a file"),
        (&case.stick, "is read-only"),
        (&case.raw, "is the image itself"),
    ];
    for (device, words) in bad {
        let name = device.display().to_string();
        refused(&flash(&[&case.raw, &device, &"--yes"]), &[words, &name])?;
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
    fs::write(at("page.raw.zst"), "<!DOCTYPE html>")?;
    fs::write(at("x.raw.zst.part1"), "")?;
    fs::write(at("x.raw.zst.part2"), "")?;
    let long = image(folder.path(), "long", SLOT, USED);
    File::options()
        .write(true)
        .open(&long)?
        .set_len(end(SLOT) + MIB)?;
    let bad = [
        ("noise", "has no partition table (GPT)"),
        ("empty", "has no partition table (GPT)"),
        (
            "page.raw.zst",
            "is not an image: its name ends in .zst, but it is not compressed",
        ),
        (
            "x.raw.zst.part1",
            "it is part 1 of an image: join all parts (`cat ",
        ),
        ("x.raw.zst.part2", "it is part 2 of an image"),
        ("none", "there is no such file; give a downloaded .raw.zst"),
        (".", "it is not a file"),
    ];
    for (name, words) in bad {
        refused(&flash(&[&at(name), &stick, &"--yes"]), &[words])?;
    }
    ended_with(
        1,
        &flash(&[&long, &stick, &"--yes"]),
        &["is longer than its partition table says"],
    )?;
    assert!(fs::read(&stick)? == before);
    Ok(())
}

fn damaged() -> Result<(), Failed> {
    let case = Case::new()?;
    let packed = compress(&case.raw);
    let good = fs::read(&packed)?;
    let cut = |file: &Path, bytes: u64| {
        File::options()
            .write(true)
            .open(file)
            .unwrap()
            .set_len(bytes)
            .unwrap()
    };

    // Noise is not compressed, so only the checksum at the end of the frame detects it. Half of the noise ends where a block
    // does (128 KiB): from there half a block on, so that no block header is hit.
    let mut flipped = good.clone();
    flipped[good.len() / 2 + (64 << 10)] ^= 1;
    fs::write(&packed, flipped)?;
    ended_with(
        1,
        &flash(&[&packed, &case.stick, &"--yes"]),
        &["image.zst is damaged", "download it again", "checksum"],
    )?;
    fs::write(&packed, &good)?;
    cut(&packed, good.len() as u64 - 9);
    ended_with(
        1,
        &flash(&[&packed, &case.stick, &"--yes"]),
        &["image.zst is damaged", "incomplete"],
    )?;
    fs::write(&packed, [&good[..], b"more"].concat())?;
    ended_with(
        1,
        &flash(&[&packed, &case.stick, &"--yes"]),
        &["image.zst is damaged"],
    )?;
    cut(&case.raw, end(SLOT) - MIB);
    ended_with(
        1,
        &flash(&[&case.raw, &case.stick, &"--yes"]),
        &["is cut off", "download it again"],
    )?;
    case.is_untouched()?;
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
    // The same exit code as `verify` has for it.
    ended_with(
        1,
        &flash(&[&packed, &stick, &"--yes"]),
        &["has the SHA-256", "SHA256SUMS says 0000", "download both"],
    )?;
    fs::write(&sums, "12345  image.zst\n")?;
    refused(
        &flash(&[&packed, &stick, &"--yes"]),
        &["\"12345  image.zst\" is not a SHA-256", "SHA256SUMS"],
    )?;
    fs::write(&sums, "")?;
    fs::write(&own, "")?;
    refused(
        &flash(&[&packed, &stick, &"--yes"]),
        &["is not a SHA-256", "image.zst.sha256"],
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
    let stick = used_stick(folder.path(), end(SLOT) - 512);
    let before = fs::read(&stick)?;
    refused(
        &flash(&[&raw, &stick, &"--yes"]),
        &[
            "too small: it has 35 MB, the image takes 35 MB",
            "make the file longer: truncate -s 32G",
        ],
    )?;
    assert!(fs::read(&stick)? == before);
    // Room for the system alone is enough, with a warning.
    File::options()
        .write(true)
        .open(&stick)?
        .set_len(end(SLOT))?;
    let text = succeeded(&flash(&[&raw, &stick, &"--yes"]));
    assert!(text.contains("NOTHING WILL BE KEPT"), "{text}");
    same(&raw, &stick, SLOT, USED);
    assert_eq!(fs::metadata(&stick)?.len(), end(SLOT));
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

fn root_disk() -> Result<(), Failed> {
    let source = Command::new("findmnt")
        .args(["-no", "SOURCE", "/"])
        .output()?;
    let source = PathBuf::from(String::from_utf8(source.stdout)?.trim());
    if !source.is_absolute() {
        // In a container the root is not on a disk with a name.
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let raw = image(folder.path(), "image", SLOT, USED);
    // A dry run: if the refusal fails, nothing is written.
    let output = flash(&[&raw, &source, &"--dry-run"]);
    let words = if String::from_utf8_lossy(&output.stderr).contains("is a partition") {
        "the whole disk"
    } else {
        "this computer's system"
    };
    refused(&output, &[words])
}
