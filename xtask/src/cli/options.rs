//! The options of each subcommand.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use super::values::{CompletedShell, GuestChoice, Measure, count};

/// Which nixpkgs the flake is evaluated with.
#[derive(Debug, Clone, Default, Args)]
pub struct Nixpkgs {
    /// Use this flake reference in place of the nixpkgs in flake.lock
    #[arg(long, value_name = "FLAKEREF", env = "OLLAMALIVE_NIXPKGS")]
    pub nixpkgs: Option<String>,
}

#[derive(Debug, Clone, Default, Args)]
pub struct Consent {
    /// Install missing packages without asking
    #[arg(long)]
    pub yes: bool,
}

/// The server that the machines run.
#[derive(Debug, Clone, Default, Args)]
pub struct Ollama {
    /// Serve with this real Ollama
    ///
    /// FILE is an archive of `docker save`; DIR holds bin/ollama and lib/ollama; pull has Docker on this machine pull the
    /// configured image. Without it a stub serves, and promises about answers are skipped.
    #[arg(long, value_name = "FILE|DIR|pull", env = "OLLAMALIVE_OLLAMA")]
    pub ollama: Option<String>,
}

#[derive(Debug, Clone, Default, Args)]
pub struct Test {
    /// Only these scenarios (see --list)
    #[arg(value_name = "SCENARIO")]
    pub scenarios: Vec<String>,
    /// The guest to boot
    #[arg(long, value_enum, default_value_t)]
    pub guest: GuestChoice,
    #[command(flatten)]
    pub nixpkgs: Nixpkgs,
    #[command(flatten)]
    pub ollama: Ollama,
    /// Run the fault scenarios as well
    ///
    /// They inject failing drives, a late network, a wrong clock, and a container that is killed.
    #[arg(long)]
    pub fault: bool,
    /// Make the stand-in guest from this record of the configuration
    #[arg(long, value_name = "DIR")]
    pub snapshots: Option<PathBuf>,
    /// Test this other configuration (a file in tests/variants), or all of them
    ///
    /// With all, each report file has the variant's name before its extension.
    #[arg(long, value_name = "NAME|all", conflicts_with_all = ["snapshots", "rerun", "image"])]
    pub variant: Option<String>,
    /// Print the promises and exit
    #[arg(long)]
    pub list: bool,
    /// Write the report as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the report as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Write the report as one HTML page, with screenshots of machines that broke a promise
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Run only the scenarios that failed last
    #[arg(long, conflicts_with = "scenarios")]
    pub rerun: bool,
    /// Run everything N times, to find flaky promises
    ///
    /// A promise that passes in some runs only is reported as flaky, and counts as failed.
    #[arg(long, alias = "multiply", value_name = "N", value_parser = count)]
    pub repeat: Option<NonZeroUsize>,
    /// Number of machines at the same time [default: as many as the cores keep busy]
    #[arg(long, value_name = "N", value_parser = count)]
    pub jobs: Option<NonZeroUsize>,
    /// Listen to what a machine sends for this long [default: 2]
    ///
    /// For ollama.keeps-to-itself, from power on. What a machine sends seldom needs longer.
    #[arg(long, value_name = "MINUTES", value_parser = count)]
    pub listen: Option<NonZeroUsize>,
    /// Keep disks and logs, and print their folder
    #[arg(long)]
    pub keep: bool,
    /// Open a shell in the machine if a promise is broken
    ///
    /// Without a terminal, leave the machine running until Ctrl-C and print how to reach it.
    #[arg(long)]
    pub debug: bool,
    /// Boot this image, held to --contract: used by the checks of the flake
    #[arg(
        long,
        value_name = "FILE",
        hide = true,
        requires = "contract",
        conflicts_with = "snapshots"
    )]
    pub image: Option<PathBuf>,
    /// The configuration of --image, as tests/contract.nix gives it
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
    /// The guest to boot
    #[arg(long, value_enum, default_value_t = GuestChoice::Standin)]
    pub guest: GuestChoice,
    #[command(flatten)]
    pub nixpkgs: Nixpkgs,
    #[command(flatten)]
    pub ollama: Ollama,
    /// The owner's configuration that is broken: a file of tests/variants, without .nix [default: configuration.nix]
    #[arg(long, value_name = "NAME", conflicts_with = "list")]
    pub variant: Option<String>,
    /// Print the mutants and exit
    #[arg(long)]
    pub list: bool,
    /// Check only the promises that have to catch a mutant, not all of its machine
    #[arg(long)]
    pub quick: bool,
    /// Give every mutant a machine of its own
    ///
    /// By default, mutants that can be told apart by their symptoms share a machine.
    #[arg(long)]
    pub alone: bool,
    /// Number of machines at the same time [default: two more than the cores keep busy]
    #[arg(long, value_name = "N", value_parser = count)]
    pub jobs: Option<NonZeroUsize>,
    /// Write the kill table as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the kill table as one HTML page
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Debug, Clone, Default, Args)]
pub struct Bench {
    /// Only these measurements [default: all]
    #[arg(value_name = "WHAT")]
    pub what: Vec<Measure>,
    /// Number of runs of each [default: 5 to 100, by kind]
    #[arg(long, value_name = "N", value_parser = count)]
    pub runs: Option<NonZeroUsize>,
    /// The guest to boot
    #[arg(long, value_enum, default_value_t = GuestChoice::Standin)]
    pub guest: GuestChoice,
    #[command(flatten)]
    pub nixpkgs: Nixpkgs,
    #[command(flatten)]
    pub ollama: Ollama,
    /// The owner's configuration that is measured: a file of tests/variants, without .nix [default: configuration.nix]
    #[arg(long, value_name = "NAME")]
    pub variant: Option<String>,
    /// Write the figures as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Debug, Clone, Default, Args)]
pub struct Check {
    /// Evaluate only; do not build the flake's checks
    #[arg(long)]
    pub no_build: bool,
    /// Evaluate the NixOS configuration of every mutant, and nothing else
    ///
    /// Names each mutant that does not evaluate.
    #[arg(long, conflicts_with = "no_build")]
    pub mutants: bool,
    #[command(flatten)]
    pub nixpkgs: Nixpkgs,
}

#[derive(Debug, Clone, Args)]
pub struct Snapshot {
    /// Record the current configuration and the digests of its sources
    #[arg(long)]
    pub accept: bool,
    #[command(flatten)]
    pub nixpkgs: Nixpkgs,
}

#[derive(Debug, Clone, Args)]
pub struct Codegen {
    /// Write nothing; exit with 3 if a file is stale
    #[arg(long)]
    pub check: bool,
}

#[derive(Debug, Clone, Args)]
pub struct Flash {
    /// The image: raw, or compressed with zstd
    pub image: PathBuf,
    /// The stick's device, such as /dev/sdb, or a file
    pub device: PathBuf,
    /// Authorize this SSH public key
    #[arg(long = "authorized-key", value_name = "FILE")]
    pub authorized_keys: Vec<PathBuf>,
    /// Add this NetworkManager connection (NAME.nmconnection)
    #[arg(long = "network", value_name = "FILE")]
    pub networks: Vec<PathBuf>,
    /// Give up the PERSIST on the stick: all that it holds is lost
    #[arg(long)]
    pub discard_persist: bool,
    /// Dry run: check everything, write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write without asking
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Clone, Args)]
pub struct Update {
    /// The machine, as ssh knows it: [user@]host, or a name in ~/.ssh/config
    pub host: String,
    /// The new system: a release's folder, a raw image, or a folder with one [default: built by Nix]
    #[arg(long, value_name = "PATH")]
    pub image: Option<PathBuf>,
    /// The SSH port [default: that of ~/.ssh/config, or 22]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Install a version that was built for another configuration without asking
    #[arg(long)]
    pub yes: bool,
    /// Restart even if a model is loaded
    #[arg(long)]
    pub force: bool,
    /// Do not restart: the new version starts at the machine's next restart
    #[arg(long, conflicts_with = "force")]
    pub no_restart: bool,
}

#[derive(Debug, Clone, Args)]
pub struct Vm {
    /// The guest to boot
    #[arg(long, value_enum, default_value_t)]
    pub guest: GuestChoice,
    #[command(flatten)]
    pub nixpkgs: Nixpkgs,
    #[command(flatten)]
    pub ollama: Ollama,
}

#[derive(Debug, Clone, Args)]
pub struct Doctor {
    #[command(flatten)]
    pub nixpkgs: Nixpkgs,
    #[command(flatten)]
    pub ollama: Ollama,
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
    #[command(flatten)]
    pub ollama: Ollama,
}

#[derive(Debug, Clone, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: CompletedShell,
}

#[derive(Debug, Clone, Default, Args)]
pub struct Release {
    /// The version, such as 1.2.0 or build-7
    ///
    /// The default in a workflow is build- and the number of its run; elsewhere it is named after the commit and cannot be
    /// published.
    #[arg(long, value_name = "V")]
    pub version: Option<String>,
    /// Dry run: make everything, publish nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The folder for the files [default: target/distrib/VERSION]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Release this image in place of those that Nix builds
    ///
    /// NAME is raw for the stick's image, iso for the ISO, or any other word.
    #[arg(long, value_name = "NAME=FILE")]
    pub image: Vec<String>,
    /// Compression level of zstd
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(i32).range(1..=19))]
    pub level: i32,
    /// Sign SHA256SUMS with this OpenPGP key, into SHA256SUMS.gpg
    ///
    /// KEYID names a secret key in gpg's keyring, by ID, fingerprint or address; FILE is an exported secret key. Without this
    /// option, the environment variable OLLAMALIVE_SIGNING_KEY may hold an exported secret key. A signature that an earlier run
    /// made stays.
    #[arg(long, value_name = "KEYID|FILE")]
    pub sign: Option<String>,
    /// Tag the commit and publish on GitHub with gh
    #[arg(long)]
    pub publish: bool,
    /// Use this report of a test run of the commit (`test --json`) in place of a new run
    #[arg(long, value_name = "FILE")]
    pub report: Vec<PathBuf>,
    #[command(flatten)]
    pub ollama: Ollama,
    #[command(flatten)]
    pub consent: Consent,
}

#[derive(Debug, Clone, Args)]
pub struct Verify {
    /// The release's folder, one of its files, or a joined or decompressed image beside them
    #[arg(value_name = "DIR|FILE")]
    pub path: PathBuf,
    /// Require a signature by this OpenPGP public key
    ///
    /// FILE is an exported public key. Without this option, a signature is checked with release-key.asc in the project's
    /// folder, if there is one, and a release without a signature is accepted.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
}
