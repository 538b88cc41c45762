//! Which accelerator works on this host.
//!
//! `/dev/kvm` can exist and open, and still hang every guest. So the probe boots a guest of one sector, and uses KVM only
//! if that guest reports back. The result is cached until the host reboots.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::error::HostError;
use crate::process::{self, Interrupted};

/// QEMU's program.
pub const PROGRAM: &str = "qemu-system-x86_64";
/// A boot sector reports back in well under a second; a busy host gets ten times that.
const PROBE_DEADLINE: Duration = Duration::from_secs(8);
/// isa-debug-exit ends QEMU with `(value << 1) | 1`.
const REPORTED: i32 = (0x10 << 1) | 1;

/// How QEMU runs the guest's processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accelerator {
    Kvm,
    /// Emulation, and why KVM is not used.
    Tcg {
        because: String,
    },
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Accelerator::Kvm => "kvm",
            Accelerator::Tcg { .. } => "tcg",
        })
    }
}

impl Accelerator {
    /// QEMU's arguments.
    ///
    /// TCG runs without `cx16`: QEMU 7.2 corrupts the flags in `cmpxchg16b`, which the allocator of kernels from 6.5 on
    /// uses; they panic at random. And with one processor: where machines share the host's cores, one emulated processor
    /// waits for the other to be scheduled, until the kernel reports a stall.
    pub fn arguments(&self) -> &'static str {
        match self {
            Accelerator::Kvm => "-accel kvm -cpu host -smp 2",
            Accelerator::Tcg { .. } => "-accel tcg -cpu max,-cx16 -smp 1",
        }
    }

    /// How many machines the host can run at the same time: one for each core that they keep busy.
    pub fn machines_at_once(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        match self {
            Accelerator::Kvm => (cores / 2).max(1),
            Accelerator::Tcg { .. } => cores,
        }
    }

    /// One line for reports.
    pub fn explain(&self) -> String {
        match self {
            Accelerator::Kvm => "KVM".to_string(),
            Accelerator::Tcg { because } => {
                format!("TCG (emulation, several times slower): {because}")
            }
        }
    }
}

/// Finds the accelerator: from the file in the folder `cache`, or else by running a guest.
///
/// # Errors
/// [`HostError`] when QEMU cannot be started, [`Interrupted`], or the cache cannot be written.
pub fn probe(cache: &Path) -> Result<Accelerator> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let file = cache.join("accelerator.json");
    if let Some((known, answer)) = fs::read(&file)
        .ok()
        .and_then(|text| serde_json::from_slice::<(String, Option<String>)>(&text).ok())
        && known == boot
    {
        return Ok(answer.map_or(Accelerator::Kvm, |because| Accelerator::Tcg { because }));
    }
    let answer = ask()?;
    let because = match &answer {
        Accelerator::Kvm => None,
        Accelerator::Tcg { because } => Some(because),
    };
    fs::write(&file, serde_json::to_vec(&(boot, because))?)
        .with_context(|| format!("cannot write {}", file.display()))?;
    Ok(answer)
}

fn ask() -> Result<Accelerator> {
    let tcg = |because: String| Ok(Accelerator::Tcg { because });
    if let Err(error) = fs::File::options().read(true).write(true).open("/dev/kvm") {
        return tcg(format!("/dev/kvm: {error}"));
    }
    let folder = tempfile::tempdir()?;
    let sector = folder.path().join("probe.img");
    // mov $0xf4, %dx; mov $0x10, %al; out %al, (%dx); hlt
    let mut bytes = vec![0u8; 512];
    bytes[..7].copy_from_slice(&[0xba, 0xf4, 0x00, 0xb0, 0x10, 0xee, 0xf4]);
    bytes[510..].copy_from_slice(&[0x55, 0xaa]);
    fs::write(&sector, bytes)?;
    let mut command = process::command(PROGRAM);
    command
        .args([
            "-accel",
            "kvm",
            "-machine",
            "q35",
            "-m",
            "32",
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
        ])
        .args(["-device", "isa-debug-exit,iobase=0xf4,iosize=1"])
        .arg("-drive")
        .arg(format!(
            "file={},format=raw,if=ide,readonly=off,snapshot=on",
            sector.display()
        ));
    match process::finish(command, "probing KVM", PROBE_DEADLINE) {
        Ok(end) if end.status.code() == Some(REPORTED) => Ok(Accelerator::Kvm),
        Ok(end) => tcg(format!(
            "KVM refused: {}",
            end.stderr.lines().next().unwrap_or("no message")
        )),
        Err(error) => {
            if error.is::<HostError>() || error.is::<Interrupted>() {
                return Err(error);
            }
            tcg(format!(
                "/dev/kvm exists, but a guest of one sector hung for {} s",
                PROBE_DEADLINE.as_secs()
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_valid_until_the_host_reboots() {
        let cache = tempfile::tempdir().unwrap();
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let file = cache.path().join("accelerator.json");
        let stored = serde_json::to_vec(&(boot, "cached")).unwrap();
        fs::write(file, stored).unwrap();
        let cached = Accelerator::Tcg {
            because: "cached".into(),
        };
        assert_eq!(probe(cache.path()).unwrap(), cached);
    }
}
