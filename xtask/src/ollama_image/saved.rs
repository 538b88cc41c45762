//! Looks into an archive of `docker save`, so that what is wrong with it is known before a machine boots.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::docker_archive::STUB_LABEL;
use crate::error::usage;

/// Descriptions of images are shorter, layers may be as short.
const DESCRIPTION: u64 = 1 << 20;

/// The archive's files.
#[derive(Debug, Default)]
struct Listing {
    names: BTreeSet<String>,
    /// The content of those that may be a description of an image.
    short: BTreeMap<String, Vec<u8>>,
}

/// Refuses an archive that does not hold a whole image called `name` (`repository:tag`) for this architecture.
///
/// # Errors
/// One line: what is wrong with it, and what to do.
pub fn check(archive: &Path, name: &str) -> Result<()> {
    let place = archive.display();
    let again = format!("save it again: docker save -o {place} {name}");
    let listing = list(archive).map_err(|error| {
        usage(format!(
            "{place} is not a whole archive of `docker save` ({error:#}): {again}"
        ))
    })?;
    match fault(&listing, name) {
        None => Ok(()),
        Some(Fault::Damaged(what)) => Err(usage(format!("{place} {what}: {again}"))),
        Some(Fault::Another(what)) => Err(usage(format!(
            "{place} {what}: docker pull --platform linux/amd64 {name}, then docker save -o {place} {name}"
        ))),
    }
}

/// What is wrong with an archive, as the end of a sentence that begins with its path.
#[derive(Debug, PartialEq, Eq)]
enum Fault {
    /// Not all of the image is there.
    Damaged(String),
    /// It is another image.
    Another(String),
}

fn list(archive: &Path) -> Result<Listing> {
    let file = File::open(archive)?;
    let mut listing = Listing::default();
    let mut archive = tar::Archive::new(BufReader::new(file));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.display().to_string();
        if entry.size() <= DESCRIPTION {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            // A file that ends too early is read without an error.
            anyhow::ensure!(content.len() as u64 == entry.size(), "{name} is cut off");
            listing.short.insert(name.clone(), content);
        }
        listing.names.insert(name);
    }
    Ok(listing)
}

fn fault(listing: &Listing, name: &str) -> Option<Fault> {
    let json = |file: &str| -> Result<Value> {
        let content = listing.short.get(file).context("not there")?;
        Ok(serde_json::from_slice(content)?)
    };
    let damaged = |what: String| Some(Fault::Damaged(what));
    let manifest = match json("manifest.json") {
        Ok(Value::Array(images)) => images,
        _ => return damaged("has no manifest.json of `docker save`".to_string()),
    };
    let tags = |image: &Value| -> Vec<String> {
        let tags = image["RepoTags"].as_array();
        let names = tags.into_iter().flatten().filter_map(Value::as_str);
        // Podman writes the registry's name too.
        names
            .map(|tag| tag.strip_prefix("docker.io/").unwrap_or(tag).to_string())
            .collect()
    };
    let Some(image) = manifest
        .iter()
        .find(|image| tags(image).iter().any(|tag| tag == name))
    else {
        let all: Vec<String> = manifest.iter().flat_map(tags).collect();
        let held = match all.join(", ") {
            none if none.is_empty() => "an image without a tag".to_string(),
            some => some,
        };
        return Some(Fault::Another(format!(
            "holds {held}, and ollamalive.ollama.image is {name}"
        )));
    };
    let file = image["Config"].as_str().unwrap_or_default();
    let Ok(configuration) = json(file) else {
        return damaged(format!("lacks the image's configuration {file:?}"));
    };
    let layers = image["Layers"].as_array().into_iter().flatten();
    let mut layers = layers.filter_map(Value::as_str);
    if let Some(lost) = layers.find(|layer| !listing.names.contains(*layer)) {
        return damaged(format!("lacks the layer {lost}"));
    }
    let text = |field: &str| configuration[field].as_str().unwrap_or("none").to_string();
    let (system, processor) = (text("os"), text("architecture"));
    if (system.as_str(), processor.as_str()) != ("linux", "amd64") {
        return Some(Fault::Another(format!(
            "is for {system}/{processor}, and the PC is linux/amd64"
        )));
    }
    if configuration["config"]["Labels"].get(STUB_LABEL).is_some() {
        return Some(Fault::Another(
            "holds the stub of the tests, and not Ollama".to_string(),
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::ollama_image::docker_archive;

    const NAME: &str = "ollama/ollama:1.2.3";

    fn archive(config: &Value) -> Vec<u8> {
        let mut bytes = Vec::new();
        docker_archive::write(&[0; 3000], NAME, config, &mut bytes).unwrap();
        bytes
    }

    /// The error for an archive of these bytes, from behind its path.
    fn refused(bytes: &[u8], name: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ollama.tar");
        fs::write(&path, bytes).unwrap();
        match check(&path, name) {
            Ok(()) => String::new(),
            Err(error) => error
                .to_string()
                .replace(&path.display().to_string(), "FILE"),
        }
    }

    #[test]
    fn a_whole_image_is_taken() {
        assert_eq!(refused(&archive(&json!({})), NAME), "");
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        let whole = archive(&json!({}));
        for length in [0, 700, 1600, whole.len() - 2000] {
            let error = refused(&whole[..length], NAME);
            assert!(error.starts_with("FILE "), "{length}: {error}");
            assert!(
                error.ends_with("save it again: docker save -o FILE ollama/ollama:1.2.3"),
                "{length}: {error}"
            );
        }
        // A layer that is too long to be read.
        let mut large = Vec::new();
        docker_archive::write(&vec![0; 3 << 20], NAME, &json!({}), &mut large).unwrap();
        let error = refused(&large[..2 << 20], NAME);
        assert!(error.contains("not a whole archive"), "{error}");
        assert!(!error.contains('\n'), "{error}");
        assert!(refused(b"not a tar archive at all", NAME).contains("not a whole archive"));
    }

    #[test]
    fn another_image_is_refused() {
        let error = refused(&archive(&json!({})), "ollama/ollama:9.9.9");
        assert_eq!(
            error,
            "FILE holds ollama/ollama:1.2.3, and ollamalive.ollama.image is ollama/ollama:9.9.9: docker pull --platform \
             linux/amd64 ollama/ollama:9.9.9, then docker save -o FILE ollama/ollama:9.9.9"
        );
        let stub = refused(&archive(&json!({ "Labels": { STUB_LABEL: "true" } })), NAME);
        assert!(
            stub.starts_with("FILE holds the stub of the tests"),
            "{stub}"
        );
    }

    #[test]
    fn the_error_for_another_architecture_says_what_to_do() {
        // As long as before, so the archive stays whole.
        let arm = String::from_utf8_lossy(&archive(&json!({}))).replace("\"amd64\"", "\"arm64\"");
        assert!(arm.contains("arm64"));
        assert_eq!(
            refused(arm.as_bytes(), NAME),
            "FILE is for linux/arm64, and the PC is linux/amd64: docker pull --platform linux/amd64 ollama/ollama:1.2.3, then \
             docker save -o FILE ollama/ollama:1.2.3"
        );
    }

    fn listing(configuration: &Value, layers: &[&str]) -> Listing {
        let manifest =
            json!([{ "Config": "c", "RepoTags": [format!("docker.io/{NAME}")], "Layers": ["l"] }]);
        let short = BTreeMap::from([
            ("manifest.json".to_string(), manifest.to_string().into()),
            ("c".to_string(), configuration.to_string().into()),
        ]);
        let names = layers.iter().map(|layer| (*layer).to_string()).collect();
        Listing { names, short }
    }

    #[test]
    fn another_architecture_and_a_lost_layer_are_named() {
        let good = json!({ "os": "linux", "architecture": "amd64" });
        assert_eq!(fault(&listing(&good, &["l"]), NAME), None);
        assert_eq!(
            fault(&listing(&good, &[]), NAME),
            Some(Fault::Damaged("lacks the layer l".to_string()))
        );
        let other = json!({ "os": "linux", "architecture": "arm64" });
        assert_eq!(
            fault(&listing(&other, &["l"]), NAME),
            Some(Fault::Another(
                "is for linux/arm64, and the PC is linux/amd64".to_string()
            ))
        );
        let mut without = listing(&good, &["l"]);
        without.short.remove("c");
        assert_eq!(
            fault(&without, NAME),
            Some(Fault::Damaged(
                "lacks the image's configuration \"c\"".to_string()
            ))
        );
    }
}
