//! What a run came to, and the forms in which it is told.

mod failure;
mod github;
mod html;
mod junit;
mod kills;
mod kills_page;
mod live;
mod memory;
mod multiply;
mod spinner;
mod terminal;

pub use failure::{Dossier, keep};
pub use github::publish;
pub use html::html;
pub use junit::junit;
pub use kills::{Fault, KillTable, Outcome, kills, mutants};
pub use kills_page::kills_html;
pub use live::Watcher;
pub use memory::{failed_last, remember};
pub use multiply::merge;
pub use spinner::{LaneView, Spinner};
pub use terminal::{list, markdown, summary, table};

use crate::outcome::{PromiseOutcome, Report, ScenarioOutcome, Tally, Verdict};

/// The first `most` characters of `text`.
fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}
