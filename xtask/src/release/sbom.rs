//! The list of packages in the images, as SPDX 2.3 in JSON (spdx.github.io/spdx-spec/v2.3).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::manifest::Manifest;

/// Outputs that Nix splits packages into; the default one has no word for it (nixpkgs manual, "Multiple-output packages").
const OUTPUTS: &[&str] = &[
    "bin", "lib", "dev", "man", "doc", "info", "devdoc", "data", "dist", "debug", "static",
    "modules", "getent",
];

/// The name and version in a store path, the output left out; nothing where there is no version: then it is a file
/// or a script of the configuration and no package.
fn package(path: &str) -> Option<(String, String)> {
    let file = path.rsplit('/').next()?;
    let name = file.split_once('-')?.1;
    // As Nix's own parseDrvName: the version starts after the first dash that no letter follows.
    let starts = |(at, _): &(usize, &str)| name[at + 1..].starts_with(|c: char| c.is_ascii_digit());
    let (dash, _) = name.match_indices('-').find(starts)?;
    let (name, mut version) = (&name[..dash], &name[dash + 1..]);
    for output in OUTPUTS {
        version = version
            .strip_suffix(&format!("-{output}"))
            .unwrap_or(version);
    }
    Some((name.to_string(), version.to_string()))
}

/// The packages among `paths`: name and version -> where it is in the store.
fn packages<'a>(
    paths: impl Iterator<Item = &'a String>,
) -> BTreeMap<(String, String), BTreeSet<&'a str>> {
    let mut packages = BTreeMap::<_, BTreeSet<&str>>::new();
    for path in paths {
        if let Some(package) = package(path) {
            packages.entry(package).or_default().insert(path);
        }
    }
    packages
}

/// The document for the closure `paths` of the release's system; `date` is when its commit was made, so that the
/// same commit gives the same document.
pub fn render<'a>(
    manifest: &Manifest,
    date: DateTime<Utc>,
    paths: impl Iterator<Item = &'a String>,
) -> Value {
    const DOCUMENT: &str = "SPDXRef-DOCUMENT";
    const WHOLE: &str = "SPDXRef-OllamaLive";
    let mut listed = vec![json!({
        "SPDXID": WHOLE,
        "name": "OllamaLive",
        "versionInfo": manifest.version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
    })];
    let mut relations = vec![json!({
        "spdxElementId": DOCUMENT,
        "relationshipType": "DESCRIBES",
        "relatedSpdxElement": WHOLE,
    })];
    for (index, ((name, version), paths)) in packages(paths).into_iter().enumerate() {
        let id = format!("SPDXRef-Package-{}", index + 1);
        let places: Vec<&str> = paths.into_iter().collect();
        listed.push(json!({
            "SPDXID": id,
            "name": name,
            "versionInfo": version,
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": false,
            "sourceInfo": format!("nixpkgs {}: {}", manifest.system.nixpkgs, places.join(" ")),
        }));
        relations.push(json!({
            "spdxElementId": WHOLE,
            "relationshipType": "CONTAINS",
            "relatedSpdxElement": id,
        }));
    }
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": DOCUMENT,
        "name": format!("OllamaLive {}", manifest.version),
        "documentNamespace": format!("urn:ollamalive:spdx:{}:{}", manifest.version, manifest.commit),
        "creationInfo": {
            "created": date.to_rfc3339_opts(SecondsFormat::Secs, true),
            "creators": [concat!("Tool: xtask-", env!("CARGO_PKG_VERSION"))],
        },
        "packages": listed,
        "relationships": relations,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "/nix/store/ww2wf5b928m0b53dp2bdifpgqqyfshvb-";

    #[test]
    fn names_and_versions_are_told_apart_as_nix_does() {
        for (path, name, version) in [
            ("openssh-10.3p1", "openssh", "10.3p1"),
            ("glibc-2.40-66-bin", "glibc", "2.40-66"),
            ("linux-6.12.30-modules", "linux", "6.12.30"),
            ("nvidia-x11-580.95-6.12.30", "nvidia-x11", "580.95-6.12.30"),
            ("xz-5.8.1", "xz", "5.8.1"),
        ] {
            let found = package(&format!("{HASH}{path}")).unwrap();
            assert_eq!(found, (name.to_string(), version.to_string()));
        }
        for path in ["unit-sshd.service", "etc", "X-Restart-Triggers-docker"] {
            assert_eq!(package(&format!("{HASH}{path}")), None);
        }
    }

    #[test]
    fn outputs_of_one_package_are_one() {
        let paths: Vec<String> = ["curl-8.1", "curl-8.1-bin", "curl-8.2", "etc"]
            .iter()
            .map(|name| format!("{HASH}{name}"))
            .collect();
        let packages = packages(paths.iter());
        assert_eq!(packages.len(), 2);
        assert_eq!(packages[&("curl".to_string(), "8.1".to_string())].len(), 2);
    }
}
