//! `completions`: scripts with which shells complete the command line.

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::cli::{Cli, CompletedShell, Completions};
use crate::exit::Exit;

/// The name of the program.
const PROGRAM: &str = "xtask";

pub fn run(options: &Completions) -> Result<Exit> {
    outln!("{}", script(options.shell)?);
    Ok(Exit::Ok)
}

/// The shell's script for `xtask`, with a wrapper for `cargo xtask`.
fn script(shell: CompletedShell) -> Result<String> {
    let (shell, through_cargo) = match shell {
        CompletedShell::Bash => (Shell::Bash, include_str!("completions/cargo.bash")),
        CompletedShell::Zsh => (Shell::Zsh, include_str!("completions/cargo.zsh")),
        CompletedShell::Fish => (Shell::Fish, include_str!("completions/cargo.fish")),
    };
    let mut script = Vec::new();
    let mut command = Cli::command().bin_name(PROGRAM);
    generate(shell, &mut command, PROGRAM, &mut script);
    Ok(String::from_utf8(script)? + through_cargo.trim_end())
}

#[cfg(test)]
mod tests {
    use super::CompletedShell::{Bash, Fish, Zsh};
    use super::*;

    #[test]
    fn each_shell_completes_both_names() {
        for (shell, own, through_cargo) in [
            (Bash, "complete -F _xtask", "complete -F _cargo_or_xtask"),
            (Zsh, "#compdef xtask", "_cargo-xtask()"),
            (Fish, "complete -c xtask", "complete --command cargo"),
        ] {
            let script = script(shell).unwrap();
            assert!(script.contains("repeat"), "{shell:?}");
            assert!(script.contains(own), "{shell:?}: {own}");
            assert!(script.contains(through_cargo), "{shell:?}: {through_cargo}");
        }
    }
}
