//! Failures of the programs that make the base (the stand-in's Debian), on one line: what failed, why, what to do.

use std::path::Path;

use super::recipe::MIRROR;
use crate::error::usage;

/// Messages about a full disk: the system's own words, and apt's, which checks beforehand.
const DISK_FULL: &[&str] = &["No space left", "enough free space", "os error 28"];
/// apt's messages about a package that it cannot get.
const NO_PACKAGE: &[&str] = &["Failed to fetch", "Unable to locate", "Could not", "Err:"];
/// mmdebstrap's messages that name no cause.
const NO_CAUSE: &[&str] = &[
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
        .or_else(|| last(&|line| !says(line, NO_CAUSE)))
        .unwrap_or("no message")
}

/// One line: what failed, why, what to do.
pub fn explain(what: &str, why: &str, cache: &Path) -> anyhow::Error {
    let remedy = if DISK_FULL.iter().any(|words| why.contains(words)) {
        format!(
            "free up 2 GB on the file systems of {} and {}, or set OLLAMALIVE_CACHE and TMPDIR to folders on other disks",
            cache.display(),
            std::env::temp_dir().display()
        )
    // "onnect": Connect and connection.
    } else if ["fetch", "resolv", "onnect", "InRelease", "Unable to locate"]
        .iter()
        .any(|word| why.contains(word))
    {
        format!("check that this machine reaches {MIRROR}, then run it again")
    } else {
        "run it again; `cargo xtask doctor` lists missing programs".to_string()
    };
    usage(format!("{what}: {why}; {remedy}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_found_before_the_generic_failure() {
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
                "cannot make it: No space left on device; free up 2 GB on the file systems of /cache and {}, or set OLLAMALIVE_CACHE and TMPDIR to folders on other disks",
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
