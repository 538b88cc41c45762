//! The command line. The doc comments are its help: the first paragraph is the short help (`-h`), all of it the long
//! help (`--help`).

mod options;
mod values;

pub use options::*;
pub use values::{CompletedShell, GuestChoice, Measure};

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::exit::Exit;
use crate::{help, output};

/// Builds, tests and releases the OllamaLive appliance
///
/// Start with `cargo xtask doctor`, which shows what this machine can run, and `cargo xtask test --yes`, which boots the
/// appliance in a virtual machine and checks its promises.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    max_term_width = 110,
    after_long_help = format!("{}\n{}", help::CARGO_XTASK, Exit::HELP)
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Boot the appliance and check its promises
    ///
    /// Each scenario boots the appliance in QEMU and checks the promises of one concern. The guest is the NixOS image
    /// itself or, where Nix cannot build it, a stand-in: Debian, configured from the recorded configuration.
    #[command(after_long_help = help::TEST)]
    Test(Test),
    /// Break the configuration on purpose and check that a promise catches it
    ///
    /// Each mutant has one defect, and names the promise that has to catch it. A mutant that survives shows a check that
    /// checks nothing.
    #[command(after_long_help = help::MUTANTS)]
    Mutants(Mutants),
    /// Measure the speed of the harness and how reliably the machine recovers
    #[command(after_long_help = help::BENCH)]
    Bench(Bench),
    /// Evaluate the flake and compare the configuration with its record
    ///
    /// Exits with 3 if the configuration differs from its record, or if a mutant does not evaluate.
    #[command(after_long_help = help::CHECK)]
    Check(Check),
    /// Show how the configuration differs from its record, or update the record
    ///
    /// The record in tests/snapshots is the evaluated configuration, which the stand-in guest is made from. Exits with 3
    /// if there are differences.
    #[command(after_long_help = help::SNAPSHOT)]
    Snapshot(Snapshot),
    /// Write the generated files: README, docs/options.md, docs/owner.md, tests/scenarios.nix
    ///
    /// The README's table of promises and tests/scenarios.nix come from the code; docs/options.md and the table of causes in
    /// docs/owner.md come from the recorded configuration.
    #[command(after_long_help = help::CODEGEN)]
    Codegen(Codegen),
    /// Follow the newest stable release of NixOS
    ///
    /// Changes flake.nix and .github/nixos-releases.json if NixOS has branched a newer release; flake.lock and the record
    /// are still to be updated. In a workflow, the output `release` names the new branch.
    #[command(after_long_help = help::NIXOS_RELEASE)]
    NixosRelease,
    /// Pin the newest release of Ollama
    ///
    /// Changes modules/ollama.nix and docs/owner.md if the registry has a newer release than the pinned one; candidates do not
    /// count. The record is still to be updated. In a workflow, the outputs `version` and `changelog` name the release and the
    /// page with its changes.
    #[command(after_long_help = help::OLLAMA_RELEASE)]
    OllamaRelease,
    /// Write an image to a USB stick and keep its PERSIST partition
    ///
    /// Writing to a device needs root, and `sudo` often does not find cargo: run `cargo build --package xtask`, then
    /// `sudo target/debug/xtask flash`. Before anything is written, the whole image is read and compared with SHA256SUMS and
    /// IMAGE.sha256 beside it. Exits with 1 if the image is damaged or differs from a checksum, or if the stick differs from the
    /// image when it is read back; with 2 if anything else prevents it.
    #[command(after_long_help = help::FLASH)]
    Flash(Flash),
    /// Send a new version of the system to a running machine over SSH
    ///
    /// The machine installs it beside the running version, restarts, and goes back automatically if the new one does not work.
    /// Nothing changes on the machine until all data has arrived and its checksums match. Exits with 0 if the new version
    /// runs and is healthy, with 1 if the machine went back, and with 2 if anything else prevents it.
    #[command(after_long_help = help::UPDATE)]
    Update(Update),
    /// Boot the appliance in a virtual machine until Ctrl-C
    #[command(after_long_help = help::VM)]
    Vm(Vm),
    /// Show what this machine can run, missing packages, and the cache
    ///
    /// Names the guest that `--guest auto` picks here, and why. If Nix is installed, the configuration is evaluated for that,
    /// which can take minutes.
    #[command(after_long_help = help::DOCTOR)]
    Doctor(Doctor),
    /// Install the packages that the tests need (apt-get)
    #[command(after_long_help = help::SETUP)]
    Setup(Consent),
    /// Run everything that a change has to pass
    ///
    /// Format, lints, linters for shell, Nix, dependencies and workflows, unit tests, the flake, and the promises on both
    /// guests. A step whose tool is not installed is skipped, with the reason. Exits with 1 if a promise is broken, else
    /// with 3 if one of the project's own checks failed.
    #[command(after_long_help = help::CI)]
    Ci(Ci),
    /// Print a completion script for bash, zsh or fish
    #[command(after_long_help = help::COMPLETIONS)]
    Completions(Completions),
    /// Make a release: images, checksums, manifest and notes, and a signature if there is a key
    #[command(after_long_help = help::RELEASE)]
    Release(Release),
    /// Verify a downloaded release, or one of its files
    ///
    /// Exits with 1 if a file is missing, damaged, or differs from its checksum, as `flash` does, or if the signature of the
    /// checksums is not good; with 2 if there is nothing to verify it with.
    #[command(after_long_help = help::VERIFY)]
    Verify(Verify),
}

/// Prints the help that was asked for, or what is wrong with the command line, on one line.
pub fn explain(refused: &clap::Error) -> Exit {
    match refused.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            output::remember(refused.print(), "standard output");
            Exit::Ok
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            output::remember(refused.print(), "standard error");
            Exit::NotRun
        }
        _ => {
            errln!("{}", one_line(&refused.to_string()));
            Exit::NotRun
        }
    }
}

/// clap's message without its usage text.
fn one_line(message: &str) -> String {
    message
        .lines()
        .take_while(|line| !line.starts_with("Usage:"))
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("For more information"))
        .collect::<Vec<_>>()
        .join("; ")
        .replace(":; ", ": ")
        + "; see --help"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_one_line_that_names_help_once() {
        let refused = Cli::try_parse_from(["xtask", "flash"]).unwrap_err();
        assert_eq!(
            one_line(&refused.to_string()),
            "error: the following required arguments were not provided: <IMAGE>; <DEVICE>; see --help"
        );
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
