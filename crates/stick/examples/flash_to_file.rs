//! Makes an image with the partitions of a stick, flashes it to a file in place of a stick, and lists what is there.

use std::fs::File;
use std::path::Path;

use anyhow::Result;
use stick::flash::device::Device;
use stick::flash::files::OwnerFiles;
use stick::flash::image::StickImage;
use stick::flash::persist::plan_persist;
use stick::flash::verify_image::verify_image;
use stick::flash::write::flash;
use stick::gpt::{Extent, NewPartition, partition_types};
use stick::layout::{STORE, VERITY};
use stick::monitor::NoMonitor;
use stick::units::MIB;
use stick::{esp, gpt};

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let image = make_image(&folder.path().join("image"))?;
    let target = folder.path().join("stick");
    File::create_new(&target)?.set_len(128 * MIB)?;

    let layout = image.layout()?;
    let device = Device::open(&target, &image, &NoMonitor)?;
    println!(
        "PERSIST: {}",
        plan_persist(&device, &layout, false)?.describe()
    );
    let verified = verify_image(&image, layout, &NoMonitor)?;
    let read_back = flash(
        &image,
        &verified,
        &device,
        &OwnerFiles::default(),
        None,
        &NoMonitor,
    )?;
    println!("flashed: {read_back:?}");
    for (number, partition) in gpt::partitions(&target)? {
        let mib = Extent::from(&partition).length / MIB;
        println!("{number}: {:8} {mib} MiB", partition.name);
    }
    Ok(())
}

/// ESP and slot A. Slot B and PERSIST are in the table and behind the image's end: the machine fills them on the stick.
fn make_image(path: &Path) -> Result<StickImage> {
    let mut file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)?;
    file.set_len(46 * MIB)?;
    let new = |name, offset, length, kind| NewPartition {
        name,
        extent: Extent {
            offset: offset * MIB,
            length: length * MIB,
        },
        kind,
    };
    let partitions = [
        new("ESP", 1, 38, partition_types::BASIC),
        new("verity_1", 39, 2, VERITY),
        new("store_1", 41, 4, STORE),
        new("_empty", 46, 2, VERITY),
        new("_empty", 48, 4, STORE),
        new("PERSIST", 52, 16, partition_types::LINUX_FS),
    ];
    gpt::create(&mut file, None, &partitions)?;
    esp::format(file, partitions[0].extent)?;
    StickImage::open(path)
}
