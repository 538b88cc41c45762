//! `cargo xtask`: parses the command line, runs the subcommand, and turns its result into an exit code.

use std::process::ExitCode;

use clap::Parser;
use vm::process;
use xtask::cli::{self, Cli};
use xtask::error::{self, Broken};
use xtask::exit::Exit;
use xtask::{cmd, errln, output};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refused) => return output::conclude(cli::explain(&refused)).into(),
    };
    let result = process::catch_interrupts().and_then(|()| cmd::run(cli.command));
    let exit = result.unwrap_or_else(|error| {
        if !error.is::<Broken>() {
            errln!("error: {}", error::one_line(&error));
        }
        Exit::of(&error)
    });
    output::conclude(exit).into()
}
