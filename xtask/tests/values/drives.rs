//! The models drive.

use libtest_mimic::Failed;
use serde_json::Value;
use xtask::nix::Nix;

use super::{judged, problems};

pub fn names(nix: &Nix) -> Result<(), Failed> {
    judged(
        nix,
        "drive.nix",
        &[
            ("LABEL=Models", ""),
            ("LABEL=My Models [1] ä", ""),
            ("LABEL=ÄÖÜäöüßÄÖÜäöüßÄÖÜäöüßÄÖÜäöüßÄÖÜä", ""),
            ("LABEL=C:\\it's \"big\" & $new", ""),
            ("UUID=01D9A1B2C3D4E5F6", ""),
            ("LABEL=Local Disk", "a drive without a name"),
            ("LABEL=local disk", "a drive without a name"),
            ("LABEL=Lokaler Datenträger", "a drive without a name"),
            ("LABEL=", "has no label"),
            ("LABEL=Models (D:)", "Write \"LABEL=Models\"."),
            ("LABEL=\"Models\"", "Write \"LABEL=Models\"."),
            ("LABEL= Models ", "Write \"LABEL=Models\"."),
            ("LABEL=D:", "a drive letter"),
            ("LABEL=a\nb", "control character"),
            (
                "LABEL=ÄÖÜäöüßÄÖÜäöüßÄÖÜäöüßÄÖÜäöüßÄÖÜäöü",
                "Windows allows 32",
            ),
            ("D:", "a drive letter"),
            ("D:\\", "a drive letter"),
            ("label=Models", "Write \"LABEL=Models\"."),
            ("Models", "does not name a drive"),
            ("/dev/sda1", "does not name a drive"),
            ("", "write null, without quotes"),
            ("null", "write null, without quotes"),
            ("UUID=A1B2-C3D4", "16 hexadecimal digits"),
            (
                "UUID=fdd68895-c307-4549-8c9c-90e44c71f5b7",
                "16 hexadecimal digits",
            ),
            ("UUID=01d9a1b2c3d4e5f6", "Write \"UUID=01D9A1B2C3D4E5F6\"."),
            (
                "UUID=0x01d9a1b2c3d4e5f6",
                "Write \"UUID=01D9A1B2C3D4E5F6\".",
            ),
        ],
    )
}

pub fn folders(nix: &Nix) -> Result<(), Failed> {
    judged(
        nix,
        "folder.nix",
        &[
            ("ollama/models", ""),
            ("Spiele & mehr/[1] Modelle", ""),
            (".", ""),
            (".ollama/models", ""),
            ("D:\\ollama", "without the drive's letter"),
            ("ollama\\models", "with \"/\", such as"),
            ("d:/ollama", "without the drive's letter"),
            ("/ollama", "begins with \"/\""),
            ("ollama/", "does not name a folder"),
            ("a//b", "does not name a folder"),
            ("../b", "does not name a folder"),
            ("", "does not name a folder"),
            ("a*", "has a character that no name"),
            ("a\nb", "has a character that no name"),
        ],
    )?;
    let module =
        "ollamalive.models.drive = lib.mkForce null; ollamalive.models.folder = lib.mkForce \"a\";";
    let found = problems(nix, module)?;
    let told = "ollamalive.models.folder is a folder on the models drive, and ollamalive.models.drive is null.";
    assert!(found.len() == 1 && found[0].starts_with(told), "{found:?}");
    Ok(())
}

/// In fstab a blank would end the field. systemd and udev then encode the label in the same way.
pub fn labels_in_fstab(nix: &Nix) -> Result<(), Failed> {
    let answer = nix.ask(
        "appliance: (appliance.extendModules { modules = [ ({ lib, ... }: { ollamalive.models.drive = \
         lib.mkForce \"LABEL=My Models [1] \\\\ ä\"; }) ]; }).config.environment.etc.fstab.text",
    )?;
    let Value::String(fstab) = answer else {
        return Err("fstab is not a text".into());
    };
    let line = fstab.lines().find(|line| line.contains(" /mnt/models "));
    let device = line.and_then(|line| line.split(' ').next());
    assert_eq!(device, Some("LABEL=My\\040Models\\040[1]\\040\\134\\040ä"));
    Ok(())
}
