//! The examples in `--help`.

/// Examples, two lines each: the command and, indented, its effect.
macro_rules! examples {
    ($($command:literal => $meaning:literal),+ $(,)?) => {
        concat!("Examples:\n", $("  cargo xtask ", $command, "\n      ", $meaning, "\n"),+)
    };
}

pub const CARGO_XTASK: &str = examples!(
    "doctor" => "show what this machine can run",
    "test --yes" => "install missing packages, boot the appliance, check every promise",
    "test --help" => "show everything about one command",
);
pub const TEST: &str = examples!(
    "test" => "check every promise: on NixOS if Nix can build the image here, else on the stand-in",
    "test ssh firewall --guest standin" => "run two scenarios on the stand-in guest",
    "test --rerun --debug" => "rerun the scenarios that failed last, with a shell in the machine if one fails again",
    "test ollama --repeat 20" => "run one scenario 20 times to find flaky promises",
    "test --html report.html --junit report.xml" => "write the report as a page, and as JUnit XML for a CI service",
);
pub const MUTANTS: &str = examples!(
    "mutants" => "run every mutant; fails if one survives",
    "mutants --alone" => "run each on a machine of its own, which takes several times as long",
    "mutants --quick ssh.root-login" => "run one mutant, and check only the promise that has to catch it",
    "mutants --html kills.html" => "write the kill table as a page",
);
pub const CHECK: &str = examples!(
    "check" => "use the nixpkgs of flake.lock",
    "check --nixpkgs github:NixOS/nixpkgs/nixos-unstable" => "use another nixpkgs",
    "check --mutants" => "evaluate the NixOS configuration of every mutant",
);
pub const SNAPSHOT: &str = examples!(
    "snapshot" => "show how the configuration differs from its record",
    "snapshot --accept" => "record the current configuration",
);
pub const CODEGEN: &str = examples!(
    "codegen" => "write every generated file that is stale",
    "codegen --check" => "only name the stale files",
);
pub const NIXOS_RELEASE: &str = examples!(
    "nixos-release" => "move to the newest release, if there is a newer one; needs the network",
);
pub const OLLAMA_RELEASE: &str = examples!(
    "ollama-release" => "pin the newest release, if there is a newer one; needs the network and curl",
);
pub const BENCH: &str = examples!(
    "bench" => "measure everything on the stand-in guest; half an hour without KVM",
    "bench assertions scan restore" => "measure the speed of the harness",
    "bench server --ollama ollama.tar" => "compare a real Ollama in its container with the same one outside of it",
    "bench update --guest nixos --variant updates" => "compare an update with curl and dd, which write the same files to the same place",
    "bench power-cuts --runs 100 --guest nixos" => "measure how reliably the image survives power cuts",
);
pub const FLASH: &str = examples!(
    "flash ollamalive-v1.2.0.raw.zst /dev/sdX --dry-run" => "show what would be written and what would be kept",
    "flash ollamalive-v1.2.0.raw.zst /dev/sdX --authorized-key ~/.ssh/id_ed25519.pub" => "write a stick that accepts your key at its first start",
);
pub const UPDATE: &str = examples!(
    "update ollamalive@192.168.1.50" => "build the system of this folder, send it, and wait until it is healthy",
    "update ollamalive --image Downloads/ollamalive --no-restart" => "install a release that `verify` has checked; it starts at the next restart",
);
pub const RELEASE: &str = examples!(
    "release --dry-run" => "test, build and pack; publish nothing",
    "release --version 1.2.0 --publish" => "tag v1.2.0 and publish it on GitHub",
    "release --version 1.2.0 --sign releases@example.org" => "sign the checksums with a key in gpg's keyring",
    "release --dry-run --image raw=ollamalive.raw --report report.json" => "use a ready image and a finished test run of this commit",
);
pub const VERIFY: &str = examples!(
    "verify Downloads/ollamalive" => "verify every file of a release, and its images when decompressed",
    "verify Downloads/ollamalive --key release-key.asc" => "require a signature by this key as well",
    "verify ollamalive-v1.2.0.raw.zst" => "verify one file against SHA256SUMS beside it",
);
pub const VM: &str = examples!(
    "vm" => "SSH on port 2222 and Ollama on port 11434 of 127.0.0.1, until Ctrl-C",
);
pub const DOCTOR: &str = examples!(
    "doctor" => "print the findings",
    "doctor --json findings.json" => "write them as JSON too",
);
pub const SETUP: &str = examples!(
    "setup" => "ask before installing",
    "setup --yes" => "install without asking",
);
pub const CI: &str = examples!(
    "ci --yes" => "install missing packages and run every step; on GitHub with a summary and annotations",
);
pub const COMPLETIONS: &str = examples!(
    "completions bash > ~/.local/share/bash-completion/completions/xtask" => "bash: complete `xtask`",
    "completions bash >> ~/.bashrc" => "bash: complete `cargo xtask` too",
    "completions zsh > ~/.zfunc/_xtask" => "zsh, with ~/.zfunc in $fpath",
    "completions fish > ~/.config/fish/conf.d/xtask.fish" => "fish",
);
