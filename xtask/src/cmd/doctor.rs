//! `doctor`: what this machine can run, which packages are missing, and where the cache is.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use super::ci::missing_linters;
use crate::cli::Doctor;
use crate::error::one_line;
use crate::exit::Exit;
use crate::guest::{self, nixos};
use crate::nix::Nix;
use crate::ollama_image::Source;
use crate::release::signature;
use crate::test_env::auto;
use crate::{files, packages, project};
use vm::process;
use vm::{accel, qemu};

const ASK: Duration = Duration::from_secs(20);

pub fn run(options: &Doctor) -> Result<Exit> {
    let root = project::root()?;
    let cache = project::cache()?;
    let missing = packages::missing(&guest::needs(None));
    let qemu = packages::has(qemu::PROGRAM).then(version).transpose()?;
    let accelerator = match &qemu {
        Some(_) => accel::probe(&cache)?.explain(),
        None => "unknown without QEMU".to_string(),
    };
    let nix = Nix::find(&root, None).and_then(|nix| nix.version());
    let nix = nix.unwrap_or_else(|_| "not installed: only the stand-in guest can run".to_string());
    let firmware = nixos::firmware().map(|(code, _)| code.display().to_string());
    let used = project::disk_usage(&cache);
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let guest = auto_guest(&root, options)?;
    let linters = missing_linters();
    let gpg = signature::gpg_version();
    let ollama = Source::parse(options.ollama.ollama.as_deref())?.describe();
    let findings = json!({
        "cores": cores,
        "memoryMiB": memory_mib(),
        "qemu": qemu,
        "accelerator": accelerator,
        "firmware": firmware,
        "nix": nix,
        "guest": guest,
        "ollama": ollama,
        "gpg": gpg,
        "missingLinters": linters,
        "missing": missing,
        "cache": { "path": cache, "bytes": used },
    });
    outln!("machine      {cores} cores, {} MiB of memory", memory_mib());
    outln!(
        "QEMU         {}",
        qemu.as_deref().unwrap_or("not installed")
    );
    outln!("accelerator  {accelerator}");
    outln!(
        "UEFI         {}",
        firmware
            .as_deref()
            .unwrap_or("not installed: needed for the nixos guest")
    );
    outln!("Nix          {nix}");
    outln!("guest        auto is {guest}");
    outln!("Ollama       {ollama}");
    outln!(
        "gpg          {}",
        gpg.as_deref()
            .unwrap_or("not installed: needed to sign a release, and to check its signature")
    );
    outln!(
        "cache        {} ({} MiB); to clear it: rm -r {}",
        cache.display(),
        used >> 20,
        cache.display()
    );
    match missing[..] {
        [] => outln!("packages     all installed"),
        _ => outln!(
            "packages     missing: {}; `cargo xtask setup --yes` runs: {}",
            missing.join(", "),
            packages::command(&missing)
        ),
    }
    match linters[..] {
        [] => outln!("linters      all installed"),
        _ => outln!(
            "linters      missing: {}; `cargo xtask ci` skips them (docs/contributor.md lists what each checks)",
            linters.join(", ")
        ),
    }
    if let Some(file) = &options.json {
        files::write(file, &serde_json::to_string_pretty(&findings)?)?;
    }
    Ok(Exit::Ok)
}

/// The guest that `--guest auto` picks, and why.
fn auto_guest(root: &Path, options: &Doctor) -> Result<String> {
    let picked = auto(root, &options.nixpkgs);
    process::check_interrupt()?;
    Ok(match picked {
        Ok(Ok(_)) => "nixos: Nix can build the image here".to_string(),
        Ok(Err(reason)) => format!("standin: {reason}"),
        Err(error) => format!("not to be had: {}", one_line(&error)),
    })
}

fn version() -> Result<String> {
    let mut ask = process::command(qemu::PROGRAM);
    ask.arg("--version");
    let text = process::run(ask, "asking QEMU for its version", ASK)?;
    Ok(text
        .lines()
        .next()
        .context("QEMU has no version")?
        .to_string())
}

fn memory_mib() -> u64 {
    let table = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = table.lines().find_map(|line| {
        line.strip_prefix("MemTotal:")?
            .trim()
            .split(' ')
            .next()?
            .parse::<u64>()
            .ok()
    });
    kib.unwrap_or_default() >> 10
}
