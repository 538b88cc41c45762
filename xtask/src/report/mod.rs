//! Renders the results of a run ([`crate::outcome`]) for people and for other programs. It decides nothing.

mod console;
mod github;
mod html;
mod junit;
mod kills;
mod kills_page;
mod last_failed;
mod repeat;
mod spinner;
mod terminal;

pub use console::ConsoleReporter;
pub use github::{SourceFile, publish};
pub use html::html;
pub use junit::junit;
pub use kills::kills;
pub use kills_page::kills_html;
pub use last_failed::{failed_last, remember};
pub use repeat::merge;
pub use spinner::Spinner;
pub use terminal::{summary, table};

use std::path::{Path, PathBuf};

use crate::outcome::{PromiseOutcome, Report, ScenarioOutcome, Tally, Verdict};

/// The first `most` characters of `text`.
fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}

/// The file in `folder`, one of [`Report::failures`], with the screen as it was when the promise `id` was judged.
pub fn screenshot_file(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("{id}.png"))
}

/// The file in `folder`, one of [`Report::failures`], with everything that the machine wrote on its console.
pub fn console_file(folder: &Path) -> PathBuf {
    folder.join("console.log")
}
