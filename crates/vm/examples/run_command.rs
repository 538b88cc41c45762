//! Boots a kernel with an initial RAM disk, runs one command line in the shell on the serial console, prints its output.
//!
//! `cargo run -p vm --example run_command -- KERNEL INITRD COMMAND...`; README.md shows how to make the two files.

use std::time::Duration;

use anyhow::{Context, Result};
use vm::lan::Lan;
use vm::{Accelerator, Boot, BootedWhen, Machine, MachineConfig, QemuConfig};
use vm::{accel, kernel_args, process};

/// busybox's prompt in `/`.
const PROMPT: &str = "/ # ";

fn main() -> Result<()> {
    process::catch_interrupts()?;
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: run_command KERNEL INITRD COMMAND...";
    let kernel = arguments.next().context(usage)?;
    let initrd = arguments.next().context(usage)?;
    let command = arguments.collect::<Vec<_>>().join(" ");

    let folder = tempfile::tempdir()?;
    let accelerator = accel::probe(folder.path())?;
    eprintln!("accelerator: {}", accelerator.explain());
    let mut append = "console=ttyS0 quiet".to_string();
    if let Accelerator::Tcg { .. } = accelerator {
        append = format!("{append} {}", kernel_args::emulated());
    }
    let config = MachineConfig {
        qemu: QemuConfig {
            accelerator,
            memory_mib: 256,
            boot: Boot::Direct {
                kernel: kernel.into(),
                initrd: initrd.into(),
                append,
            },
            disks: Vec::new(),
            cable: true,
            clock: "utc".into(),
            lan: Lan::default(),
            time_zone: None,
            watchdog: false,
            forwards: Vec::new(),
        },
        booted: BootedWhen {
            pattern: PROMPT.into(),
            failed: Some("Kernel panic".into()),
        },
        login: None,
        boot_deadline: Duration::from_secs(120),
    };

    let mut machine = Machine::new(config, folder.path().join("machine"))?;
    let took = machine.boot()?;
    eprintln!("booted in {:.1} s", took.as_secs_f64());
    let output = machine.console()?.run(&command, Duration::from_secs(60))?;
    println!("{output}");
    machine.power_cut();
    Ok(())
}
