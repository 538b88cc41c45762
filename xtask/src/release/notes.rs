//! The release notes, in Markdown.

use std::fmt::Write as _;

use stick::sums::SUMS;
use stick::units::binary_size;

use super::MANIFEST;
use super::manifest::{Manifest, PackedImage};
use super::signature::SIGNATURE;
use crate::git::Change;

/// GitHub takes 125,000 characters; older changes are in the history.
const MOST_CHANGES: usize = 500;

/// The text for `manifest`, with what has changed since the tag `previous`.
pub fn render(manifest: &Manifest, previous: Option<&str>, changes: &[Change]) -> String {
    let mut text = format!("# OllamaLive {}\n\n", manifest.version);
    images(&mut text, manifest);
    since(&mut text, previous, changes);
    tests(&mut text, manifest);
    text
}

fn images(text: &mut String, manifest: &Manifest) {
    text.push_str("| image | download | | written |\n|---|---|---|---|\n");
    for image in &manifest.images {
        let files: Vec<String> = image
            .assets
            .iter()
            .map(|asset| format!("`{}`", asset.file))
            .collect();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            image.name,
            files.join("<br>"),
            binary_size(image.packed_bytes()),
            binary_size(image.digest.bytes)
        );
    }
    let mut facts = vec![format!("commit `{}`", manifest.commit)];
    facts.extend(
        manifest
            .system
            .nixos
            .iter()
            .map(|version| format!("NixOS {version}")),
    );
    facts.extend(
        manifest
            .system
            .layout_version
            .map(|version| format!("layout {version}")),
    );
    let closure = |bytes| format!("{} in the Nix store", binary_size(bytes));
    facts.extend(manifest.system.closure_bytes.map(closure));
    let _ = writeln!(text, "\nMade from {}.", facts.join(", "));
    let _ = writeln!(
        text,
        "\nCheck what you have downloaded with `{SUMS}` beside it:\n\n```sh\nsha256sum --check --ignore-missing {SUMS}\n```"
    );
    if let Some(key) = &manifest.signed_by {
        let _ = writeln!(
            text,
            "\n`{SIGNATURE}` is a signature of `{SUMS}` by the OpenPGP key `{key}`. With its public key in your keyring:\n\n```sh\ngpg --verify {SIGNATURE} {SUMS}\n```"
        );
    }
    for image in manifest
        .images
        .iter()
        .filter(|image| image.assets.len() > 1)
    {
        let _ = writeln!(text, "\n{}", join(image));
    }
    if let Some(update) = &manifest.update {
        let _ = writeln!(
            text,
            "\nA machine with an older system updates itself with the files `ollamalive_{}…`; they are not needed to flash.",
            update.version
        );
    }
    let _ = writeln!(
        text,
        "\nThe digests of the images themselves are in `{MANIFEST}`."
    );
}

/// How to join the parts of an image.
fn join(image: &PackedImage) -> String {
    let names: Vec<&str> = image.assets.iter().map(|asset| &asset.file[..]).collect();
    let file = &image.file;
    format!(
        "The image {} is too large for one file on GitHub. Join its parts:\n\n```sh\ncat {} | zstd -d -o {file}       # Linux, macOS\ncmd /c copy /b {} {file}.zst       # Windows\n```",
        image.name,
        names.join(" "),
        names.join("+")
    )
}

fn since(text: &mut String, previous: Option<&str>, changes: &[Change]) {
    match previous {
        Some(tag) => {
            let _ = writeln!(text, "\n## Changes since {tag}\n");
        }
        None => text.push_str("\n## Changes\n\n"),
    }
    for change in changes.iter().take(MOST_CHANGES) {
        let _ = writeln!(text, "- {} ({})", escaped(&change.subject), change.commit);
    }
    if changes.len() > MOST_CHANGES {
        let _ = writeln!(text, "- and {} earlier ones", changes.len() - MOST_CHANGES);
    }
    if changes.is_empty() {
        text.push_str("None.\n");
    }
}

fn tests(text: &mut String, manifest: &Manifest) {
    for run in &manifest.tests {
        let _ = writeln!(
            text,
            "\n## Promises, tested on {} ({}, nixpkgs: {})\n\n| id | promise | verdict |\n|---|---|---|",
            run.guest, run.accelerator, run.nixpkgs
        );
        for promise in &run.promises {
            let verdict = format!("{:?}", promise.verdict).to_lowercase();
            let _ = writeln!(
                text,
                "| `{}` | {} | {verdict} |",
                promise.id, promise.promise
            );
        }
    }
}

/// A subject as plain text: without mark-up and without notifying anyone.
fn escaped(subject: &str) -> String {
    let mut text = String::new();
    for c in subject.chars() {
        match c {
            '<' => text.push_str("&lt;"),
            '@' => text.push_str("&#64;"),
            '*' | '_' | '[' | '#' | '\\' => text.extend(['\\', c]),
            _ => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_shown_as_plain_text() {
        assert_eq!(
            escaped("Fix <a> of @b, *c*"),
            r"Fix &lt;a> of &#64;b, \*c\*"
        );
        assert_eq!(escaped("Say `x`"), "Say `x`");
    }
}
