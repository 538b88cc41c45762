//! The content of the stick afterwards.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use libtest_mimic::{Failed, Trial};
use serde_json::json;
use stick::digest::sha256_hex;
use stick::esp;

use crate::common::{ended_with, refused, trial};
use crate::setting::{Case, EXT4, KEY, SLOT, STICK, USED, flash, read, same, succeeded};
use crate::stick::{ESP, MIB, STORE, compress, end, image, layout_1_image, persist, used_stick};

const CONNECTION: &str = "[connection]\nid=Home\ntype=wifi\n\n[wifi]\nssid=Home\n";

pub fn trials() -> Vec<Trial> {
    vec![
        trial(
            "an_image_is_written_and_persist_is_kept",
            &["ssh-keygen"],
            whole,
        ),
        trial(
            "a_persist_at_another_place_is_not_overwritten",
            &[],
            persist_elsewhere,
        ),
        trial("a_persist_of_layout_1_is_named_and_kept", &[], layout_1),
        trial("a_dry_run_writes_nothing", &[], dry_run),
        trial("joined_parts_are_compared_with_the_manifest", &[], joined),
    ]
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

    // The file name does not matter.
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
        after[end(SLOT) as usize..] == before[end(SLOT) as usize..],
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
    // The PERSIST that is kept may have a key.
    assert!(!text.contains("no SSH key"), "{text}");
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
    File::options()
        .write(true)
        .open(&stick)?
        .write_all_at(b"data", persist(SLOT))?;
    let before = fs::read(&stick)?;
    let output = flash(&[&newer, &stick, &"--yes"]);
    refused(
        &output,
        &[
            "has a PERSIST at another place (38 MiB)",
            "(42 MiB)",
            "save it",
            "flash again with --discard-persist",
        ],
    )?;
    assert!(fs::read(&stick)? == before);
    // An empty one may be overwritten.
    let empty = vec![0; MIB as usize];
    File::options()
        .write(true)
        .open(&stick)?
        .write_all_at(&empty, persist(SLOT))?;
    succeeded(&flash(&[&newer, &stick, &"--yes"]));
    same(&newer, &stick, SLOT + 4, USED);
    Ok(())
}

fn layout_1() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let older = layout_1_image(folder.path(), "older", SLOT, USED);
    let newer = image(folder.path(), "newer", SLOT, USED);
    let stick = used_stick(folder.path(), STICK);
    let file = File::options().write(true).open(&stick)?;
    file.write_all_at(&vec![0; MIB as usize], end(SLOT))?;
    succeeded(&flash(&[&older, &stick, &"--yes"]));
    same(&older, &stick, SLOT, USED);
    file.write_all_at(b"data", end(SLOT))?;
    let before = fs::read(&stick)?;
    let output = flash(&[&newer, &stick, &"--yes"]);
    refused(
        &output,
        &[
            "has a PERSIST of layout 1, which older releases had, at another place (34 MiB)",
            "save it",
            "flash again with --discard-persist",
        ],
    )?;
    assert!(fs::read(&stick)? == before);
    let text = succeeded(&flash(&[&newer, &stick, &"--yes", &"--discard-persist"]));
    assert!(text.contains("WILL BE LOST"), "{text}");
    same(&newer, &stick, SLOT, USED);
    Ok(())
}

fn dry_run() -> Result<(), Failed> {
    let case = Case::new()?;
    let text = succeeded(&flash(&[&case.raw, &case.stick, &"--dry-run"]));
    assert!(
        text.contains("nothing was written") && text.contains("will be created on first boot"),
        "{text}"
    );
    case.is_untouched()?;
    Ok(())
}

fn joined() -> Result<(), Failed> {
    let case = Case::new()?;
    let at = |name: &str| case.folder.path().join(name);
    let packed = compress(&case.raw);
    let dry_run = || flash(&[&packed, &case.stick, &"--dry-run"]);
    let zeros = "0".repeat(64);
    fs::write(at("SHA256SUMS"), format!("{zeros}  image.zst.part1\n"))?;
    let text = succeeded(&dry_run());
    assert!(
        text.contains("NOT CHECKED: SHA256SUMS lists the parts of the image"),
        "{text}"
    );
    let manifest = |sha256: &str| {
        let part = |number| json!({ "file": format!("image.zst.part{number}"), "bytes": 1, "sha256": zeros });
        let image = json!({ "file": "image", "sha256": sha256, "assets": [part(1), part(2)] });
        fs::write(
            at("manifest.json"),
            json!({ "images": [image] }).to_string(),
        )
    };
    manifest(&sha256_hex(&fs::read(&case.raw)?))?;
    for file in [&packed, &case.raw] {
        let text = succeeded(&flash(&[file, &case.stick, &"--dry-run"]));
        assert!(
            text.contains("checksum   matches") && text.contains("manifest.json"),
            "{text}"
        );
    }
    manifest(&zeros)?;
    ended_with(
        1,
        &dry_run(),
        &["holds an image with the SHA-256", "manifest.json says 0000"],
    )?;
    // Another program's file of that name.
    fs::write(at("manifest.json"), r#"{ "name": "Web page" }"#)?;
    assert!(succeeded(&dry_run()).contains("NOT CHECKED"));
    Ok(())
}
