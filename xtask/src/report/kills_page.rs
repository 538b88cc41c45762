//! The kill table as an HTML page without other files.

use maud::{Markup, html};

use super::Verdict;
use super::html::{badge, page};
use crate::outcome::{BrokenPromise, KillTable, KillVerdict, MutantOutcome};

/// The page.
pub fn kills_html(run: &KillTable) -> String {
    let facts = [
        ("guest", run.guest.as_str()),
        ("accelerator", &run.accelerator),
        ("nixpkgs", &run.nixpkgs),
    ];
    let body = html! {
        header {
            h1 { "Mutants on " (run.guest) }
            p { (run.tally_line()) }
            dl { @for (name, value) in facts { dt { (name) } dd { (value) } } }
        }
        section {
            table.kills {
                thead { tr { th { "mutant" } th { "caught by" } th { "verdict" } } }
                tbody { @for outcome in &run.mutants { (kill(outcome)) } }
            }
        }
    };
    page(&format!("OllamaLive's mutants on {}", run.guest), &body)
}

fn kill(outcome: &MutantOutcome) -> Markup {
    let tone = match outcome.verdict {
        KillVerdict::Killed => Verdict::Pass,
        KillVerdict::Survived | KillVerdict::WrongReason => Verdict::Fail,
        KillVerdict::NotRun => Verdict::Skip,
    };
    let ids = || outcome.caught_by.iter().map(|broken| &broken.id);
    html! {
        tr {
            td { code { (outcome.id) } br; small { (outcome.breaks) } }
            td {
                @for broken in &outcome.caught_by {
                    div { code { (broken.id) } br; small { (seen(outcome, broken)) } }
                }
                @if !ids().any(|id| *id == outcome.expected) {
                    div { code { (outcome.expected) } " " small { "should have caught it" } }
                }
            }
            td {
                (badge(tone, outcome.verdict.word()))
                @if !outcome.beside.is_empty() {
                    br; small title=(outcome.beside.join(", ")) { "beside " (outcome.beside.len()) }
                }
                @if let Some(why) = &outcome.why { br; small { (why) } }
            }
        }
    }
}

/// The evidence, with the symptom of the mutant marked: it also has those of others on the same machine.
fn seen(outcome: &MutantOutcome, broken: &BrokenPromise) -> Markup {
    let marked = if broken.id == outcome.expected {
        broken.evidence.split_once(&outcome.symptom)
    } else {
        None
    };
    html! {
        @match marked {
            Some((before, after)) => { (before) mark { (outcome.symptom) } (after) }
            None => { (broken.evidence) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::kills::tests::sample;

    #[test]
    fn the_page_shows_every_mutant() {
        let page = kills_html(&sample());
        assert_eq!(page.matches("<code>ssh.password-login</code>").count(), 2);
        assert!(page.contains("badge pass\">killed<") && page.contains("badge fail\">SURVIVED<"));
        assert!(page.contains("2 mutants: 1 killed, 1 survived"), "{page}");
        assert!(
            page.contains("<mark>logged in by password</mark>\nand more"),
            "{page}"
        );
    }
}
