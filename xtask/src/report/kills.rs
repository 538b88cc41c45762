//! The kill table on the terminal.

use comfy_table::{Cell, Color};

use super::console::coloured;
use super::terminal::table;
use crate::outcome::{KillTable, KillVerdict};

fn tint(verdict: KillVerdict) -> Color {
    match verdict {
        KillVerdict::Killed => Color::Green,
        KillVerdict::Survived | KillVerdict::WrongReason => Color::Red,
        KillVerdict::NotRun => Color::Yellow,
    }
}

/// The table that a run ends with.
pub fn kills(run: &KillTable) -> String {
    let colour = coloured();
    let mut table = table(&["mutant", "expected", "caught by", "verdict"]);
    for outcome in &run.mutants {
        let word = outcome.verdict.word();
        let text = match &outcome.why {
            Some(why) => format!("{word}: {}", why.lines().next().unwrap_or_default()),
            None => word.to_string(),
        };
        let verdict = Cell::new(text);
        table.add_row([
            Cell::new(&outcome.id),
            Cell::new(&outcome.expected),
            // One per line: a long line would break in the middle of a name.
            Cell::new(outcome.killers().join("\n")),
            if colour {
                verdict.fg(tint(outcome.verdict))
            } else {
                verdict
            },
        ]);
    }
    format!("{table}\n{}", run.tally_line())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::kills::tests::sample;

    #[test]
    fn the_table_shows_kills_and_survivors() {
        let text = kills(&sample());
        assert!(
            text.contains("SURVIVED: kept: refused")
                && text.contains("2 mutants: 1 killed, 1 survived"),
            "{text}"
        );
        assert!(
            text.ends_with("unrelated promises were not checked"),
            "{text}"
        );
    }
}
