use std::fs;

use super::*;
use crate::project;
use crate::release::manifest;
use crate::release::signature::public_key::PublicKey;

const VERSION: &str = "20260101000000";
const OTHER: &str = "20250101000000";

fn release() -> UpdateRelease {
    let id = "09e3ce2e-220d-3d42-03f1-ade296e2230b";
    let names = [
        format!("ollamalive_{VERSION}_{id}.verity"),
        format!("ollamalive_{VERSION}_{id}.store"),
        format!("ollamalive_{VERSION}.efi"),
    ];
    let asset = |name: &String| Asset {
        file: name.clone(),
        digest: FileDigest {
            bytes: name.len() as u64,
            sha256: sha256_hex(name.as_bytes()),
        },
    };
    UpdateRelease {
        update: Update {
            version: VERSION.into(),
            layout_version: 2,
            configuration: [("OLLAMALIVE_USER".into(), "alice".into())].into(),
            files: names.iter().map(asset).collect(),
        },
        contents: names.map(|name| (name.clone(), name.into())).into(),
    }
}

#[test]
fn the_release_of_an_image_has_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let image = derived::tests::image(folder.path());
    let files = folder.path().join("files");
    let made = UpdateRelease::make(&image, &files).unwrap();
    assert_eq!(made.update.version, derived::tests::OLD);
    assert_eq!(made.update.configuration["OLLAMALIVE_USER"], "alice");
    let fetched = fetched(&made.unsigned());
    assert!(wrong(fetched.path()).is_empty());
    assert_eq!(fs::read_dir(&files).unwrap().count(), 3);
    let store = fs::read(fetched.path().join(&made.update.files[1].file)).unwrap();
    let at = (41 << 20)..(41 << 20) + 8192;
    assert!(store == fs::read(&image).unwrap()[at]);
}

/// Writes what is published to a folder, as a machine fetches it.
fn fetched(files: &Files) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let mut bytes = Vec::new();
        let (length, mut reader) = content.open().unwrap();
        reader.read_to_end(&mut bytes).unwrap();
        assert_eq!(length, bytes.len() as u64);
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

/// The files whose checksums differ.
fn wrong(folder: &Path) -> Vec<String> {
    let sums = sums::read(folder).unwrap();
    let differs = |line: &sums::SumLine| {
        let bytes = fs::read(folder.join(&line.file)).unwrap();
        sha256_hex(&bytes) != line.sha256
    };
    let wrong = sums.into_iter().filter(differs);
    wrong.map(|line| line.file).collect()
}

#[test]
fn an_unsigned_release_is_whole_but_for_its_signature() {
    let files = release().unsigned();
    let folder = fetched(&files);
    assert_eq!(files.len(), 5);
    assert!(!files.contains_key(SIGNATURE));
    assert!(wrong(folder.path()).is_empty());
    assert_eq!(sums::read(folder.path()).unwrap().len(), 4);
    let manifest = manifest::read(folder.path()).unwrap();
    assert_eq!(manifest.signed_by, None);
    assert_eq!(manifest.update, Some(release().update));
}

#[test]
fn the_tests_key_signs_and_a_strangers_signature_is_another() {
    let root = project::root().unwrap();
    let ours = signer(&root).unwrap();
    let key = PublicKey::read(&root.join("tests/keys/updates.asc")).unwrap();
    let check = |folder: &Path| {
        key.check(&folder.join(SUMS), &folder.join(SIGNATURE))
            .unwrap()
    };

    let files = release().signed(&ours).unwrap();
    let folder = fetched(&files);
    assert_eq!(
        check(folder.path()).unwrap().fingerprint,
        ours.fingerprint()
    );
    assert!(wrong(folder.path()).is_empty());
    let manifest = manifest::read(folder.path()).unwrap();
    assert_eq!(manifest.signed_by.as_deref(), Some(ours.fingerprint()));

    let changed = fetched(&change_sum(&files, ".store").unwrap());
    let fault = check(changed.path()).unwrap_err();
    assert!(fault.contains("changed after"), "{fault}");
    assert!(wrong(changed.path())[0].ends_with(".store"));

    let damaged = release().with_wrong_sum(".efi").unwrap();
    let damaged = fetched(&damaged.signed(&ours).unwrap());
    assert!(check(damaged.path()).is_ok());
    assert_eq!(wrong(damaged.path()), [format!("ollamalive_{VERSION}.efi")]);

    let stranger = Signer::stranger().unwrap();
    let folder = fetched(&release().signed(&stranger).unwrap());
    let fault = check(folder.path()).unwrap_err();
    assert!(fault.contains("not by the expected one"), "{fault}");
}

#[test]
fn a_renamed_release_has_the_other_version_everywhere() {
    let files = release().renamed(OTHER).unsigned();
    let folder = fetched(&files);
    assert!(files.keys().all(|name| !name.contains(VERSION)));
    assert!(wrong(folder.path()).is_empty());
    let update = manifest::read(folder.path()).unwrap().update.unwrap();
    assert_eq!(update.version, OTHER);
    assert!(!format!("{update:?}").contains(VERSION));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let files = release().unsigned();
    for error in [
        change_sum(&files, ".iso").unwrap_err(),
        release().with_wrong_sum(".iso").unwrap_err(),
    ] {
        assert!(error.to_string().contains("no file with .iso"), "{error}");
    }
}
