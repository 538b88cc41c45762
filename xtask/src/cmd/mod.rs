//! The subcommands, one module each.

pub mod bench;
pub mod check;
pub mod ci;
pub mod codegen;
pub mod completions;
pub mod doctor;
pub mod flash;
pub mod mutants;
pub mod nixos_release;
pub mod ollama_release;
mod pass_progress;
pub mod release;
pub mod setup;
pub mod snapshot;
pub mod test;
pub mod update;
pub mod verify;
pub mod vm;

use anyhow::Result;

use crate::cli::Command;
use crate::exit::Exit;

/// Runs the subcommand that the command line names.
///
/// # Errors
/// The run could not be done; [`Exit::of`] has the exit code.
pub fn run(command: Command) -> Result<Exit> {
    match command {
        Command::Test(options) => test::run(&options),
        Command::Mutants(options) => mutants::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Snapshot(options) => snapshot::run(&options),
        Command::Codegen(options) => codegen::run(&options),
        Command::NixosRelease => nixos_release::run(),
        Command::OllamaRelease => ollama_release::run(),
        Command::Flash(options) => flash::run(&options),
        Command::Update(options) => update::run(&options),
        Command::Vm(options) => vm::run(&options).map(Exit::from),
        Command::Doctor(options) => doctor::run(&options),
        Command::Setup(options) => setup::run(&options),
        Command::Ci(options) => ci::run(&options),
        Command::Completions(options) => completions::run(&options),
        Command::Release(options) => release::run(&options).map(Exit::from),
        Command::Verify(options) => verify::run(&options),
    }
}
