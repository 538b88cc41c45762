//! The command line. The doc comments are its help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Builds, boots and proves the OllamaLive appliance.
///
/// Exit status: 0 all that was promised was checked and holds; 1 a promise is broken; 2 the run could not be done.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    max_term_width = 110
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Boot the appliance and check its promises
    Test(Test),
    /// Break the configuration on purpose and see whether the promises notice
    Mutants(Mutants),
    /// Evaluate the flake and compare the configuration with its record
    Check(Nixpkgs),
    /// Show how the configuration differs from its record, or record it anew
    Snapshot(Snapshot),
    /// Boot the appliance and leave it running until Ctrl-C
    Vm(Vm),
    /// Say what this machine can do, what is missing, and where the cache is
    Doctor(Doctor),
    /// Install what the tests need with the host's package manager
    Setup(Consent),
    /// Run the project's own tests: format, lints, unit tests, both guests
    Ci(Ci),
}

/// Which nixpkgs the flake is evaluated with.
#[derive(Debug, Clone, Default, Args)]
pub struct Nixpkgs {
    /// A flake reference in place of the nixpkgs in flake.lock
    #[arg(long, value_name = "FLAKEREF", env = "OLLAMALIVE_NIXPKGS")]
    pub nixpkgs: Option<String>,
}

#[derive(Debug, Clone, Default, Args)]
pub struct Consent {
    /// Install what is missing without asking
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum GuestChoice {
    /// nixos where Nix can realise the image, else standin
    #[default]
    Auto,
    /// Debian, configured from the recorded configuration
    Standin,
    /// The image that users flash
    Nixos,
}

#[derive(Debug, Clone, Default, Args)]
pub struct Test {
    /// Only these scenarios (see --list)
    #[arg(value_name = "SCENARIO")]
    pub scenarios: Vec<String>,
    /// What to boot
    #[arg(long, value_enum, default_value_t)]
    pub guest: GuestChoice,
    #[command(flatten)]
    pub nixpkgs: Nixpkgs,
    /// Another record of the configuration, for the stand-in guest
    #[arg(long, value_name = "DIR")]
    pub snapshots: Option<PathBuf>,
    /// Print the promises and do nothing else
    #[arg(long)]
    pub list: bool,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the report as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// How many machines run at the same time; by default as many as the cores keep busy
    #[arg(long, value_name = "N")]
    pub jobs: Option<std::num::NonZeroUsize>,
    /// Keep disks and logs, and print where they are
    #[arg(long)]
    pub keep: bool,
    /// Leave the machine running when a promise is broken, and print how to reach it
    #[arg(long)]
    pub debug: bool,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Debug, Clone, Default, Args)]
pub struct Mutants {
    /// Only these mutants (see --list)
    #[arg(value_name = "MUTANT")]
    pub ids: Vec<String>,
    /// What to boot
    #[arg(long, value_enum, default_value_t = GuestChoice::Standin)]
    pub guest: GuestChoice,
    #[command(flatten)]
    pub nixpkgs: Nixpkgs,
    /// Print the mutants and do nothing else
    #[arg(long)]
    pub list: bool,
    /// Check only the scenario of the promise that is to catch the mutant, and not all that share its machine
    #[arg(long)]
    pub quick: bool,
    /// How many machines run at the same time; by default one for two cores
    #[arg(long, value_name = "N")]
    pub jobs: Option<std::num::NonZeroUsize>,
    /// Write the table of kills as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Debug, Clone, Args)]
pub struct Snapshot {
    /// Record the configuration as it is now, with the digests of its sources
    #[arg(long)]
    pub accept: bool,
    #[command(flatten)]
    pub nixpkgs: Nixpkgs,
}

#[derive(Debug, Clone, Args)]
pub struct Vm {
    /// What to boot
    #[arg(long, value_enum, default_value_t)]
    pub guest: GuestChoice,
    #[command(flatten)]
    pub nixpkgs: Nixpkgs,
}

#[derive(Debug, Clone, Args)]
pub struct Doctor {
    /// Write the findings as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub struct Ci {
    #[command(flatten)]
    pub consent: Consent,
    #[command(flatten)]
    pub nixpkgs: Nixpkgs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
