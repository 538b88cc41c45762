//! Builds, boots and proves the OllamaLive appliance.
//!
//! Data flows one way: modules -> (Nix) -> [`contract`] -> [`guest`] -> [`machine`] -> [`scenario`] -> [`report`].

#[macro_use]
mod tell;

pub mod cli;
pub mod cmd;
pub mod contract;
pub mod digest;
pub mod error;
pub mod flash;
pub mod guest;
mod help;
pub mod machine;
pub mod mutant;
pub mod nix;
pub mod options;
pub mod packages;
pub mod parallel;
pub mod process;
pub mod project;
pub mod release;
pub mod report;
pub mod scenario;
pub mod snapshot;
