//! `completions`: scripts with which shells complete the command line.

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::cli::{Cli, Completions};
use crate::error::usage;
use crate::exit::Exit;

/// The name of the program.
const PROGRAM: &str = "xtask";

pub fn run(options: &Completions) -> Result<Exit> {
    outln!("{}", script(options.shell)?);
    Ok(Exit::Ok)
}

/// The shell's script for `xtask`, with a wrapper for `cargo xtask`.
fn script(shell: Shell) -> Result<String> {
    let through_cargo = match shell {
        Shell::Bash => include_str!("completions/cargo.bash"),
        Shell::Zsh => include_str!("completions/cargo.zsh"),
        Shell::Fish => include_str!("completions/cargo.fish"),
        other => {
            return Err(usage(format!(
                "no completions for {other}: choose bash, zsh or fish"
            )));
        }
    };
    let mut script = Vec::new();
    let mut command = Cli::command().bin_name(PROGRAM);
    generate(shell, &mut command, PROGRAM, &mut script);
    Ok(String::from_utf8(script)? + through_cargo.trim_end())
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
            assert!(script.contains("repeat"), "{shell}");
            assert!(script.contains(own), "{shell}: {own}");
            assert!(script.contains(through_cargo), "{shell}: {through_cargo}");
        }
        assert!(
            script(Shell::Elvish)
                .unwrap_err()
                .is::<crate::error::Usage>()
        );
    }
}
