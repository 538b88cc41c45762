//! Packages that are needed on the host, and their installation with apt-get.

use std::io::{IsTerminal, Write, stdin};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::error::usage;
use vm::process;

const INSTALL: Duration = Duration::from_secs(1200);

/// A Debian or Ubuntu package, and how to see that it is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// A program on the PATH; or an absolute path, as Debian has it, which is looked for only on Debian and its kin.
    pub shows: &'static str,
    pub package: &'static str,
}

/// The need for `package`, which installs `shows`.
pub const fn need(shows: &'static str, package: &'static str) -> Need {
    Need { shows, package }
}

/// Whether `program` is on the PATH or in an `sbin` folder; or, if it is an absolute path, whether it exists.
pub fn has(program: &str) -> bool {
    if program.starts_with('/') {
        return Path::new(program).exists();
    }
    which::which(program).is_ok()
        || ["/usr/sbin", "/sbin"]
            .iter()
            .any(|folder| Path::new(folder).join(program).exists())
}

/// The packages of `needs` that are not installed.
pub fn missing(needs: &[Need]) -> Vec<&'static str> {
    let debian = has("apt-get");
    needs
        .iter()
        .filter(|need| debian || !need.shows.starts_with('/'))
        .filter(|need| !has(need.shows))
        .map(|need| need.package)
        .collect()
}

/// The shell command that installs `packages`.
pub fn command(packages: &[&str]) -> String {
    let sudo = if nix::unistd::geteuid().is_root() {
        ""
    } else {
        "sudo "
    };
    format!(
        "{sudo}apt-get update && {sudo}apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    )
}

/// Installs the missing packages of `needs`: at once with `yes`, else after a question on the terminal.
///
/// # Errors
/// Without `yes` and a terminal, or if the answer is no: the message names the command to run. Also if there is no
/// apt-get, or if it fails.
pub fn ensure(yes: bool, needs: &[Need]) -> Result<()> {
    let packages = missing(needs);
    if packages.is_empty() {
        return Ok(());
    }
    if !has("apt-get") {
        return Err(usage(format!(
            "missing packages: {}; there is no apt-get here: install them by hand, or work in `nix develop`",
            packages.join(", ")
        )));
    }
    let command = command(&packages);
    if !yes {
        if !stdin().is_terminal() {
            return Err(usage(format!(
                "missing packages: {}; run `{command}`, or add --yes",
                packages.join(", ")
            )));
        }
        eprint!(
            "{} must be installed. Install with\n  {command}\n[y/N] ",
            packages.join(", ")
        );
        std::io::stderr().flush()?;
        let mut answer = String::new();
        stdin().read_line(&mut answer)?;
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            return Err(usage(format!(
                "nothing was installed; run `{command}` and try again"
            )));
        }
    }
    errln!("installing {}: {command}", packages.join(", "));
    install(&packages)?;
    let left = missing(needs);
    if left.is_empty() {
        Ok(())
    } else {
        Err(usage(format!(
            "still missing after the installation: {}",
            left.join(", ")
        )))
    }
}

fn apt(arguments: &[&str]) -> Command {
    let mut command = if nix::unistd::geteuid().is_root() {
        process::command("apt-get")
    } else {
        let mut sudo = process::command("sudo");
        sudo.arg("apt-get");
        sudo
    };
    command
        .args(["-q", "-y", "--no-install-recommends"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn install(packages: &[&str]) -> Result<()> {
    process::run(apt(&["update"]), "apt-get update", INSTALL)?;
    let mut arguments = vec!["install"];
    arguments.extend(packages);
    let failed = |error| {
        usage(format!(
            "{error:#}; run `{}` by hand to see why",
            command(packages)
        ))
    };
    match process::run(apt(&arguments), "apt-get install", INSTALL) {
        Ok(_) => Ok(()),
        Err(error) => {
            process::check_interrupt()?;
            Err(failed(error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_names_every_package() {
        let command = command(&["qemu-system-x86", "ovmf"]);
        assert!(
            command.ends_with("install -y --no-install-recommends qemu-system-x86 ovmf"),
            "{command}"
        );
    }

    #[test]
    fn only_absent_programs_are_missing() {
        let needs = [
            need("sh", "dash"),
            need("no-such-program-anywhere", "nothing"),
        ];
        assert_eq!(missing(&needs), ["nothing"]);
    }
}
