//! Failures of the programs that make the base, on one line: what failed, why, what to do.

use std::path::Path;

use super::recipe::MIRROR;
use crate::error::usage;

/// Messages about a full disk: the system's own words, and apt's, which checks beforehand.
const DISK_FULL: &[&str] = &["No space left", "enough free space", "os error 28"];
/// apt's messages about a package that it cannot get.
const NO_PACKAGE: &[&str] = &["Failed to fetch", "Unable to locate", "Could not", "Err:"];
/// mmdebstrap's messages that name no cause.
const GIVING_UP: &[&str] = &[
    "mmdebstrap failed to run",
    "setup failed",
    "removing tempdir",
    "main() received",
];

/// The line of a failed program's messages that names the cause.
pub fn cause(stderr: &str) -> &str {
    let says = |line: &str, any: &[&str]| any.iter().any(|words| line.contains(words));
    let last = |wanted: &dyn Fn(&str) -> bool| {
        let mut lines = stderr.lines().rev().map(str::trim);
        lines.find(|line| !line.is_empty() && wanted(line))
    };
    last(&|line| says(line, DISK_FULL))
        .or_else(|| last(&|line| says(line, NO_PACKAGE)))
        .or_else(|| last(&|line| !says(line, GIVING_UP)))
        .unwrap_or("no message")
}

/// One line: what failed, why, what to do.
pub fn explain(what: &str, why: &str, cache: &Path) -> anyhow::Error {
    let remedy = if DISK_FULL.iter().any(|words| why.contains(words)) {
        format!(
            "free 2 GB on the disks of {} and {}, or set OLLAMALIVE_CACHE and TMPDIR to folders on other disks",
            cache.display(),
            std::env::temp_dir().display()
        )
    } else if ["fetch", "resolv", "onnect", "InRelease"]
        .iter()
        .any(|word| why.contains(word))
    {
        format!("check that this machine reaches {MIRROR}, then run it again")
    } else {
        "run it again; `cargo xtask doctor` checks the programs that it needs".to_string()
    };
    usage(format!("{what}: {why}; {remedy}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_found_behind_the_giving_up() {
        assert_eq!(
            cause("dpkg: No space left on device\nE: mmdebstrap failed to run\n"),
            "dpkg: No space left on device"
        );
        assert_eq!(
            cause("E: Failed to fetch x\nE: setup failed\n"),
            "E: Failed to fetch x"
        );
        assert_eq!(cause("one\nE: two\n\nE: setup failed\n"), "E: two");
        assert_eq!(cause(""), "no message");
    }

    #[test]
    fn every_failure_says_what_to_do() {
        let line = |why| explain("cannot make it", why, Path::new("/cache")).to_string();
        assert_eq!(
            line("No space left on device"),
            format!(
                "cannot make it: No space left on device; free 2 GB on the disks of /cache and {}, or set OLLAMALIVE_CACHE and TMPDIR to folders on other disks",
                std::env::temp_dir().display()
            )
        );
        assert!(
            line("Temporary failure resolving 'deb.debian.org'")
                .contains("reaches http://deb.debian.org/debian")
        );
        assert!(line("E: no").contains("cargo xtask doctor"));
    }
}
