//! The releases of NixOS that the project supports: a list that workflows read, and the branch that the flake follows.

use anyhow::{Context, Result};

use crate::error::usage;

/// The supported branches of nixpkgs, as a list in JSON. A workflow may push this file, but no workflow.
pub const LIST: &str = ".github/nixos-releases.json";
/// Names the branch that the flake follows.
pub const FLAKE: &str = "flake.nix";
/// Where the branches are.
pub const NIXPKGS: &str = "https://github.com/NixOS/nixpkgs";
/// How many stable releases are supported at a time.
const STABLE: usize = 2;

/// The two files of the project that a move to another release changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// [`LIST`]
    pub list: String,
    /// [`FLAKE`]
    pub flake: String,
}

/// The year and month of a stable branch such as `nixos-26.05`; none for any other.
fn version(branch: &str) -> Option<(u32, u32)> {
    let (year, month) = branch.strip_prefix("nixos-")?.split_once('.')?;
    let number = |text: &str| (text.len() == 2).then(|| text.parse().ok()).flatten();
    Some((number(year)?, number(month)?))
}

/// The newest stable branch in the output of `git ls-remote --heads`.
///
/// # Errors
/// There is none.
pub fn newest(heads: &str) -> Result<String> {
    heads
        .lines()
        .filter_map(|line| line.split_once("refs/heads/"))
        .map(|(_, branch)| branch.trim())
        .filter(|branch| version(branch).is_some())
        .max_by_key(|branch| version(branch))
        .map(str::to_string)
        .ok_or_else(|| usage(format!("{NIXPKGS} shows no branch like nixos-26.05")))
}

impl Followed {
    /// The files after the move to `branch`; none if the flake follows it, or a newer one, already. Of the stable releases
    /// the newest two stay in the list.
    ///
    /// # Errors
    /// The list or the flake has another form.
    pub fn moved(&self, branch: &str) -> Result<Option<Self>> {
        let now = self.branch()?;
        if version(branch) <= version(now) {
            return Ok(None);
        }
        let mut branches: Vec<String> = serde_json::from_str(&self.list)
            .with_context(|| format!("{LIST} is not a list of branches"))?;
        branches.push(branch.to_string());
        let mut stable: Vec<String> = Vec::new();
        let mut others: Vec<String> = Vec::new();
        for branch in branches {
            let kind = if version(&branch).is_some() {
                &mut stable
            } else {
                &mut others
            };
            if !kind.contains(&branch) {
                kind.push(branch);
            }
        }
        stable.sort_by_key(|branch| version(branch));
        stable.drain(..stable.len().saturating_sub(STABLE));
        stable.extend(others);
        Ok(Some(Followed {
            list: serde_json::to_string_pretty(&stable)? + "\n",
            flake: self.flake.replace(&input(now), &input(branch)),
        }))
    }

    /// The branch that the flake follows.
    ///
    /// # Errors
    /// It follows no stable branch.
    pub fn branch(&self) -> Result<&str> {
        self.flake
            .split_once(&input(""))
            .and_then(|(_, rest)| rest.split('"').next())
            .filter(|branch| version(branch).is_some())
            .with_context(|| format!("{FLAKE} follows no stable branch of nixpkgs"))
    }
}

/// The flake's reference to `branch`, without the quote behind it.
fn input(branch: &str) -> String {
    format!("github:NixOS/nixpkgs/{branch}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn followed() -> Followed {
        Followed {
            list: "[\n  \"nixos-26.05\",\n  \"nixos-unstable\"\n]\n".to_string(),
            flake: "inputs.nixpkgs.url = \"github:NixOS/nixpkgs/nixos-26.05\";\n".to_string(),
        }
    }

    #[test]
    fn the_newest_stable_branch_is_found_among_all() {
        let heads = "a\trefs/heads/nixos-25.11\nb\trefs/heads/nixos-26.11\nc\trefs/heads/nixos-26.05\n\
                     d\trefs/heads/nixos-26.11-small\ne\trefs/heads/nixos-unstable\nf\trefs/heads/nixos-13.10\n";
        assert_eq!(newest(heads).unwrap(), "nixos-26.11");
        assert!(newest("d\trefs/heads/nixos-unstable\n").is_err());
    }

    #[test]
    fn a_move_changes_the_flake_and_keeps_two_stable_releases() {
        let moved = followed().moved("nixos-26.11").unwrap().unwrap();
        assert_eq!(moved.branch().unwrap(), "nixos-26.11");
        assert_eq!(
            moved.list,
            "[\n  \"nixos-26.05\",\n  \"nixos-26.11\",\n  \"nixos-unstable\"\n]\n"
        );
        let again = moved.moved("nixos-27.05").unwrap().unwrap();
        let list: Vec<String> = serde_json::from_str(&again.list).unwrap();
        assert_eq!(list, ["nixos-26.11", "nixos-27.05", "nixos-unstable"]);
    }

    #[test]
    fn nothing_moves_to_the_same_release_or_back() {
        assert_eq!(followed().moved("nixos-26.05").unwrap(), None);
        assert_eq!(followed().moved("nixos-25.11").unwrap(), None);
    }

    #[test]
    fn files_of_another_form_are_refused() {
        let mut other = followed();
        other.list = "{}".to_string();
        assert!(other.moved("nixos-26.11").is_err());
        other = followed();
        other.flake = "inputs.nixpkgs.url = \"github:NixOS/nixpkgs/nixos-unstable\";".to_string();
        assert!(other.moved("nixos-26.11").is_err());
    }
}
