//! `completions` and `man`: what shells and `man` want to know of the command line.

use std::fs;

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::cli::{Cli, Completions, Man};
use crate::error::usage;

/// The name of the program itself.
const PROGRAM: &str = "xtask";

pub fn completions(options: &Completions) -> Result<()> {
    tell!("{}", script(options.shell)?);
    Ok(())
}

/// The shell's script for `xtask`, and what leads `cargo xtask` to it.
fn script(shell: Shell) -> Result<String> {
    let through_cargo = match shell {
        Shell::Bash => include_str!("completions/cargo.bash"),
        Shell::Zsh => include_str!("completions/cargo.zsh"),
        Shell::Fish => include_str!("completions/cargo.fish"),
        other => {
            return Err(usage(format!(
                "there are no completions for {other}: choose bash, zsh or fish"
            )));
        }
    };
    let mut script = Vec::new();
    let mut command = Cli::command().bin_name(PROGRAM);
    generate(shell, &mut command, PROGRAM, &mut script);
    Ok(String::from_utf8(script)? + through_cargo.trim_end())
}

/// Writes one page for the whole and one a verb.
pub fn man(options: &Man) -> Result<()> {
    let folder = &options.folder;
    let cannot = |error| usage(format!("cannot write {}: {error}", folder.display()));
    fs::create_dir_all(folder).map_err(cannot)?;
    // Pages are found by one word: `git log` is in git-log too.
    let command = Cli::command().name("cargo-xtask").bin_name("cargo-xtask");
    clap_mangen::generate_to(command, folder).map_err(cannot)?;
    tell!("the pages are in {}", folder.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_completes_both_names() {
        for (shell, own, through_cargo) in [
            (
                Shell::Bash,
                "complete -F _xtask",
                "complete -F _cargo_or_xtask",
            ),
            (Shell::Zsh, "#compdef xtask", "_cargo-xtask()"),
            (Shell::Fish, "complete -c xtask", "complete --command cargo"),
        ] {
            let script = script(shell).unwrap();
            assert!(script.contains("multiply"), "{shell}");
            assert!(script.contains(own), "{shell}: {own}");
            assert!(script.contains(through_cargo), "{shell}: {through_cargo}");
        }
        assert!(
            script(Shell::Elvish)
                .unwrap_err()
                .is::<crate::error::Usage>()
        );
    }

    #[test]
    fn every_verb_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let options = Man {
            folder: folder.path().to_path_buf(),
        };
        man(&options).unwrap();
        for verb in Cli::command().get_subcommands() {
            let page = folder
                .path()
                .join(format!("cargo-xtask-{}.1", verb.get_name()));
            let text = fs::read_to_string(&page).unwrap();
            assert!(text.contains("Examples:"), "{}", verb.get_name());
        }
    }
}
