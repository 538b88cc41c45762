//! The rules for releasing an update.

use stick::units::binary_size;
use stick::update::Update;

use super::LIMIT;
use super::github::PublishedRelease;
use super::manifest::Manifest;

/// Why the file `name` of an update cannot be released; None if it can.
pub fn too_long(name: &str, bytes: u64) -> Option<String> {
    (bytes > LIMIT).then(|| {
        format!(
            "the update's file {name} has {} ({bytes} bytes), and GitHub takes only files under 2 GiB (here at most {}): remove what the machine does not need from the configuration, and build the image again",
            binary_size(bytes),
            binary_size(LIMIT)
        )
    })
}

/// Why `update` cannot be released beside the release that `earlier` describes and `place` contains; None if it can.
pub fn conflict(update: &Update, earlier: &Manifest, place: &str) -> Option<String> {
    let released = earlier.update.as_ref()?;
    let store = |update: &Update| update.store().map(|asset| asset.digest.sha256.clone());
    let same = released.version != update.version || store(released) == store(update);
    (!same).then(|| {
        format!(
            "{}; if you have not published that release, remove {place} instead",
            another_system(&update.version, &format!("{} in {place}", earlier.version))
        )
    })
}

/// Why `update` cannot be released beside `releases`, those on GitHub; None if it can.
pub fn published(update: &Update, releases: &[PublishedRelease]) -> Option<String> {
    let store = update.store()?;
    let prefix = format!("ollamalive_{}_", update.version);
    let digest = format!("sha256:{}", store.digest.sha256);
    let other = releases.iter().find(|release| {
        release.assets.iter().any(|asset| {
            let known = asset.digest.as_ref().unwrap_or(&digest);
            let is_store = asset.name.starts_with(&prefix) && asset.name.ends_with(".store");
            is_store && (asset.name != store.file || *known != digest)
        })
    })?;
    Some(another_system(
        &update.version,
        &format!("{} on GitHub", other.tag_name),
    ))
}

fn another_system(version: &str, release: &str) -> String {
    format!(
        "the update has version {version}, as has another system in the release {release}, and machines with that system would refuse the update: make a new commit (its time is the version), and build the image again"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::manifest::{Asset, FORMAT, SystemInfo};
    use stick::digest::FileDigest;

    const VERSION: &str = "20261128051225";

    fn update(version: &str, uuid: &str, sha256: &str) -> Update {
        let digest = FileDigest {
            bytes: 7,
            sha256: sha256.into(),
        };
        Update {
            version: version.into(),
            layout_version: 2,
            configuration: Default::default(),
            files: vec![Asset {
                file: format!("ollamalive_{version}_{uuid}.store"),
                digest,
            }],
        }
    }

    fn manifest(update: Option<Update>) -> Manifest {
        Manifest {
            format: FORMAT,
            version: "v1".into(),
            commit: "abc".into(),
            signed_by: None,
            system: SystemInfo::default(),
            images: Vec::new(),
            update,
            tests: Vec::new(),
        }
    }

    #[test]
    fn a_file_that_github_refuses_is_named_with_its_length() {
        assert_eq!(too_long("x.store", LIMIT), None);
        let why = too_long("x.store", LIMIT + 1).unwrap();
        assert!(
            why.contains("x.store") && why.contains("2097152001"),
            "{why}"
        );
    }

    #[test]
    fn a_version_stands_for_one_system() {
        let new = update(VERSION, "1", "aa");
        let conflict = |earlier| conflict(&new, &manifest(earlier), "/out");
        assert_eq!(conflict(None), None);
        assert_eq!(conflict(Some(update(VERSION, "1", "aa"))), None);
        assert_eq!(conflict(Some(update("20261128051224", "1", "bb"))), None);
        let why = conflict(Some(update(VERSION, "1", "bb"))).unwrap();
        assert!(why.contains(VERSION) && why.contains("v1 in /out"), "{why}");
    }

    #[test]
    fn a_version_stands_for_one_system_on_github() {
        let new = update(VERSION, "1", "aa");
        let of = |name: &str, digest: &str| {
            let text = format!(
                r#"[{{"tag_name":"build-7","draft":false,"assets":[{{"name":"{name}","digest":{digest}}}]}}]"#
            );
            published(
                &new,
                &serde_json::from_str::<Vec<PublishedRelease>>(&text).unwrap(),
            )
        };
        let store = |uuid: &str| format!("ollamalive_{VERSION}_{uuid}.store");
        assert_eq!(of(&store("1"), r#""sha256:aa""#), None);
        assert_eq!(of(&store("1"), "null"), None);
        assert_eq!(
            of(&store("2").replace(VERSION, "20261128051224"), "null"),
            None
        );
        assert_eq!(of(&store("2").replace(".store", ".verity"), "null"), None);
        for why in [of(&store("2"), "null"), of(&store("1"), r#""sha256:ab""#)] {
            assert!(
                why.as_ref().unwrap().contains("build-7 on GitHub"),
                "{why:?}"
            );
        }
    }
}
