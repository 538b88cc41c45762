//! The table of kills as a page that needs nothing else.

use maud::{Markup, html};

use super::html::{badge, page};
use super::kills::word;
use super::{Fault, KillTable, Outcome, Verdict};
use crate::mutant::{self, Mutant};

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

fn kill(outcome: &Outcome) -> Markup {
    let tone = match outcome.verdict {
        mutant::Verdict::Killed => Verdict::Pass,
        mutant::Verdict::Survived | mutant::Verdict::WrongReason => Verdict::Fail,
        mutant::Verdict::NotRun => Verdict::Skip,
    };
    let mutant = outcome.mutant;
    let ids = || outcome.caught_by.iter().map(|fault| &fault.id);
    html! {
        tr {
            td { code { (mutant.id) } br; small { (mutant.breaks) } }
            td {
                @for fault in &outcome.caught_by {
                    div { code { (fault.id) } br; small { (seen(mutant, fault)) } }
                }
                @if !ids().any(|id| id == mutant.caught_by) {
                    div { code { (mutant.caught_by) } " " small { "was to catch it" } }
                }
            }
            td {
                (badge(tone, word(outcome.verdict).0))
                @if !outcome.beside.is_empty() {
                    br; small title=(outcome.beside.join(", ")) { "beside " (outcome.beside.len()) }
                }
                @if let Some(why) = &outcome.why { br; small { (why) } }
            }
        }
    }
}

/// What was seen, with that marked which `mutant` is told by: others on its machine are in the same words.
fn seen(mutant: &Mutant, fault: &Fault) -> Markup {
    let marked = match fault.id == mutant.caught_by {
        true => fault.evidence.split_once(mutant.symptom),
        false => None,
    };
    html! {
        @match marked {
            Some((before, after)) => { (before) mark { (mutant.symptom) } (after) }
            None => { (fault.evidence) }
        }
    }
}
