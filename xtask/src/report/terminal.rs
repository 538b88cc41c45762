//! The report for people: a table at the end.

use comfy_table::{Cell, Color, ContentArrangement, Table, presets};

use super::console::coloured;
use super::{Report, Verdict, shortened};

/// A table is easier to read narrow.
const WIDTH: u16 = 120;
/// Evidence longer than this is cut in the table; JSON has all of it.
const EVIDENCE: usize = 400;

/// What a folder of failure artifacts holds, for the line that names it.
const FAILURE_FILES: &str = "console, journal, screen, QEMU's command line, disks, what was seen";

/// An empty table with this header, as all reports have them.
pub fn table(header: &[&str]) -> Table {
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
    let colour = coloured();
    let mut table = table(&["promise", "verdict", "seconds", "what was seen"]);
    for promise in report.promises() {
        let tint = match promise.verdict {
            Verdict::Pass => Color::Green,
            Verdict::Fail => Color::Red,
            Verdict::Skip | Verdict::Unavailable => Color::Yellow,
            Verdict::NotApplicable => Color::DarkGrey,
        };
        let verdict = Cell::new(report.word(promise));
        table.add_row([
            Cell::new(&promise.id),
            if colour { verdict.fg(tint) } else { verdict },
            Cell::new(format!("{:.1}", promise.seconds)),
            Cell::new(shortened(&promise.evidence, EVIDENCE)),
        ]);
    }
    let mut text = format!("{table}\n");
    for folder in &report.failures {
        text += &format!("{}: {}\n", folder.display(), FAILURE_FILES);
    }
    text += &format!(
        "{} in {:.1} s; {} boots, {:.1} s of boot; guest {}, {}",
        report.tally_line(),
        report.seconds,
        report.boots,
        report.boot_seconds,
        report.subject(),
        report.accelerator,
    );
    text
}
