//! The files that list the promises, to which annotations on GitHub point.

use crate::report::SourceFile;

/// Files by name.
macro_rules! promises {
    ($($name:literal),*) => {
        &[$(SourceFile {
            path: concat!("xtask/src/scenario/promises/", $name),
            text: include_str!(concat!("../../scenario/promises/", $name)),
        }),*]
    };
}

pub const SOURCES: &[SourceFile] = promises![
    "boot.rs",
    "system.rs",
    "ssh.rs",
    "persist.rs",
    "docker.rs",
    "ollama.rs",
    "gpu.rs",
    "firewall.rs",
    "stick.rs",
    "degraded_storage.rs",
    "update.rs",
    "real_ollama.rs",
    "health.rs",
    "faults.rs"
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::PROMISES;

    #[test]
    fn every_promise_has_one_line_in_the_sources() {
        for promise in PROMISES.iter() {
            let found = SOURCES.iter().filter_map(|source| source.line(promise.id));
            assert_eq!(found.count(), 1, "{}", promise.id);
        }
    }
}
