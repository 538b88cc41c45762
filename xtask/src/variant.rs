//! Variants: other owners' configurations, which are recorded and tested like the default one. Each is a NixOS module in
//! tests/variants, added to configuration.nix.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::error::{unknown, usage};

/// The folder of the variants, relative to the project's top folder.
pub const FOLDER: &str = "tests/variants";
/// The name that stands for every variant.
pub const ALL: &str = "all";

/// Another owner's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// The name of its file, without the suffix.
    pub name: String,
    path: PathBuf,
}

impl Variant {
    /// What goes between the braces of a NixOS module that adds it to the configuration.
    pub fn module(&self) -> String {
        let path = self.path.display().to_string();
        let path = path
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace("${", "\\${");
        format!("imports = [ (/. + \"{path}\") ];")
    }
}

/// The variants of the project at `root`, by name.
///
/// # Errors
/// A name that is reserved, or has other characters than a folder of the record may have; two names that differ only in
/// case, which some file systems do not tell apart.
pub fn all(root: &Path) -> Result<Vec<Variant>> {
    let folder = root.join(FOLDER);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut variants: Vec<Variant> = Vec::new();
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(name) = file.strip_suffix(".nix") else {
            continue;
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if name.is_empty() || !name.chars().all(plain) || name.eq_ignore_ascii_case(ALL) {
            return Err(usage(format!(
                "{FOLDER}/{file}: a variant's name has letters, digits and hyphens only, and is not {ALL:?}: rename the file"
            )));
        }
        variants.push(Variant {
            name: name.to_string(),
            path: path.clone(),
        });
    }
    variants.sort_by_key(|variant| variant.name.to_lowercase());
    for pair in variants.windows(2) {
        if pair[0].name.eq_ignore_ascii_case(&pair[1].name) {
            return Err(usage(format!(
                "{FOLDER} has {}.nix and {}.nix, which differ only in case: rename one",
                pair[0].name, pair[1].name
            )));
        }
    }
    Ok(variants)
}

/// The variant called `name`, or every one for [`ALL`].
///
/// # Errors
/// As [`all`]; there is no such variant; the message names one that is close to it.
pub fn chosen(root: &Path, name: &str) -> Result<Vec<Variant>> {
    let all = all(root)?;
    if name == ALL {
        if all.is_empty() {
            return Err(usage(format!("there are no variants in {FOLDER}")));
        }
        return Ok(all);
    }
    match all.iter().find(|variant| variant.name == name) {
        Some(variant) => Ok(vec![variant.clone()]),
        None => Err(unknown(
            "variant",
            name,
            all.iter().map(|variant| variant.name.as_str()),
            &format!("{FOLDER} has them"),
        )),
    }
}

/// The variant of an option that takes one; `None` if it is not given.
///
/// # Errors
/// As [`chosen`], or [`ALL`].
pub fn one(root: &Path, name: Option<&str>) -> Result<Option<Variant>> {
    let Some(name) = name else { return Ok(None) };
    match chosen(root, name)?.as_slice() {
        [one] if name != ALL => Ok(Some(one.clone())),
        _ => Err(usage("--variant all: give the name of one variant")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join(FOLDER)).unwrap();
        for file in files {
            fs::write(root.path().join(FOLDER).join(file), "{}").unwrap();
        }
        root
    }

    fn names(variants: &[Variant]) -> Vec<&str> {
        variants
            .iter()
            .map(|variant| variant.name.as_str())
            .collect()
    }

    #[test]
    fn variants_are_the_nix_files_of_the_folder() {
        let root = project(&["b.nix", "a.nix", "README.md"]);
        assert_eq!(names(&all(root.path()).unwrap()), ["a", "b"]);
        assert_eq!(names(&chosen(root.path(), "b").unwrap()), ["b"]);
        assert_eq!(names(&chosen(root.path(), ALL).unwrap()), ["a", "b"]);
        assert!(all(Path::new("/no/such/project")).unwrap().is_empty());
    }

    #[test]
    fn a_near_miss_is_answered_with_the_right_name() {
        let root = project(&["no-drive.nix"]);
        let refused = |name: &str| chosen(root.path(), name).unwrap_err().to_string();
        assert_eq!(
            refused("nodrive"),
            r#"there is no variant "nodrive"; did you mean "no-drive"? (tests/variants has them)"#
        );
        assert_eq!(
            refused("zebra"),
            r#"there is no variant "zebra": tests/variants has them"#
        );
        let refused = chosen(project(&[]).path(), ALL).unwrap_err().to_string();
        assert_eq!(refused, "there are no variants in tests/variants");
    }

    #[test]
    fn ambiguous_and_reserved_names_are_refused() {
        let refused = |files: &[&str]| all(project(files).path()).unwrap_err().to_string();
        assert_eq!(
            refused(&["Drive.nix", "drive.nix", "z.nix"])
                .replace("Drive.nix and drive", "drive.nix and Drive"),
            "tests/variants has drive.nix and Drive.nix, which differ only in case: rename one"
        );
        assert!(refused(&["all.nix"]).contains("rename the file"));
        assert!(refused(&["my drive.nix"]).contains("letters, digits and hyphens only"));
    }

    #[test]
    fn a_path_is_quoted_for_nix() {
        let variant = Variant {
            name: "a".to_string(),
            path: PathBuf::from("/my \"${x}\"/a.nix"),
        };
        assert_eq!(
            variant.module(),
            r#"imports = [ (/. + "/my \"\${x}\"/a.nix") ];"#
        );
    }
}
