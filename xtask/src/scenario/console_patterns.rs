//! Patterns of lines that the console of a healthy machine never shows.

use regex::RegexSet;

/// A meaning, and the pattern of lines that have it.
const BAD: &[(&str, &str)] = &[
    ("kernel panic", r"Kernel panic - not syncing"),
    (
        "kernel oops",
        r"\bOops(: [0-9]|:)|BUG: |general protection fault|Internal error:",
    ),
    ("kernel warning", r"WARNING: CPU: \d+ PID: \d+ at "),
    (
        "hung task or stall",
        r"blocked for more than \d+ seconds|rcu.*detected stalls|soft lockup",
    ),
    ("out of memory", r"Out of memory: Killed|invoked oom-killer"),
    ("ordering cycle", r"ordering cycle"),
    (
        "emergency shell",
        r"You are in emergency mode|Entering emergency mode|emergency shell|Press Enter for maintenance",
    ),
    (
        "file system error",
        r"EXT4-fs error|EXT4-fs \(.*\): .*(corrupt|recovery required on readonly)|erofs: .*(corrupt|failed)",
    ),
    ("I/O error", r"I/O error, dev|Buffer I/O error"),
    (
        "failed unit",
        r"\[\s*FAILED\s*\]|Failed to start |Dependency failed for ",
    ),
    (
        "crash",
        r"segfault at|dumped core|traps: .* general protection",
    ),
];

/// The bad lines of `console`, each with its meaning; only the first of each kind. Lines that contain one of `by_design` do
/// not count.
pub fn bad_lines(console: &str, by_design: &[&str]) -> Vec<String> {
    let set =
        RegexSet::new(BAD.iter().map(|(_, pattern)| pattern)).expect("the patterns are fixed");
    let mut seen = vec![false; BAD.len()];
    let mut found = Vec::new();
    let excused = |line: &&str| by_design.iter().any(|words| line.contains(words));
    for line in console.lines().filter(|line| !excused(line)) {
        for kind in set.matches(line) {
            if !std::mem::replace(&mut seen[kind], true) {
                found.push(format!("{}: {}", BAD[kind].0, line.trim()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For each pattern, a line as the kernel or systemd writes it.
    const SAMPLES: &[&str] = &[
        "[    3.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100",
        "[   14.5] Oops: general protection fault, probably for non-canonical address: 0000 [#1] PREEMPT SMP NOPTI",
        "[    1.2] WARNING: CPU: 0 PID: 1 at kernel/sched/core.c:1 x+0x1/0x2",
        "[  242.9] INFO: task dockerd:512 blocked for more than 120 seconds.",
        "[   99.0] Out of memory: Killed process 77 (ollama) total-vm:1kB",
        "[    5.0] systemd[1]: sysinit.target: Found ordering cycle on persist.service/start",
        "You are in emergency mode. After logging in, type \"journalctl -xb\" to view",
        "[    7.0] EXT4-fs error (device vda3): ext4_lookup:1855: inode #2: comm ls: deleted inode referenced",
        "[    7.0] I/O error, dev vda, sector 2048 op 0x0:(READ) flags 0x0",
        "[FAILED] Failed to start docker.service - Docker Application Container Engine.",
        "[   12.0] zsh[700]: segfault at 0 ip 0000 sp 0000 error 4 in libc.so.6",
    ];

    #[test]
    fn every_pattern_matches_its_sample() {
        assert_eq!(SAMPLES.len(), BAD.len());
        for (sample, (meaning, _)) in SAMPLES.iter().zip(BAD) {
            let found = bad_lines(sample, &[]);
            assert!(
                found.iter().any(|line| line.starts_with(meaning)),
                "{meaning} not found in: {sample} ({found:?})"
            );
        }
    }

    #[test]
    fn a_healthy_console_has_no_bad_lines() {
        let good = "[    0.0] Linux version 6.12\n[  OK  ] Reached target multi-user.target - Multi-User System.\n\
                    [    2.1] EXT4-fs (vda3): mounted filesystem with ordered data mode.\nOllamaLive login: \n";
        assert_eq!(bad_lines(good, &[]), Vec::<String>::new());
    }

    #[test]
    fn each_kind_is_listed_once() {
        assert_eq!(
            bad_lines("Failed to start a\nFailed to start b\n", &[]),
            ["failed unit: Failed to start a"]
        );
    }

    #[test]
    fn lines_that_are_there_by_design_do_not_count() {
        let console = "Dependency failed for /mnt/models.\nFailed to start b\n";
        assert_eq!(
            bad_lines(console, &["/mnt/models"]),
            ["failed unit: Failed to start b"]
        );
    }
}
