//! `nixos-release`: follow the newest stable release of NixOS.

use std::fs;
use std::io::Write;

use anyhow::{Context, Result};

use crate::exit::Exit;
use crate::git::Git;
use crate::nixos_release::{FLAKE, Followed, LIST, NIXPKGS, newest};
use crate::project;

/// The file for the outputs of a workflow's step.
const OUTPUT: &str = "GITHUB_OUTPUT";

pub fn run() -> Result<Exit> {
    let root = project::root()?;
    let read = |name: &str| {
        fs::read_to_string(root.join(name)).with_context(|| format!("cannot read {name}"))
    };
    let now = Followed {
        list: read(LIST)?,
        flake: read(FLAKE)?,
    };
    let branch = newest(&Git::at(&root).remote_heads(NIXPKGS, "nixos-*")?)?;
    let Some(moved) = now.moved(&branch)? else {
        outln!("{FLAKE} follows {}; the newest is {branch}", now.branch()?);
        return Ok(Exit::Ok);
    };
    for (name, text) in [(LIST, &moved.list), (FLAKE, &moved.flake)] {
        fs::write(root.join(name), text).with_context(|| format!("cannot write {name}"))?;
        outln!("{name}: written for {branch}");
    }
    if let Some(file) = std::env::var_os(OUTPUT).filter(|file| !file.is_empty()) {
        let open = fs::File::options().append(true).create(true).open(&file);
        open.and_then(|mut file| writeln!(file, "release={branch}"))
            .with_context(|| format!("cannot write the file that {OUTPUT} names"))?;
    }
    outln!("next: nix flake update, cargo xtask snapshot --accept, cargo xtask codegen");
    Ok(Exit::Ok)
}
