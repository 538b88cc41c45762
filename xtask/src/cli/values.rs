//! The values that options take.

use std::num::NonZeroUsize;

use clap::ValueEnum;

/// How many times, or how many at once.
pub fn count(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse().map_err(|_| "give a whole number, 1 or more")
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum GuestChoice {
    /// nixos if Nix can build the image here, else standin
    #[default]
    Auto,
    /// Debian, configured from the recorded configuration
    Standin,
    /// The image that users flash
    Nixos,
}

/// Measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Measure {
    /// The round trip of one command to the machine
    Assertions,
    /// A scan of all ports from another machine
    Scan,
    /// Saving a machine and resuming it
    Restore,
    /// Power cuts at random moments: while writing, rebooting, or at the first boot
    PowerCuts,
    /// Writing a new image to a stick in use
    Reflashes,
    /// A real Ollama, in its container and directly on the machine: tokens, loads, the first answer; needs --ollama
    Server,
    /// An update, compared with curl and dd; needs --guest nixos --variant updates
    Update,
}

/// The shells that complete both `xtask` and `cargo xtask`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompletedShell {
    Bash,
    Zsh,
    Fish,
}
