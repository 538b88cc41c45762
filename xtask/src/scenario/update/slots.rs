//! What is installed on the stick.

use anyhow::Result;

use crate::scenario::Context;

/// What makes the stick start, with its sizes, the slot that runs, and its partitions: what a refused update must not touch.
const LOOK: &str = "mount -o ro /dev/ollamalive/ESP /mnt && (cd /mnt && find EFI loader -type f -printf '%p %s\\n' | sort); umount /mnt; \
     grep -o 'usrhash=[0-9a-f]*' /proc/cmdline; \
     for kind in STORE VERITY; do lsblk -no PARTLABEL,PARTUUID /dev/ollamalive/$kind | head -n 1; done";

/// The lines of it.
///
/// # Errors
/// The ESP cannot be mounted.
pub fn look(cx: &mut Context) -> Result<String> {
    cx.machine.succeed("mkdir -p /mnt")?;
    cx.machine.succeed(LOOK)
}
