//! `codegen`: writes the files that are generated from the code and from the record of the configuration.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::causes::Causes;
use crate::cli::Codegen;
use crate::error::usage;
use crate::exit::Exit;
use crate::scenario::{PROMISES, SCENARIOS, promises_of};
use crate::{options, project, snapshot};

/// What writes the files.
const COMMAND: &str = "cargo xtask codegen";

/// A file that is generated, or has a generated part.
struct Generated {
    /// From the project's top folder.
    path: &'static str,
    /// The whole text that the file should have.
    text: String,
}

pub fn run(options: &Codegen) -> Result<Exit> {
    let root = project::root()?;
    let stale = stale(&root)?;
    if options.check && !stale.is_empty() {
        errln!("error: stale: {}; run `{COMMAND}`", stale.join(", "));
        return Ok(Exit::CheckFailed);
    }
    if stale.is_empty() {
        outln!("all generated files are up to date");
        return Ok(Exit::Ok);
    }
    for file in generated(&root)? {
        if stale.contains(&file.path) {
            fs::write(root.join(file.path), file.text)
                .map_err(|error| usage(format!("cannot write {}: {error}", file.path)))?;
            outln!("wrote {}", file.path);
        }
    }
    Ok(Exit::Ok)
}

/// The generated files under `root` that do not have the text that they should have.
///
/// # Errors
/// A file or the record cannot be read, or a file has lost its marker.
pub fn stale(root: &Path) -> Result<Vec<&'static str>> {
    let mut stale = Vec::new();
    for file in generated(root)? {
        // A file that is missing is stale.
        if fs::read_to_string(root.join(file.path)).unwrap_or_default() != file.text {
            stale.push(file.path);
        }
    }
    Ok(stale)
}

fn generated(root: &Path) -> Result<Vec<Generated>> {
    let record = snapshot::load_json(&snapshot::folder(root))?;
    let reference = options::markdown(&record)?;
    let causes = format!(
        "| what it says | what to do |\n|---|---|\n{}\n",
        Causes::of(&record)?.rows()
    );
    Ok(vec![
        Generated {
            path: "README.md",
            text: between(
                root,
                "README.md",
                "<!-- promises: generated -->\n",
                &promises(),
                Some("<!-- end of promises -->"),
            )?,
        },
        Generated {
            path: "docs/options.md",
            text: between(
                root,
                "docs/options.md",
                "<!-- options: generated -->\n\n",
                &format!("{}\n", reference.trim_end()),
                None,
            )?,
        },
        Generated {
            path: "docs/owner.md",
            text: between(
                root,
                "docs/owner.md",
                "<!-- causes: generated -->\n\n",
                &causes,
                Some("<!-- end of causes -->"),
            )?,
        },
        Generated {
            path: "tests/scenarios.nix",
            text: scenarios()?,
        },
    ])
}

/// The text of the file `path` with `part` between its markers; without an `end`, up to the end of the file.
fn between(root: &Path, path: &str, begin: &str, part: &str, end: Option<&str>) -> Result<String> {
    let text = fs::read_to_string(root.join(path))
        .map_err(|error| usage(format!("cannot read {path}: {error}")))?;
    let lost = |marker: &str| format!("{path} has lost its marker {:?}", marker.trim_end());
    let (head, rest) = text.split_once(begin).with_context(|| lost(begin))?;
    let tail = match end {
        None => "",
        Some(end) => {
            let at = rest.find(end).with_context(|| lost(end))?;
            &rest[at..]
        }
    };
    Ok(format!("{head}{begin}{part}{tail}"))
}

/// The promises as a table in Markdown.
fn promises() -> String {
    let mut table = String::from("| promise | what is promised |\n|---|---|\n");
    for promise in PROMISES.iter() {
        table.push_str(&format!("| `{}` | {} |\n", promise.id, promise.sentence));
    }
    table
}

/// A Nix function from the maker of a check to one check per scenario.
fn scenarios() -> Result<String> {
    let mut text = format!("# Generated from the list of scenarios: {COMMAND}\ncheck: {{\n");
    for scenario in SCENARIOS {
        for promise in promises_of(&[scenario]) {
            writeln!(text, "  # {}", promise.id)?;
        }
        writeln!(text, "  vm-{0} = check \"{0}\";", scenario.name)?;
    }
    text.push_str("}\n");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_part_between_the_markers_changes() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::write(root.join("x.md"), "a\n<begin>\nold\n<end>\nb\n").unwrap();
        let text = |begin, end| between(root, "x.md", begin, "new\n", end);
        assert_eq!(
            text("<begin>\n", Some("<end>")).unwrap(),
            "a\n<begin>\nnew\n<end>\nb\n"
        );
        assert_eq!(text("<begin>\n", None).unwrap(), "a\n<begin>\nnew\n");
        let error = text("<start>\n", None).unwrap_err().to_string();
        assert_eq!(error, "x.md has lost its marker \"<start>\"");
    }
}
