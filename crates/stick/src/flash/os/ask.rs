//! Running the operating system's program that describes a disk.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::command;
use crate::monitor::Monitor;

const DEADLINE: Duration = Duration::from_secs(30);

/// The output of `program ARGUMENTS PATH`.
pub fn ask_program(
    program: &str,
    arguments: &[&str],
    path: &Path,
    monitor: &dyn Monitor,
) -> Result<String> {
    let mut command = command::command(program);
    command.args(arguments).arg(path);
    let what = format!("asking {program} about {}", path.display());
    command::run(command, &what, DEADLINE, monitor)
}
