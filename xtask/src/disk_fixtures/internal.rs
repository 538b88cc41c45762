//! The PC's own disk, with Windows on it.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::path::Path;

use anyhow::Result;
use stick::gpt::{self, Extent, NewPartition, partition_types};
use stick::units::MIB;
use vm::process;

use super::filesystems::COPY_DEADLINE;

/// Small, because the machine reads all of it.
const BYTES: u64 = 24 * MIB;
const WINDOWS: Extent = Extent {
    offset: MIB,
    length: 12 * MIB,
};
const SWAP: Extent = Extent {
    offset: 14 * MIB,
    length: 8 * MIB,
};

/// A disk with an NTFS partition called `Windows` and a swap partition of another Linux, called `InternalSwap`.
pub fn make(path: &Path) -> Result<()> {
    let mut disk = File::create_new(path)?;
    disk.set_len(BYTES)?;
    let new = |name, extent, kind| NewPartition { name, extent, kind };
    let partitions = [
        new("Windows", WINDOWS, partition_types::BASIC),
        new("Swap", SWAP, partition_types::LINUX_SWAP),
    ];
    gpt::create(&mut disk, None, &partitions)?;
    let content = path.with_extension("partition");
    for (extent, program, arguments) in [
        (
            WINDOWS,
            "mkntfs",
            &["--quick", "--force", "--quiet", "--label", "Windows"][..],
        ),
        (SWAP, "mkswap", &["--label", "InternalSwap"][..]),
    ] {
        let mut partition = File::create(&content)?;
        partition.set_len(extent.length)?;
        let mut command = process::command(program);
        command.args(arguments).arg(&content);
        process::run(command, "making the internal disk", COPY_DEADLINE)?;
        partition = File::open(&content)?;
        disk.seek(SeekFrom::Start(extent.offset))?;
        std::io::copy(&mut partition, &mut disk)?;
    }
    Ok(fs::remove_file(&content)?)
}
