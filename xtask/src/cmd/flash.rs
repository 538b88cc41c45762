//! `flash`: write an image to a stick.

mod progress;

use std::io::{IsTerminal, Write, stdin};
use std::sync::mpsc;
use std::thread;

use anyhow::Result;
use stick::flash::device::Device;
use stick::flash::files::{self, OwnerFiles};
use stick::flash::image::StickImage;
use stick::flash::persist::{PersistPlan, plan_persist};
use stick::flash::verify_image::{VerifiedImage, verify_image};
use stick::flash::write::{ReadBack, flash};
use stick::units::{MIB, decimal_size};
use vm::process;

use self::progress::FlashProgress;
use crate::cli::Flash;
use crate::error::{InterruptedWith, one_line, usage};
use crate::exit::Exit;

/// How flashing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlashResult {
    /// The image is on the stick, read back and compared.
    Written,
    /// Everything was checked; nothing was written.
    DryRun,
    /// The stick does not hold what was written to it. Printed already.
    Differs,
}

pub fn run(options: &Flash) -> Result<Exit> {
    Ok(match flash_stick(options)? {
        FlashResult::Written | FlashResult::DryRun => Exit::Ok,
        FlashResult::Differs => Exit::PromiseBroken,
    })
}

/// Checks everything, asks, writes, and reads back.
///
/// # Errors
/// Something is refused, or reading or writing fails; the message tells whether the stick is still usable.
pub fn flash_stick(options: &Flash) -> Result<FlashResult> {
    let progress = FlashProgress::default();
    let files = files::gather(&options.authorized_keys, &options.networks, &progress)?;
    let image = StickImage::open(&options.image)?;
    let layout = image.layout()?;
    let device = Device::open(&options.device, &image, &progress)?;
    let persist = plan_persist(&device, &layout)?;
    if !options.yes && !options.dry_run && !stdin().is_terminal() {
        return Err(usage(format!(
            "there is no terminal to ask whether {} may be overwritten: add --yes",
            device.path.display()
        )));
    }
    let verified = verify_image(&image, layout, &progress)?;
    show(&image, &verified, &device, &persist, &files);
    if options.dry_run {
        outln!("dry run: nothing was written");
        return Ok(FlashResult::DryRun);
    }
    if !options.yes {
        confirm(&device)?;
    }
    let path = device.path.display();
    let unusable = format!("{path} is not usable until it is flashed again");
    match flash(&image, &verified, &device, &files, &progress) {
        Ok(ReadBack::Matches) => {
            outln!("done: {path} can be removed (if your desktop has opened it, eject it first)");
            Ok(FlashResult::Written)
        }
        Ok(ReadBack::Differs(offset)) => {
            errln!(
                "error: {path} differs from the image at byte {offset} when it is read back: take another stick; {unusable}"
            );
            Ok(FlashResult::Differs)
        }
        Err(_) if process::check_interrupt().is_err() => Err(InterruptedWith(unusable).into()),
        Err(error) => Err(usage(format!("{}; {unusable}", one_line(&error)))),
    }
}

fn show(
    image: &StickImage,
    verified: &VerifiedImage,
    device: &Device,
    persist: &PersistPlan,
    files: &OwnerFiles,
) {
    let zstd = if image.compressed { ", zstd" } else { "" };
    outln!(
        "image      {}: {}{zstd}; {} MiB to write",
        image.path.display(),
        decimal_size(verified.length),
        verified.used / MIB
    );
    for expected in &verified.checked {
        outln!("checksum   matches {}", expected.source.display());
    }
    if verified.checked.is_empty() {
        outln!("checksum   NOT CHECKED: no SHA256SUMS or .sha256 file beside the image names it");
    }
    for (number, line) in device.describe().iter().enumerate() {
        outln!("{:10} {line}", if number == 0 { "device" } else { "" });
    }
    outln!("PERSIST    {}", persist.describe());
    for key in &files.fingerprints {
        outln!("key        {key}");
    }
    for (name, _) in &files.connections {
        outln!("network    {name}");
    }
    for warning in &files.warnings {
        outln!("WARNING    {warning}");
    }
}

/// Asks on the terminal.
fn confirm(device: &Device) -> Result<()> {
    eprint!(
        "Everything else on {} will be lost. Type `yes` to write: ",
        device.path.display()
    );
    std::io::stderr().flush()?;
    // Ctrl-C does not end a read, so another thread reads.
    let (sender, answer) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let _ = stdin().read_line(&mut line);
        let _ = sender.send(line);
    });
    loop {
        if process::check_interrupt().is_err() {
            return Err(InterruptedWith("nothing was written".to_string()).into());
        }
        match answer.recv_timeout(process::POLL) {
            Ok(line) if line.trim() == "yes" => return Ok(()),
            Ok(_) => return Err(usage("nothing was written: the answer was not `yes`")),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
