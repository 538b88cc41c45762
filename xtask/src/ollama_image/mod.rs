//! The container image that the machines under test run in Ollama's place: a real server, or a stub.
//!
//! Every machine gets it as an archive on PERSIST, where an owner without internet access puts one.

pub mod docker_archive;
mod elf;
mod folder;
mod pulled;
mod saved;
pub mod stub;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::error::usage;

/// Where the image comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Source {
    /// A small program that answers a few requests, and has no models.
    #[default]
    Stub,
    /// An archive of `docker save`.
    Archive(PathBuf),
    /// A folder with `bin/ollama` and `lib/ollama`.
    Folder(PathBuf),
    /// The registry, by way of Docker on this machine.
    Pull,
}

/// What promises about a real server say when there is none.
pub const NO_REAL_OLLAMA: &str =
    "no real Ollama is at hand: give --ollama FILE, DIR or pull, or set OLLAMALIVE_OLLAMA";

impl Source {
    /// Reads the value of `--ollama`; `None` is the stub.
    ///
    /// # Errors
    /// There is nothing at that path, or a folder without an Ollama in it.
    pub fn parse(value: Option<&str>) -> Result<Self> {
        match value {
            None | Some("") => Ok(Source::Stub),
            Some("pull") => Ok(Source::Pull),
            Some(path) => {
                let path = PathBuf::from(path);
                let meta = fs::metadata(&path).map_err(|error| {
                    usage(format!(
                        "--ollama {}: {error}; give an archive of `docker save`, a folder with bin/ollama and lib/ollama, or \
                         the word pull",
                        path.display()
                    ))
                })?;
                if meta.is_dir() {
                    folder::check(&path)?;
                    return Ok(Source::Folder(path));
                }
                Ok(Source::Archive(path))
            }
        }
    }

    /// One line for people.
    pub fn describe(&self) -> String {
        match self {
            Source::Stub => "a stub: the promises of a real server are skipped".to_string(),
            Source::Archive(path) | Source::Folder(path) => path.display().to_string(),
            Source::Pull => "pulled from the registry".to_string(),
        }
    }
}

/// An image that is ready.
#[derive(Debug, Clone)]
pub struct OllamaImage {
    /// An archive for `docker load`.
    pub archive: PathBuf,
    /// It holds a real Ollama.
    pub real: bool,
    /// Where it comes from, on one line.
    pub description: String,
}

impl OllamaImage {
    /// Makes or checks the image called `name` (`repository:tag`, with or without a digest). Large files that outlive the run
    /// go to `cache`, others to `folder`.
    ///
    /// # Errors
    /// The source is not one of a real Ollama for this architecture, or is called something else.
    pub fn prepare(source: &Source, name: &str, cache: &Path, folder: &Path) -> Result<Self> {
        let tagged = without_digest(name);
        let archive = match source {
            Source::Stub => stub::archive(tagged, cache)?,
            Source::Archive(path) => {
                saved::check(path, tagged)?;
                path.clone()
            }
            Source::Folder(path) => folder::pack(path, tagged, folder)?,
            Source::Pull => {
                let path = pulled::archive(name, cache)?;
                saved::check(&path, tagged)?;
                path
            }
        };
        Ok(OllamaImage {
            archive,
            real: *source != Source::Stub,
            description: source.describe(),
        })
    }
}

/// `repository:tag` of an image that may have a digest behind it. `docker save` and `docker load` keep no digest
/// (moby/moby#22011).
fn without_digest(name: &str) -> &str {
    name.split('@').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_a_file_a_folder_or_the_registry() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ollama.tar");
        fs::write(&file, "x").unwrap();
        let parse = |path: &Path| Source::parse(path.to_str()).unwrap();
        let error = Source::parse(folder.path().to_str()).unwrap_err();
        assert!(
            error.to_string().contains("bin/ollama is missing"),
            "{error}"
        );
        assert_eq!(parse(&file), Source::Archive(file.clone()));
        assert_eq!(Source::parse(Some("pull")).unwrap(), Source::Pull);
        assert_eq!(Source::parse(None).unwrap(), Source::Stub);
        assert_eq!(Source::parse(Some("")).unwrap(), Source::Stub);
        let error = Source::parse(Some("/no/such/file"))
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("--ollama /no/such/file: No such file")
                && error.contains("docker save"),
            "{error}"
        );
    }

    #[test]
    fn a_digest_is_no_part_of_an_archives_tag() {
        assert_eq!(
            without_digest("ollama/ollama:1.2@sha256:ab"),
            "ollama/ollama:1.2"
        );
        assert_eq!(without_digest("ollama/ollama:1.2"), "ollama/ollama:1.2");
    }
}
