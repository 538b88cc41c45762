//! Docker: where its state is, and how it stays small.

pub mod prunes_weekly;
pub mod resolves_late;
pub mod state_on_persist;
