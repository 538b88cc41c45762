//! How fast an update is written, compared with the least that any update has to do.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::attempt::{DEADLINE, update};
use super::published::{NEWER, Published};
use crate::scenario::Context;
use crate::scenario::comparison::{Better, Comparison, in_turns};

/// How fast an update is at least, as a share of what [`COPY`] reaches.
const AT_LEAST: f64 = 0.8;
/// Slot B as it is on a stick that was never updated, nothing in the memory's caches, and nothing left to write.
const FORGET: &str = r#"set -e
exec 9> /run/ollamalive/esp.lock; flock 9
mkdir -p /mnt; mount /dev/ollamalive/ESP /mnt; rm -f /mnt/EFI/Linux/ollamalive_VERSION*; umount /mnt
for slot in $(lsblk -nro PATH,PARTLABEL /dev/ollamalive/stick | sed -n 's/ \(store\|verity\)_VERSION$//p'); do
  sfdisk --quiet --no-reread --no-tell-kernel --part-label /dev/ollamalive/stick "${slot##*[a-z]}" _empty
  udevadm trigger --settle "$slot"
done
sync; echo 3 > /proc/sys/vm/drop_caches"#;
/// Fetches the files of an update, sums them, and writes them where an update does. The smaller empty slot is that of the hashes.
const COPY: &str = r#"set -o pipefail
copy() { curl -sf "URL$1" | tee >(sha256sum > /run/sum) | dd of="$2" bs=1M conv=fsync status=none; }
set -- $(lsblk -nrbo SIZE,PATH,PARTLABEL /dev/ollamalive/stick | sed -n 's/ _empty$//p' | sort -n | cut -d ' ' -f 2)
[ $# = 2 ] && copy VERITY "$1" && copy STORE "$2" && exec 9> /run/ollamalive/esp.lock && flock 9 && mount /dev/ollamalive/ESP /mnt && copy UKI /mnt/copy
status=$?; rm -f /mnt/copy; umount /mnt; exit $status"#;

/// Measures both ways `runs` times, in turns: MB a second of the update's files.
///
/// # Errors
/// The machine does not fetch updates, or one of the ways fails.
pub fn measure(cx: &mut Context, runs: usize) -> Result<Comparison> {
    let published = Published::shared(cx)?;
    let good = published.newer.signed(&published.signer)?;
    published.publish(cx, good)?;
    let files = &published.newer.update.files;
    let bytes: u64 = files.iter().map(|file| file.digest.bytes).sum();
    let name = |suffix: &str| {
        let file = files.iter().find(|file| file.file.ends_with(suffix));
        file.map(|file| file.file.clone())
            .with_context(|| format!("the update has no file {suffix}"))
    };
    let copy = COPY
        .replace(
            "URL",
            cx.contract.update.url.as_deref().context("no address")?,
        )
        .replace("VERITY", &name(".verity")?)
        .replace("STORE", &name(".store")?)
        .replace("UKI", &name(".efi")?);
    let copy = format!("bash -c {}", shlex::try_quote(&copy)?);
    let forget = FORGET.replace("VERSION", NEWER);
    let values = in_turns(runs, [true, false], |by_update| {
        cx.machine.succeed(&forget)?;
        let start = Instant::now();
        if by_update {
            let made = update(cx, "")?;
            let installed = made.status == 0 && made.said.contains("Installing version");
            ensure!(installed, "`ollamalive update`: {}", made.said);
        } else {
            let made = cx.exec_within([copy.as_str()], DEADLINE)?;
            ensure!(made[0].ok(), "curl, tee and dd: {}", made[0].text);
        }
        Ok(bytes as f64 / 1e6 / start.elapsed().as_secs_f64())
    })?;
    Ok(Comparison::new(
        "MB a second, written to the other slot",
        ["ollamalive update", "curl | tee >(sha256sum) | dd"],
        Better::More,
        AT_LEAST,
        &values,
    ))
}
