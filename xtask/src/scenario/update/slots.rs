//! What is installed on the stick.

use anyhow::Result;

use crate::scenario::Context;

/// Prints what a refused update must not touch: the files that the stick boots from with their sizes, and the root hash and the
/// partitions of the running slot.
const LOOK: &str = "mount -o ro /dev/ollamalive/ESP /mnt && (cd /mnt && find EFI loader -type f -printf '%p %s\\n' | sort); umount /mnt; \
     grep -o 'usrhash=[0-9a-f]*' /proc/cmdline; \
     for kind in STORE VERITY; do lsblk -no PARTLABEL,PARTUUID /dev/ollamalive/$kind | head -n 1; done";

/// The output of `LOOK`.
///
/// # Errors
/// The ESP cannot be mounted.
pub fn look(cx: &mut Context) -> Result<String> {
    cx.machine.succeed("mkdir -p /mnt")?;
    cx.machine.succeed(LOOK)
}
