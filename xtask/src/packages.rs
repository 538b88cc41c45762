//! What the tests need on the host, and how it gets there.

use std::io::{IsTerminal, Write, stdin};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use crate::error::usage;
use crate::guest::Kind;
use vm::process;

const INSTALL: Duration = Duration::from_secs(1200);

/// A file that shows that a package is there, and the package's name on Debian and Ubuntu.
struct Need {
    /// A program, or an absolute path; paths are Debian's, and looked for only where its packages are.
    shows: &'static str,
    package: &'static str,
    /// The only guest that needs it.
    guest: Option<Kind>,
}

const fn need(shows: &'static str, package: &'static str) -> Need {
    Need {
        shows,
        package,
        guest: None,
    }
}

const NEEDS: &[Need] = &[
    need("qemu-system-x86_64", "qemu-system-x86"),
    need("mke2fs", "e2fsprogs"),
    need("mkntfs", "ntfs-3g"),
    need("ssh", "openssh-client"),
    need("cc", "gcc"),
    need("/usr/lib/x86_64-linux-gnu/libc.a", "libc6-dev"),
    Need {
        guest: Some(Kind::Nixos),
        ..need("/usr/share/OVMF", "ovmf")
    },
    Need {
        guest: Some(Kind::Standin),
        ..need("mmdebstrap", "mmdebstrap")
    },
    Need {
        guest: Some(Kind::Standin),
        ..need("genext2fs", "genext2fs")
    },
    Need {
        guest: Some(Kind::Standin),
        ..need(
            "/usr/share/keyrings/debian-archive-keyring.gpg",
            "debian-archive-keyring",
        )
    },
];
/// Only without root: mmdebstrap then works in a user namespace.
const NEED_UNPRIVILEGED: Need = Need {
    guest: Some(Kind::Standin),
    ..need("newuidmap", "uidmap")
};

/// Whether `program` can be run: on the PATH, or where administrators' programs are.
pub fn has(program: &str) -> bool {
    if program.starts_with('/') {
        return Path::new(program).exists();
    }
    which::which(program).is_ok()
        || ["/usr/sbin", "/sbin"]
            .iter()
            .any(|folder| Path::new(folder).join(program).exists())
}

/// The packages that are missing here for `guest`, or for either.
pub fn missing(guest: Option<Kind>) -> Vec<&'static str> {
    let unprivileged = (!nix::unistd::geteuid().is_root()).then_some(&NEED_UNPRIVILEGED);
    let debian = has("apt-get");
    NEEDS
        .iter()
        .chain(unprivileged)
        .filter(|need| need.guest.is_none() || guest.is_none() || need.guest == guest)
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

/// Installs what is missing for `guest` (or for either): at once with `yes`, after a question on a terminal.
///
/// # Errors
/// Without either, or when the answer is no: the command to run. Also when there is no apt-get, or it fails.
pub fn ensure(yes: bool, guest: Option<Kind>) -> Result<()> {
    let packages = missing(guest);
    if packages.is_empty() {
        return Ok(());
    }
    if !has("apt-get") {
        return Err(usage(format!(
            "missing here: {}, and there is no apt-get to install them: install them by hand, or work in `nix develop`",
            packages.join(", ")
        )));
    }
    let command = command(&packages);
    if !yes {
        if !stdin().is_terminal() {
            return Err(usage(format!(
                "missing here: {}; run `{command}`, or add --yes",
                packages.join(", ")
            )));
        }
        eprint!(
            "The tests need {}. Install with\n  {command}\n[y/N] ",
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
    tell_aside!("installing {}: {command}", packages.join(", "));
    install(&packages)?;
    let left = missing(guest);
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
        Command::new("apt-get")
    } else {
        let mut sudo = Command::new("sudo");
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
    let Err(error) = process::run(apt(&arguments), "apt-get install", INSTALL) else {
        return Ok(());
    };
    process::check_interrupt()?;
    // A qemu-utils that was installed from a repository that is no longer configured (backports, say) keeps every other
    // QEMU package out. The archive's own version of it goes with them.
    let Some(version) = archive_version("qemu-utils") else {
        return Err(error);
    };
    let pinned = format!("qemu-utils={version}");
    arguments.extend(["--allow-downgrades", &pinned]);
    process::run(apt(&arguments), "apt-get install", INSTALL)
        .map(drop)
        .map_err(|second| {
            usage(format!(
                "{second:#}; run `{}` by hand to see why",
                command(packages)
            ))
        })
}

/// The newest version of an installed `package` that the configured archives offer, when it is not the installed one.
fn archive_version(package: &str) -> Option<String> {
    let mut madison = Command::new("apt-cache");
    madison.args(["madison", package]);
    let offered = process::run(madison, "apt-cache", INSTALL).ok()?;
    let offered = offered
        .lines()
        .next()?
        .split('|')
        .nth(1)?
        .trim()
        .to_string();
    let mut query = Command::new("dpkg-query");
    query.args(["-W", "-f", "${Version}", package]);
    let installed = process::run(query, "dpkg-query", INSTALL).ok()?;
    (!installed.is_empty() && installed != offered).then_some(offered)
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
    fn what_is_here_is_not_missing() {
        assert!(has("sh") && !has("no-such-program-anywhere"));
    }
}
