//! A real Ollama: it answers prompts, pulls models, and stops and starts with the machine.

pub mod api;
pub mod full_drive;
mod lan_registry;
pub mod many;
pub mod models;
pub mod openai_api;
pub mod out_of_memory;
pub mod partial_downloads;
pub mod pulls;
mod registry;
mod restarts;

pub use restarts::{generates, identity_on_persist, stops_clean};

/// An error and what caused it, as evidence.
fn in_words(error: anyhow::Error) -> String {
    format!("{error:#}")
}
