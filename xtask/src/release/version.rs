//! The version of a release, which is also its tag: `v1.2.0` by hand, `build-7` in CI.

use std::sync::LazyLock;

use anyhow::Result;
use regex::Regex;

use crate::error::usage;

/// GitHub's name for the number of a workflow's run
/// (docs.github.com, "Variables reference", default environment variables).
const RUN_NUMBER: &str = "GITHUB_RUN_NUMBER";

static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^v?(\d+(\.\d+){0,2}(-[0-9A-Za-z]+(\.[0-9A-Za-z]+)*)?)$")
        .expect("the pattern is fixed")
});
static BUILD: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^build-[1-9]\d*$").expect("the pattern is fixed"));

/// What a release is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// `v1.2.0` or `build-7`; without a tag `g` and the start of the commit.
    pub name: String,
    /// Whether it can be published under this name.
    pub tagged: bool,
}

impl Version {
    /// The version that was asked for; or, in a workflow, the number of its run; or one named after `commit`.
    ///
    /// # Errors
    /// `asked` is neither a version number nor `build-N`.
    pub fn choose(asked: Option<&str>, commit: &str) -> Result<Self> {
        let run = std::env::var(RUN_NUMBER).ok();
        let tagged = |name| Version { name, tagged: true };
        match (asked, run) {
            (Some(asked), _) => tag(asked).map(tagged),
            (None, Some(run)) => tag(&format!("build-{run}")).map(tagged),
            (None, None) => Ok(Version {
                name: format!("g{}", &commit[..commit.len().min(12)]),
                tagged: false,
            }),
        }
    }

    /// Tags of the same kind, as a pattern for `git describe --match`.
    pub fn peers(&self) -> &'static str {
        if self.name.starts_with("build-") {
            "build-*"
        } else {
            "v[0-9]*"
        }
    }
}

fn tag(asked: &str) -> Result<String> {
    if BUILD.is_match(asked) {
        return Ok(asked.to_string());
    }
    match NUMBER.captures(asked) {
        Some(found) => Ok(format!("v{}", &found[1])),
        None => Err(usage(format!(
            "--version {asked:?} is neither a version number such as 1.2.0 nor build-N"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_builds_are_versions_and_nothing_else_is() {
        for (asked, name) in [
            ("1.2.0", "v1.2.0"),
            ("v2", "v2"),
            ("1.0-rc.1", "v1.0-rc.1"),
            ("build-12", "build-12"),
        ] {
            assert_eq!(tag(asked).unwrap(), name);
        }
        for asked in [
            "", "v", "1.2.3.4", "build-", "build-0", "1.0 ", "-x", "v1;ls", "latest",
        ] {
            let error = tag(asked).unwrap_err().to_string();
            assert!(error.contains("such as 1.2.0"), "{error}");
        }
    }
}
