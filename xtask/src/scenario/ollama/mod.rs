//! The Ollama server, asked from outside the guest.

pub mod answers;
mod client;
pub mod contained;
pub mod finds_models;
pub mod has_settings;
mod kill;
pub mod models_on_drive;
pub mod models_on_persist;
pub mod pulls_at_start;
pub mod warns_of_space;
pub mod without_gpu;
mod written_file;

pub use client::{answer, wait_until_up};
pub use kill::kill_container;
