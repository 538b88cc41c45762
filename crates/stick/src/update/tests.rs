use std::cell::Cell;

use super::*;
use crate::digest::sha256_hex;
use crate::gpt;
use crate::monitor::NoMonitor;
use crate::testing::{SmallImage, layout_1_image, put};
use crate::units::MIB;

const VERSION: &str = "20261128051225";

fn small() -> SmallImage {
    SmallImage {
        version: VERSION.into(),
        ..SmallImage::default()
    }
}

struct Case {
    folder: tempfile::TempDir,
    path: PathBuf,
    file: File,
}

/// An image whose store has 300 blocks of 4096 bytes.
fn case() -> Case {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.raw");
    let store = vec![7; 300 * 4096];
    let file = small()
        .with_system(&path, store, "OLLAMALIVE_USER=alice\n")
        .unwrap();
    Case { folder, path, file }
}

fn refused(path: &Path) -> String {
    UpdateImage::open(path).unwrap_err().to_string()
}

#[test]
fn files_have_the_names_and_the_bytes_of_their_partitions() {
    let case = case();
    let image = UpdateImage::open(&case.path).unwrap();
    let out = case.folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let update = image.write(&out, &NoMonitor).unwrap();
    assert_eq!(update, image.digest(&NoMonitor).unwrap());
    assert_eq!((&update.version[..], update.layout_version), (VERSION, 2));
    assert_eq!(update.configuration["OLLAMALIVE_USER"], "alice");
    let id = |name: String| gpt::partition_id(&case.path, &name).unwrap();
    let names: Vec<&str> = update.files.iter().map(|asset| &asset.file[..]).collect();
    assert_eq!(
        names,
        [
            format!(
                "ollamalive_{VERSION}_{}.verity",
                id(format!("verity_{VERSION}"))
            ),
            format!(
                "ollamalive_{VERSION}_{}.store",
                id(format!("store_{VERSION}"))
            ),
            format!("ollamalive_{VERSION}.efi"),
        ]
    );
    let whole = std::fs::read(&case.path).unwrap();
    // A superblock, three blocks of hashes, one above.
    let (verity, store) = (small().verity().offset, small().store().offset);
    let expected = [(verity, 5 * 4096), (store, 300 * 4096)];
    for (asset, (offset, length)) in update.files.iter().zip(expected) {
        let bytes = std::fs::read(out.join(&asset.file)).unwrap();
        assert!(bytes == whole[offset as usize..(offset + length) as usize]);
        assert_eq!(asset.digest.sha256, sha256_hex(&bytes));
        assert_eq!(asset.digest.bytes, length);
    }
    let uki = esp::read(&case.path, small().esp(), &uki_path(VERSION)).unwrap();
    assert_eq!(std::fs::read(out.join(names[2])).unwrap(), uki.unwrap());
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 3);
    assert_eq!(malformed(&update), None);
}

#[test]
fn an_interrupted_run_leaves_no_file() {
    struct Interrupt(Cell<u32>);
    impl Monitor for Interrupt {
        fn check(&self) -> Result<()> {
            self.0.set(self.0.get() + 1);
            anyhow::ensure!(self.0.get() < 4, "interrupted");
            Ok(())
        }
    }
    let case = case();
    let out = case.folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let image = UpdateImage::open(&case.path).unwrap();
    let error = image.write(&out, &Interrupt(Cell::new(0))).unwrap_err();
    assert_eq!(error.to_string(), "interrupted");
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0);
}

#[test]
fn other_images_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = layout_1_image(folder.path());
    let error = refused(&path);
    assert!(error.contains("is an image of layout 1"), "{error}");
    assert!(error.contains("updates need layout 2"), "{error}");

    let path = folder.path().join("image.zst");
    std::fs::write(&path, zstd::encode_all(&b"image"[..], 1).unwrap()).unwrap();
    assert!(refused(&path).contains("is compressed"));

    let path = folder.path().join("unnamed");
    SmallImage::default().create(&path).unwrap();
    assert!(refused(&path).contains("14 digits"));
}

#[test]
fn a_missing_piece_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty");
    small().create(&path).unwrap();
    assert!(refused(&path).contains("not an erofs"));

    let path = folder.path().join("no-hashes");
    small().with_store(&path, vec![7; MIB as usize]).unwrap();
    assert!(refused(&path).contains("without a superblock"));

    let case = case();
    let other = small().verity().offset + 72;
    put(&case.file, other, &299u64.to_le_bytes()).unwrap();
    assert!(refused(&case.path).contains("not those of its store"));
    put(&case.file, other, &300u64.to_le_bytes()).unwrap();
    let uki = uki_path(VERSION);
    esp::write(&case.path, small().esp(), &uki, b"not a UKI").unwrap();
    let error = refused(&case.path);
    assert!(
        error.contains(&uki) && error.contains("not a PE"),
        "{error}"
    );
    esp::format(case.file.try_clone().unwrap(), small().esp()).unwrap();
    assert!(refused(&case.path).contains(&format!("has no {uki}")));
}

#[test]
fn an_update_of_another_form_is_noticed() {
    let case = case();
    let good = UpdateImage::open(&case.path).unwrap();
    let good = good.digest(&NoMonitor).unwrap();
    let changed = |change: &dyn Fn(&mut Update)| {
        let mut update = good.clone();
        change(&mut update);
        malformed(&update).unwrap()
    };
    assert!(changed(&|update| update.version = "v1".into()).contains("14 digits"));
    let name = format!("ollamalive_{VERSION}/../x.store");
    assert!(changed(&|update| update.files[1].file = name.clone()).contains("files are not"));
    assert!(changed(&|update| update.files.truncate(2)).contains("files are not"));
    assert!(changed(&|update| update.files[0].digest.sha256 = "x".into()).contains("no SHA-256"));
}
