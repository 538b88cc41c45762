//! `cargo xtask`: parse, dispatch, and say on one line what went wrong.

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use vm::process;
use xtask::cli::Cli;
use xtask::{cmd, error, tell_aside};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refused) => {
            let shown = matches!(
                refused.kind(),
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
            );
            if shown || refused.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
                let _ = refused.print();
                return if shown {
                    ExitCode::SUCCESS
                } else {
                    ExitCode::from(2)
                };
            }
            tell_aside!("{}", one_line(&refused.to_string()));
            return ExitCode::from(2);
        }
    };
    let result = process::catch_interrupts(|| ()).and_then(|()| cmd::run(cli.command));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // What broke a promise is in the report already.
            if !error.is::<error::Broken>() {
                tell_aside!("error: {}", error::one_line(&error));
            }
            ExitCode::from(error::exit_code(&error))
        }
    }
}

/// clap's message without its usage text: what was wrong, and its tip.
fn one_line(message: &str) -> String {
    message
        .lines()
        .take_while(|line| !line.starts_with("Usage:"))
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
        + "; see --help"
}
