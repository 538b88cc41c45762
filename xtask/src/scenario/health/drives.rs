//! `health.drive`, `health.drives`

use anyhow::Result;

use super::Episode;
use super::episode::{gather, judge};
use crate::scenario::{Context, Finding};

/// Takes the models drive from the container and from its folder. `$disk` holds the disk's folder in /sys, for [`RETURN`].
macro_rules! released {
    ($then:literal) => {
        concat!(
            "systemctl stop $unit; systemctl stop mnt-models.mount; ",
            $then,
            "; udevadm settle --timeout=20; systemctl start --no-block $unit"
        )
    };
}

/// As [`released`], with the drive pulled out of the PC, and `$loop` made from /run/other in its place.
macro_rules! replaced {
    ($then:literal) => {
        concat!(
            "systemctl stop $unit; systemctl stop mnt-models.mount; ",
            $then,
            "; echo 1 > \"$(readlink -f \"/sys/class/block/${drive##*/}/device/..\")/remove\"",
            "; [ ! -e /run/other ] || { modprobe loop; loop=$(losetup --find --show /run/other); }",
            "; udevadm settle --timeout=20; systemctl start --no-block $unit"
        )
    };
}

const RETURN: &str = "systemctl stop $unit; systemctl stop mnt-models.mount; [ -z \"$loop\" ] || losetup --detach $loop; \
    rm -f /run/other; echo 1 > /sys/bus/pci/rescan; udevadm settle --timeout=20; systemctl start --no-block $unit";

pub const TWICE: &[Episode] = &[Episode {
    causes: &["drive-twice"],
    state: "not serving",
    make: released!(
        "dd if=$drive of=/run/other bs=1M conv=sparse; modprobe loop; loop=$(losetup --find --show /run/other)"
    ),
    undo: RETURN,
}];

pub const OTHERS: &[Episode] = &[
    Episode {
        causes: &["drive-missing"],
        state: "not serving",
        make: replaced!("rm -f /run/other"),
        undo: RETURN,
    },
    Episode {
        causes: &["drive-file-system"],
        state: "not serving",
        make: replaced!("truncate -s 16M /run/other; mkfs.ext4 -q -F -L \"${name#*=}\" /run/other"),
        undo: RETURN,
    },
    Episode {
        causes: &["drive-refs"],
        state: "not serving",
        make: replaced!(
            "truncate -s 16M /run/other; printf '\\000\\000\\000ReFS\\000' | dd of=/run/other conv=notrunc"
        ),
        undo: RETURN,
    },
    Episode {
        causes: &["drive-bitlocker"],
        state: "not serving",
        // The header, the GUID in it, the place of the first block of metadata, and that block's header.
        make: replaced!(
            "truncate -s 16M /run/other; printf '\\353X\\220-FVE-FS-' | dd of=/run/other conv=notrunc; \
             printf '\\073\\326\\147\\111\\051\\056\\330\\112\\203\\231\\366\\243\\071\\343\\320\\001' | dd of=/run/other bs=1 seek=160 conv=notrunc; \
             printf '\\000\\000\\020\\000' | dd of=/run/other bs=1 seek=176 conv=notrunc; \
             printf '%s\\100\\000\\002\\000' -FVE-FS- | dd of=/run/other bs=1 seek=1048576 conv=notrunc"
        ),
        undo: RETURN,
    },
    Episode {
        causes: &["drive-damaged"],
        state: "not serving",
        // The copy of the first records of the MFT is gone.
        make: replaced!(
            "dd if=$drive of=/run/other bs=1M conv=sparse; mirror=$(od -An -t u8 -j 56 -N 8 /run/other); \
             dd if=/dev/zero of=/run/other bs=4096 seek=$((mirror)) count=1 conv=notrunc"
        ),
        undo: RETURN,
    },
    Episode {
        causes: &["drive-read-only"],
        state: "degraded",
        make: released!("blockdev --setro $drive"),
        undo: "systemctl stop $unit; systemctl stop mnt-models.mount; blockdev --setrw $drive; systemctl start --no-block $unit",
    },
    Episode {
        causes: &["drive-hibernated"],
        state: "degraded",
        make: "loop=; { printf hibr; head -c 4092 /dev/zero; } > /mnt/models/hiberfil.sys; \
               systemctl stop $unit; systemctl stop mnt-models.mount; systemctl start --no-block $unit",
        undo: "systemctl stop $unit; systemctl stop mnt-models.mount; mkdir -p /run/thawed; \
               ntfs-3g -o remove_hiberfile $drive /run/thawed; umount /run/thawed; systemctl start --no-block $unit",
    },
];

pub fn check_drive(cx: &mut Context) -> Result<Finding> {
    Ok(judge(TWICE, &gather(cx, TWICE)?))
}

pub fn check_drives(cx: &mut Context) -> Result<Finding> {
    Ok(judge(OTHERS, &gather(cx, OTHERS)?))
}
