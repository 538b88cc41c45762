//! One file a verb.

pub mod check;
pub mod ci;
pub mod doctor;
pub mod mutants;
pub mod setup;
pub mod snapshot;
pub mod test;
pub mod vm;

use anyhow::Result;

use crate::cli::Command;

/// Runs what the command line asks for.
pub fn run(command: Command) -> Result<()> {
    match command {
        Command::Test(options) => test::run(&options),
        Command::Mutants(options) => mutants::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Snapshot(options) => snapshot::run(&options),
        Command::Vm(options) => vm::run(&options),
        Command::Doctor(options) => doctor::run(&options),
        Command::Setup(options) => setup::run(&options),
        Command::Ci(options) => ci::run(&options),
    }
}
