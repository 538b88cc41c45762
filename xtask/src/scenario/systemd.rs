//! Questions to systemd that several scenarios ask.

/// Prints the names of failed units, one per line.
pub const FAILED_UNITS: &str = "systemctl list-units --failed --plain --no-legend | cut -d' ' -f1";

/// One fault that names all `units` (the output of [`FAILED_UNITS`]); none when the output is empty.
pub fn failed(units: &str) -> Option<String> {
    let units = units.trim().replace('\n', ", ");
    (!units.is_empty()).then(|| format!("failed: {units}"))
}

/// systemd stops the initrd's journal when it switches to the real root, and counts the journal's next start as one restart.
const RESTARTED_BY_SWITCH_ROOT: &str = "systemd-journald.service";

/// Units that systemd had to restart, from the blocks of `Id=` and `NRestarts=` lines that `systemctl show` prints.
pub fn restarted(show: &str) -> Vec<String> {
    show.split("\n\n")
        .filter_map(|block| {
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            let unit = field("Id=").unwrap_or("?");
            let restarts: u32 = field("NRestarts=")?.parse().ok()?;
            let by_design = u32::from(unit == RESTARTED_BY_SWITCH_ROOT);
            (restarts > by_design).then(|| format!("{unit} was restarted {restarts} times"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_are_counted_by_unit() {
        let show =
            "Id=a.service\nNRestarts=0\n\nNRestarts=20\nId=docker-ollama.service\n\nId=c.service";
        assert_eq!(
            restarted(show),
            ["docker-ollama.service was restarted 20 times"]
        );
    }

    #[test]
    fn the_journal_may_restart_once() {
        let journal = |count| format!("Id=systemd-journald.service\nNRestarts={count}");
        assert_eq!(restarted(&journal(1)), Vec::<String>::new());
        assert_eq!(
            restarted(&journal(2)),
            ["systemd-journald.service was restarted 2 times"]
        );
    }

    #[test]
    fn failed_units_are_one_fault() {
        assert_eq!(failed("\n"), None);
        assert_eq!(
            failed("a.service\nb.mount\n").as_deref(),
            Some("failed: a.service, b.mount")
        );
    }
}
