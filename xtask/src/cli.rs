//! The command line. The doc comments are its help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::help;

/// Builds, boots and proves the OllamaLive appliance.
///
/// Exit status: 0 all that was promised was checked and holds; 1 a promise is broken; 2 the run could not be done.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    max_term_width = 110,
    after_long_help = help::CARGO_XTASK
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Boot the appliance and check its promises
    #[command(after_long_help = help::TEST)]
    Test(Test),
    /// Break the configuration on purpose and see whether the promises notice
    #[command(after_long_help = help::MUTANTS)]
    Mutants(Mutants),
    /// Measure how fast the harness is, and how often in a row the machine comes back
    #[command(after_long_help = help::BENCH)]
    Bench(Bench),
    /// Evaluate the flake and compare the configuration with its record
    #[command(after_long_help = help::CHECK)]
    Check(Check),
    /// Show how the configuration differs from its record, or record it anew
    #[command(after_long_help = help::SNAPSHOT)]
    Snapshot(Snapshot),
    /// Write an image to a stick; its PERSIST is kept
    #[command(after_long_help = help::FLASH)]
    Flash(Flash),
    /// Boot the appliance and leave it running until Ctrl-C
    #[command(after_long_help = help::VM)]
    Vm(Vm),
    /// Say what this machine can do, what is missing, and where the cache is
    #[command(after_long_help = help::DOCTOR)]
    Doctor(Doctor),
    /// Install what the tests need with the host's package manager
    #[command(after_long_help = help::SETUP)]
    Setup(Consent),
    /// Run the project's own tests: format, lints, unit tests, both guests
    #[command(after_long_help = help::CI)]
    Ci(Ci),
    /// Print what a shell needs to complete `cargo xtask`
    #[command(after_long_help = help::COMPLETIONS)]
    Completions(Completions),
    /// Write this help as manual pages
    #[command(after_long_help = help::MAN)]
    Man(Man),
    /// Make a release: images, checksums, manifest, notes; and publish it
    #[command(after_long_help = help::RELEASE)]
    Release(Release),
    /// Check a release that was downloaded, or one file of it
    #[command(after_long_help = help::VERIFY)]
    Verify(Verify),
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
    /// Try faults as well: drives that fail, a late network, a wrong clock, a container that is killed
    #[arg(long)]
    pub fault: bool,
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
    /// Write the report as a page to read, with the screens of machines that broke a promise
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Run what failed last, and nothing else
    #[arg(long, conflicts_with = "scenarios")]
    pub rerun: bool,
    /// Run everything N times; a promise that passes only sometimes is flaky, and fails
    #[arg(long, value_name = "N")]
    pub multiply: Option<std::num::NonZeroUsize>,
    /// How many machines run at the same time; by default as many as the cores keep busy
    #[arg(long, value_name = "N")]
    pub jobs: Option<std::num::NonZeroUsize>,
    /// Keep disks and logs, and print where they are
    #[arg(long)]
    pub keep: bool,
    /// Open a shell in the machine when a promise is broken; without a terminal, leave it running and print how to reach it
    #[arg(long)]
    pub debug: bool,
    /// A ready image in place of one that Nix builds, held to --contract: what the flake's own checks boot
    #[arg(
        long,
        value_name = "FILE",
        hide = true,
        requires = "contract",
        conflicts_with = "snapshots"
    )]
    pub image: Option<PathBuf>,
    /// The configuration that --image was built from, as tests/contract.nix hands it over
    #[arg(long, value_name = "FILE", hide = true, requires = "image")]
    pub contract: Option<PathBuf>,
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
    /// Check only the promises that are to catch a mutant, and not all that its machine could be asked for
    #[arg(long)]
    pub quick: bool,
    /// Give every mutant a machine of its own; by default those that can be told apart share one
    #[arg(long)]
    pub alone: bool,
    /// How many machines run at the same time; by default two more than the cores keep busy
    #[arg(long, value_name = "N")]
    pub jobs: Option<std::num::NonZeroUsize>,
    /// Write the table of kills as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the table of kills as a page to read
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    #[command(flatten)]
    pub consent: Consent,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Measure {
    /// One question to the machine, there and back
    Assertions,
    /// All ports, from another machine
    Scan,
    /// A saved machine that goes on
    Restore,
    /// Power cuts at random moments: while writing, rebooting, booting for the first time
    PowerCuts,
    /// New images written over a stick in use
    Reflashes,
}

#[derive(Debug, Clone, Default, Args)]
pub struct Bench {
    /// Only these; by default all
    #[arg(value_name = "WHAT")]
    pub what: Vec<Measure>,
    /// How often each; by default as often as its kind needs
    #[arg(long, value_name = "N")]
    pub runs: Option<std::num::NonZeroUsize>,
    /// What to boot
    #[arg(long, value_enum, default_value_t = GuestChoice::Standin)]
    pub guest: GuestChoice,
    #[command(flatten)]
    pub nixpkgs: Nixpkgs,
    /// Write every figure as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Debug, Clone, Default, Args)]
pub struct Check {
    /// Evaluate only: build none of the flake's checks
    #[arg(long)]
    pub no_build: bool,
    #[command(flatten)]
    pub nixpkgs: Nixpkgs,
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
pub struct Flash {
    /// The stick's image: raw, or compressed with zstd
    pub image: PathBuf,
    /// The stick's device, as in /dev/sdb, or a file in its place
    pub device: PathBuf,
    /// Let who has this public SSH key log in
    #[arg(long = "authorized-key", value_name = "FILE")]
    pub authorized_keys: Vec<PathBuf>,
    /// Give the machine this connection of NetworkManager (NAME.nmconnection)
    #[arg(long = "network", value_name = "FILE")]
    pub networks: Vec<PathBuf>,
    /// Do all but write: check the image and the device, and say what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Write without asking
    #[arg(long)]
    pub yes: bool,
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

#[derive(Debug, Clone, Args)]
pub struct Completions {
    /// bash, zsh or fish
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Clone, Args)]
pub struct Man {
    /// Where the pages go; made when it is missing
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

#[derive(Debug, Clone, Default, Args)]
pub struct Release {
    /// 1.2.0 or build-7; in a workflow build- and the number of its run, else an unpublishable one named after the commit
    #[arg(long, value_name = "V")]
    pub version: Option<String>,
    /// Make everything and say what would be published, but publish nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Where the files go; by default target/distrib/VERSION
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// A ready image in place of those that Nix builds; raw is the stick's, iso the ISO, any other word either
    #[arg(long, value_name = "NAME=FILE")]
    pub image: Vec<String>,
    /// zstd's level; threads are as many as cores, if 300 MB hold them
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(i32).range(1..=19))]
    pub level: i32,
    /// Tag the commit and publish on GitHub, with gh
    #[arg(long)]
    pub publish: bool,
    /// The --json of a test run of this commit, in place of a new run
    #[arg(long, value_name = "FILE")]
    pub report: Vec<PathBuf>,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Debug, Clone, Args)]
pub struct Verify {
    /// The release's folder; or one of its files, or a decompressed image, with SHA256SUMS beside it
    #[arg(value_name = "DIR|FILE")]
    pub path: PathBuf,
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
