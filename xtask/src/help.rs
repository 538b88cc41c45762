//! What `--help` adds to the options: examples, and what they come to.

/// A verb's examples, one a line: the command and, after two blanks, what it does.
macro_rules! examples {
    ($($command:literal => $meaning:literal),+ $(,)?) => {
        concat!("Examples:\n", $("  cargo xtask ", $command, "\n      ", $meaning, "\n"),+)
    };
}

pub const CARGO_XTASK: &str = examples!(
    "test --yes" => "install what is missing, boot the appliance, check every promise",
    "doctor" => "what this machine can do, and where the cache is",
    "test --help" => "more on one command; the same for the others",
);
pub const TEST: &str = examples!(
    "test" => "every promise, on NixOS where Nix can build the image and else on the stand-in",
    "test ssh firewall --guest standin" => "two scenarios on the stand-in guest",
    "test --rerun --debug" => "what failed last, with a shell in the machine when it fails again",
    "test ollama --multiply 20" => "the same 20 times; what passes only sometimes is called flaky, and fails",
    "test --html report.html --junit report.xml" => "a page to read, and a file for a CI service",
);
pub const MUTANTS: &str = examples!(
    "mutants" => "every defect; fails when one survives",
    "mutants --alone" => "each on a machine of its own, which takes several times as long",
    "mutants --quick ssh.root-login" => "one defect, and only the promise that is to notice",
    "mutants --html kills.html" => "the table of kills as a page",
);
pub const CHECK: &str = examples!(
    "check" => "with the nixpkgs of flake.lock",
    "check --nixpkgs github:NixOS/nixpkgs/nixos-unstable" => "with another",
);
pub const SNAPSHOT: &str = examples!(
    "snapshot" => "how the configuration differs from its record",
    "snapshot --accept" => "record it as it is now",
);
pub const BENCH: &str = examples!(
    "bench" => "everything, on the stand-in guest: about half an hour without KVM",
    "bench assertions scan restore" => "how fast the harness is",
    "bench power-cuts --runs 100 --guest nixos" => "how often in a row the image comes back",
);
pub const FLASH: &str = examples!(
    "flash ollamalive-v1.2.0.raw.zst /dev/sdX --dry-run" => "what would be written, and what would be kept",
    "flash ollamalive-v1.2.0.raw.zst /dev/sdX --authorized-key ~/.ssh/id_ed25519.pub" => "a stick that lets you in at its first start",
);
pub const RELEASE: &str = examples!(
    "release --dry-run" => "test, build and pack, and say what would be published",
    "release --version 1.2.0 --publish" => "tag v1.2.0, and a release on GitHub",
    "release --dry-run --image raw=ollamalive.raw --report report.json" => "of a ready image and a test run of this commit",
);
pub const VERIFY: &str = examples!(
    "verify Downloads/ollamalive" => "every file of a release, and what the images are when decompressed",
    "verify ollamalive-v1.2.0.raw.zst" => "one file, by the SHA256SUMS beside it",
);
pub const VM: &str = examples!(
    "vm" => "SSH on port 2222 and Ollama on port 11434 of 127.0.0.1, until Ctrl-C",
);
pub const DOCTOR: &str = examples!(
    "doctor" => "a line for each finding",
    "doctor --json findings.json" => "the same for programs",
);
pub const SETUP: &str = examples!(
    "setup" => "ask before anything is installed",
    "setup --yes" => "do not ask",
);
pub const CI: &str = examples!(
    "ci --yes" => "all that a change has to pass; on GitHub with a summary and annotations",
);
pub const COMPLETIONS: &str = examples!(
    "completions bash > ~/.local/share/bash-completion/completions/xtask" => "for `xtask`, loaded by bash when it is typed",
    "completions bash >> ~/.bashrc" => "for `cargo xtask` too",
    "completions zsh > ~/.zfunc/_xtask" => "for zsh, with ~/.zfunc in $fpath",
    "completions fish > ~/.config/fish/conf.d/xtask.fish" => "for fish",
);
pub const MAN: &str = examples!(
    "man ~/.local/share/man/man1" => "then `man cargo-xtask-test`",
);
