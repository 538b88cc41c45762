//! The exit codes of `cargo xtask`. This enum is their only definition; `--help` prints [`Exit::HELP`].

use stick::flash::image::DamagedImage;
use vm::process::Interrupted;

use crate::error::{Broken, InterruptedWith};

/// How a subcommand ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for was done, and every promise that was checked holds.
    Ok = 0,
    /// A promise is broken: the appliance is wrong. Also: a mutant survived; a download, or a stick when it is read back, is
    /// not what was released, in `verify` as in `flash`; a machine undid its `update`.
    PromiseBroken = 1,
    /// The run could not be done, or not all of it: bad arguments, a missing program, a full disk.
    NotRun = 2,
    /// A check of the project itself failed: format, lints, tests, stale generated files, a stale record, a mutant that
    /// does not evaluate.
    CheckFailed = 3,
    /// Ctrl-C, SIGTERM or SIGHUP (128 + SIGINT, as shells report it).
    Interrupted = 130,
}

impl Exit {
    /// What the long help prints.
    pub const HELP: &str = "\
Exit status:
  0    done; every promise that was checked holds
  1    a promise is broken, a mutant survived, an update was undone, or a download or a written stick failed verification
  2    the run could not be done, or not all of it
  3    one of the project's own checks failed: format, lints, tests, generated files, the record
  130  interrupted
";

    /// The exit code for `error`.
    pub fn of(error: &anyhow::Error) -> Exit {
        if error.is::<Interrupted>() || error.is::<InterruptedWith>() {
            Exit::Interrupted
        } else if error.is::<Broken>() || error.is::<DamagedImage>() {
            Exit::PromiseBroken
        } else {
            Exit::NotRun
        }
    }
}

/// A subcommand without a result of its own ended well.
impl From<()> for Exit {
    fn from((): ()) -> Self {
        Exit::Ok
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        std::process::ExitCode::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::usage;

    #[test]
    fn the_type_of_an_error_decides_the_exit_code() {
        let interrupted = || anyhow::Error::new(Interrupted);
        assert_eq!(Exit::of(&Broken.into()), Exit::PromiseBroken);
        let damaged = DamagedImage("image.raw is cut off".to_string());
        assert_eq!(Exit::of(&damaged.into()), Exit::PromiseBroken);
        assert_eq!(Exit::of(&usage("no QEMU: run setup")), Exit::NotRun);
        assert_eq!(Exit::of(&anyhow::anyhow!("interrupted")), Exit::NotRun);
        assert_eq!(Exit::of(&interrupted()), Exit::Interrupted);
        let half_written = InterruptedWith("the stick is not usable".to_string());
        assert_eq!(Exit::of(&half_written.into()), Exit::Interrupted);
        assert_eq!(
            Exit::of(&interrupted().context("making the stand-in guest")),
            Exit::Interrupted
        );
    }

    #[test]
    fn the_help_names_every_code() {
        for exit in [
            Exit::Ok,
            Exit::PromiseBroken,
            Exit::NotRun,
            Exit::CheckFailed,
            Exit::Interrupted,
        ] {
            let code = format!("\n  {:<4} ", exit as u8);
            assert!(Exit::HELP.contains(&code), "{exit:?}");
        }
    }
}
