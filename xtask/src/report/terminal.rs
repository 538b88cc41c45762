//! The report for people: a line when something is known, a table at the end.

use std::io::{IsTerminal, stderr, stdout};
use std::time::{Duration, Instant};

use comfy_table::{Cell, Color, ContentArrangement, Table, presets};

use super::{PromiseReport, Report, Verdict};
use crate::scenario::{PROMISES, SCENARIOS};

/// A table is easier to read narrow.
const WIDTH: u16 = 120;
/// Evidence longer than this is cut in the table; JSON has all of it.
const EVIDENCE: usize = 400;

/// Prints a line on standard error for everything that happens.
pub struct Watcher {
    start: Instant,
    colour: bool,
}

impl Default for Watcher {
    fn default() -> Self {
        Watcher {
            start: Instant::now(),
            colour: stderr().is_terminal(),
        }
    }
}

impl Watcher {
    /// One line with the time since the start.
    pub fn say(&self, text: &str) {
        tell_aside!("[{:6.1} s] {text}", self.start.elapsed().as_secs_f64());
    }
}

impl crate::scenario::Observer for Watcher {
    fn booting(&self, machine: &str) {
        self.say(&format!("booting machine {machine}"));
    }

    fn booted(&self, machine: &str, took: Duration) {
        self.say(&format!(
            "machine {machine} lets its owner in after {:.1} s",
            took.as_secs_f64()
        ));
    }

    fn judged(&self, report: &PromiseReport) {
        let (word, code) = match report.verdict {
            Verdict::Pass => ("pass", 32),
            Verdict::Fail => ("FAIL", 31),
            Verdict::Skip => ("skip", 33),
        };
        let word = if self.colour {
            format!("\x1b[{code}m{word}\x1b[0m")
        } else {
            word.to_string()
        };
        self.say(&format!(
            "{word} {} ({:.1} s): {}",
            report.id, report.seconds, report.evidence
        ));
    }
}

/// An empty table with this header.
pub(super) fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_header(header.iter().copied());
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_none_or(|width| width > WIDTH) {
        table.set_width(WIDTH);
    }
    table
}

/// The promises, their verdicts and what was seen.
pub fn summary(report: &Report) -> String {
    let colour = stdout().is_terminal();
    let mut table = table(&["promise", "verdict", "seconds", "what was seen"]);
    for promise in report.promises() {
        let (word, tint) = match promise.verdict {
            Verdict::Pass => ("pass", Color::Green),
            Verdict::Fail => ("FAIL", Color::Red),
            Verdict::Skip => ("skip", Color::Yellow),
        };
        let verdict = if colour {
            Cell::new(word).fg(tint)
        } else {
            Cell::new(word)
        };
        let mut evidence: String = promise.evidence.chars().take(EVIDENCE).collect();
        if evidence.len() < promise.evidence.len() {
            evidence.push('…');
        }
        table.add_row([
            Cell::new(&promise.id),
            verdict,
            Cell::new(format!("{:.1}", promise.seconds)),
            Cell::new(evidence),
        ]);
    }
    format!(
        "{table}\n{} passed, {} failed, {} skipped in {:.1} s; {} boots, {:.1} s of boot; guest {}, {}",
        report.count(Verdict::Pass),
        report.count(Verdict::Fail),
        report.count(Verdict::Skip),
        report.seconds,
        report.boots,
        report.boot_seconds,
        report.guest,
        report.accelerator,
    )
}

/// What `test --list` prints.
pub fn list() -> String {
    let mut table = table(&["scenario", "promise", "what is promised"]);
    for scenario in SCENARIOS {
        for promise in PROMISES
            .iter()
            .filter(|promise| promise.scenario == scenario.name)
        {
            table.add_row([scenario.name, promise.id, promise.sentence]);
        }
    }
    table.to_string()
}

/// The promises as a table in Markdown, for the README.
pub fn markdown() -> String {
    let mut table = String::from("| promise | what is promised |\n|---|---|\n");
    for promise in PROMISES {
        table.push_str(&format!("| `{}` | {} |\n", promise.id, promise.sentence));
    }
    table
}
