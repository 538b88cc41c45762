//! The results of a run as plain data: scenarios produce them, reports render them.

pub(crate) mod kills;
mod report;
mod tally;
#[cfg(test)]
pub(crate) mod tests;
mod verdict;

pub use kills::{BrokenPromise, KillTable, KillVerdict, MutantOutcome};
pub use report::{PromiseOutcome, Report, ScenarioOutcome};
pub use tally::Tally;
pub use verdict::{Finding, Verdict, verdict};
