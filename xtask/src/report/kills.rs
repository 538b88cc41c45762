//! The kill table: which mutant was caught, and by which promise.

use comfy_table::{Cell, Color};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::PromiseOutcome;
use super::live::coloured;
use super::terminal::table;
use crate::mutant::{Mutant, Verdict};

/// A whole run; its JSON is the `--json` file.
#[derive(Debug, Clone, Serialize)]
pub struct KillTable {
    /// `nixos` or `standin`
    pub guest: String,
    /// `kvm` or `tcg`
    pub accelerator: String,
    /// The flake reference of nixpkgs, or where the record is.
    pub nixpkgs: String,
    /// Only the promises that are to catch a mutant were looked at, so that little is known about unrelated ones.
    pub quick: bool,
    /// How many machines were booted, some of them several times.
    pub machines: usize,
    pub seconds: f64,
    pub mutants: Vec<Outcome>,
}

/// One mutant's line.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    #[serde(flatten, serialize_with = "in_brief")]
    pub mutant: &'static Mutant,
    /// The mutants that were on the machine where it was judged.
    pub beside: Vec<&'static str>,
    pub verdict: Verdict,
    /// Why it was not killed.
    pub why: Option<String>,
    /// Every promise that it broke.
    pub caught_by: Vec<Fault>,
    /// How long that machine took, which all on it share.
    pub seconds: f64,
}

/// What a mutant is called, what is wrong with it, which promise is to catch it, and by which words of its evidence.
fn in_brief<S: Serializer>(mutant: &Mutant, serializer: S) -> Result<S::Ok, S::Error> {
    let mut fields = serializer.serialize_map(Some(4))?;
    fields.serialize_entry("id", mutant.id)?;
    fields.serialize_entry("breaks", mutant.breaks)?;
    fields.serialize_entry("expected", mutant.caught_by)?;
    fields.serialize_entry("symptom", mutant.symptom)?;
    fields.end()
}

/// A broken promise, and what was seen.
#[derive(Debug, Clone, Serialize)]
pub struct Fault {
    pub id: String,
    pub evidence: String,
}

impl From<&PromiseOutcome> for Fault {
    fn from(promise: &PromiseOutcome) -> Self {
        Fault {
            id: promise.id.clone(),
            evidence: promise.evidence.clone(),
        }
    }
}

impl KillTable {
    /// How many mutants came to `verdict`.
    pub fn count(&self, verdict: Verdict) -> usize {
        let verdicts = self.mutants.iter().map(|outcome| outcome.verdict);
        verdicts.filter(|other| *other == verdict).count()
    }

    /// How many mutants came to what, and on what.
    pub fn tally_line(&self) -> String {
        let scope = if self.quick {
            "; quick: unrelated promises were not looked at"
        } else {
            ""
        };
        format!(
            "{} mutants: {} killed, {} survived, {} killed for the wrong reason, {} not run; {} machines, {:.1} s; guest {}, {}{scope}",
            self.mutants.len(),
            self.count(Verdict::Killed),
            self.count(Verdict::Survived),
            self.count(Verdict::WrongReason),
            self.count(Verdict::NotRun),
            self.machines,
            self.seconds,
            self.guest,
            self.accelerator,
        )
    }
}

/// How a verdict is written: what needs somebody's attention, in capitals.
pub(super) fn word(verdict: Verdict) -> (&'static str, Color) {
    match verdict {
        Verdict::Killed => ("killed", Color::Green),
        Verdict::Survived => ("SURVIVED", Color::Red),
        Verdict::WrongReason => ("KILLED FOR THE WRONG REASON", Color::Red),
        Verdict::NotRun => ("not run", Color::Yellow),
    }
}

impl Outcome {
    fn killers(&self) -> Vec<&str> {
        let faults = self.caught_by.iter();
        faults.map(|fault| fault.id.as_str()).collect()
    }

    /// One line for whoever watches.
    pub fn line(&self) -> String {
        let company = match self.beside.len() {
            0 => String::new(),
            others => format!(", beside {others}"),
        };
        let mut line = format!(
            "{} {} ({:.1} s{company})",
            word(self.verdict).0,
            self.mutant.id,
            self.seconds
        );
        for fault in &self.caught_by {
            let seen = fault.evidence.lines().next().unwrap_or_default();
            line += &format!("; {}: {seen}", fault.id);
        }
        if let Some(why) = &self.why {
            line += &format!("; {}", why.lines().next().unwrap_or_default());
        }
        line
    }
}

/// The table that a run ends with.
pub fn kills(run: &KillTable) -> String {
    let colour = coloured();
    let mut table = table(&["mutant", "expected", "caught by", "verdict"]);
    for outcome in &run.mutants {
        let (word, tint) = word(outcome.verdict);
        let text = match &outcome.why {
            Some(why) => format!("{word}: {}", why.lines().next().unwrap_or_default()),
            None => word.to_string(),
        };
        let verdict = Cell::new(text);
        table.add_row([
            Cell::new(outcome.mutant.id),
            Cell::new(outcome.mutant.caught_by),
            // One below the other: a long line would be broken in the middle of a name.
            Cell::new(outcome.killers().join("\n")),
            if colour { verdict.fg(tint) } else { verdict },
        ]);
    }
    format!("{table}\n{}", run.tally_line())
}

/// What `mutants --list` prints.
pub fn mutants(mutants: &[&Mutant]) -> String {
    let mut table = table(&["mutant", "what is wrong", "caught by", "nixos"]);
    for mutant in mutants {
        let nixos = if mutant.nixos.is_some() { "yes" } else { "" };
        table.add_row([mutant.id, mutant.breaks, mutant.caught_by, nixos]);
    }
    format!("{table}\n{} mutants", mutants.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(verdict: Verdict, why: Option<&str>) -> Outcome {
        Outcome {
            mutant: crate::mutant::all()
                .find(|mutant| mutant.id == "ssh.password-login")
                .unwrap(),
            beside: vec!["ssh.root-login"],
            verdict,
            why: why.map(str::to_string),
            caught_by: vec![Fault {
                id: "ssh.password-refused".into(),
                evidence: "logged in by password\nand more".into(),
            }],
            seconds: 41.23,
        }
    }

    fn run() -> KillTable {
        KillTable {
            guest: "standin".into(),
            accelerator: "tcg".into(),
            nixpkgs: "flake.lock".into(),
            quick: true,
            machines: 2,
            seconds: 80.0,
            mutants: vec![
                outcome(Verdict::Killed, None),
                outcome(Verdict::Survived, Some("kept: refused")),
            ],
        }
    }

    #[test]
    fn the_page_shows_every_mutant() {
        let page = super::super::kills_html(&run());
        assert_eq!(page.matches("<code>ssh.password-login</code>").count(), 2);
        assert!(page.contains("badge pass\">killed<") && page.contains("badge fail\">SURVIVED<"));
        assert!(page.contains("2 mutants: 1 killed, 1 survived"), "{page}");
        assert!(
            page.contains("<mark>logged in by password</mark>\nand more"),
            "{page}"
        );
    }

    #[test]
    fn a_kill_and_a_survivor_are_told_apart() {
        let run = run();
        let text = kills(&run);
        assert!(
            text.contains("SURVIVED: kept: refused")
                && text.contains("2 mutants: 1 killed, 1 survived"),
            "{text}"
        );
        assert!(
            text.ends_with("unrelated promises were not looked at"),
            "{text}"
        );
        assert_eq!(
            run.mutants[0].line(),
            "killed ssh.password-login (41.2 s, beside 1); ssh.password-refused: logged in by password"
        );
        let json = serde_json::to_value(&run).unwrap();
        assert_eq!(json["mutants"][1]["verdict"], "survived");
        assert_eq!(json["mutants"][1]["expected"], "ssh.password-refused");
        assert_eq!(json["mutants"][1]["symptom"], "logged in by password");
        assert_eq!(
            json["mutants"][0]["caught_by"][0]["id"],
            "ssh.password-refused"
        );
    }
}
