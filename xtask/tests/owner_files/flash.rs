//! The rules of `cargo xtask flash` beside those of the machine.

use libtest_mimic::Failed;
use stick::flash::files;
use stick::monitor::NoMonitor;

use super::fixtures::FIXTURES;
use super::setup::{Line, Setup};

/// `cargo xtask flash` refuses what the machine refuses, and warns of what it warns of.
pub fn judges_alike(setup: &Setup, lines: &[Line]) -> Result<(), Failed> {
    let mut judged = 0;
    for fixture in FIXTURES {
        let name = String::from_utf8(fixture.path.to_vec())?.replace('\n', "?");
        let count = |verdict: &str| {
            lines
                .iter()
                .filter(|line| line.1 == name && line.0 == verdict)
                .count()
        };
        let path = setup.esp(fixture.path);
        let files = if name.trim_end_matches(".txt").ends_with(".nmconnection") {
            files::gather(&[], &[path], &NoMonitor)
        } else if name.ends_with(".pub") || name.contains("authorized_keys") {
            files::gather(&[path], &[], &NoMonitor)
        } else {
            continue;
        };
        let machine = count("taken") > 0 && count("refused") == 0;
        // FAT has no such names, and what is in its own folder is another matter on the machine.
        let other = name.contains(['*', '?'])
            || count("unread") + count("ignored") > 0
            || count("taken") + count("refused") == 0;
        if other {
            continue;
        }
        judged += 1;
        match files {
            Ok(files) => assert!(
                machine && files.warnings.len() == count("warned"),
                "flash takes {name}, and warns of {:?}",
                files.warnings
            ),
            Err(error) => assert!(!machine, "flash refuses {name}: {error}"),
        }
    }
    assert!(judged > 20, "{judged}");
    Ok(())
}
