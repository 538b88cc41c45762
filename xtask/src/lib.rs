//! Builds, boots and proves the OllamaLive appliance.
//!
//! Data flows one way: modules -> (Nix) -> [`contract`] -> [`guest`] -> [`vm`] -> [`scenario`] -> [`outcome`] -> [`report`].

#[macro_use]
pub mod output;

pub mod answer;
pub mod causes;
pub mod cli;
pub mod cmd;
pub mod contract;
pub mod digest;
pub mod disk_fixtures;
pub mod error;
pub mod exit;
pub mod failure_artifacts;
pub mod files;
pub mod git;
pub mod guest;
mod help;
pub mod job_view;
pub mod mutant;
pub mod nix;
pub mod nixos_release;
mod ollama_image;
pub mod ollama_release;
pub mod options;
pub mod outcome;
pub mod packages;
pub mod parallel;
pub mod project;
pub mod release;
pub mod report;
pub mod scenario;
pub mod snapshot;
pub mod test_env;
pub mod test_machine;
mod tiny_model;
pub mod update_release;
pub mod update_server;
pub mod update_state;
pub mod variant;
