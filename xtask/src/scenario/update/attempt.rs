//! One run of `ollamalive update`.

use std::time::Duration;

use anyhow::Result;

use crate::scenario::{Context, one_line};

/// The timeout of an update: a download of the whole system, written to a slow stick, under emulation.
pub const DEADLINE: Duration = Duration::from_secs(900);

/// How a run of `ollamalive update` ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    pub status: i32,
    /// Its output, on one line.
    pub said: String,
}

impl Attempt {
    /// The fault if `what`, which should have been installed, was not.
    pub fn fault(&self, what: &str) -> Option<String> {
        let Attempt { status, said } = self;
        (*status != 0).then(|| format!("{what} was not installed: exit {status}: {said}"))
    }
}

/// Runs `ollamalive update` with `arguments`.
///
/// # Errors
/// No shell.
pub fn update(cx: &mut Context, arguments: &str) -> Result<Attempt> {
    let command = format!("ollamalive update {arguments} 2>&1");
    let [output] = cx.exec_within([command.trim()], DEADLINE)?;
    Ok(Attempt {
        status: output.status,
        said: one_line(output.text.trim()),
    })
}
