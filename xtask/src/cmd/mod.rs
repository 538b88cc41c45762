//! One file a verb.

pub mod bench;
pub mod check;
pub mod ci;
pub mod completions;
pub mod doctor;
pub mod flash;
pub mod mutants;
pub mod release;
pub mod setup;
pub mod snapshot;
pub mod test;
pub mod verify;
pub mod vm;

use anyhow::Result;

use crate::cli::Command;

/// Runs what the command line asks for.
pub fn run(command: Command) -> Result<()> {
    match command {
        Command::Test(options) => test::run(&options),
        Command::Mutants(options) => mutants::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Snapshot(options) => snapshot::run(&options),
        Command::Flash(options) => flash::run(&options),
        Command::Vm(options) => vm::run(&options),
        Command::Doctor(options) => doctor::run(&options),
        Command::Setup(options) => setup::run(&options),
        Command::Ci(options) => ci::run(&options),
        Command::Completions(options) => completions::completions(&options),
        Command::Man(options) => completions::man(&options),
        Command::Release(options) => release::run(&options),
        Command::Verify(options) => verify::run(&options),
    }
}
