//! `flash`: write an image to a stick.

mod room;

use std::io::{IsTerminal, stdin};

use anyhow::Result;
use stick::flash::capacity::{self, Reason, Unfit};
use stick::flash::device::Device;
use stick::flash::files::{self, OwnerFiles};
use stick::flash::image::StickImage;
use stick::flash::persist::{PersistPlan, plan_persist};
use stick::flash::verify_image::{VerifiedImage, verify_image};
use stick::flash::write::{ReadBack, flash};
use stick::sums;
use stick::units::decimal_size;
use vm::process;

use super::pass_progress::PassProgress;
use crate::answer;
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
    let progress = PassProgress::default();
    let files = files::gather(&options.authorized_keys, &options.networks, &progress)?;
    let image = StickImage::open(&options.image)?;
    let layout = image.layout()?;
    let device = Device::open(&options.device, &image, &progress)?;
    let persist = plan_persist(&device, &layout, options.discard_persist)?;
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
        confirm(&device, &persist)?;
    }
    let path = device.path.display();
    let unusable = format!("{path} is not usable until it is flashed again");
    // Only where nothing behind the image is kept.
    let markers = match persist.forbids_check() {
        Some(_) => None,
        None => match capacity::check(&device, &verified, &progress) {
            Ok(markers) => Some(markers),
            Err(unfit) => return refuse_unfit(&device, unfit),
        },
    };
    match flash(
        &image,
        &verified,
        &device,
        &files,
        markers.as_ref(),
        &progress,
    ) {
        Ok(ReadBack::Matches) => {
            outln!("done: {path} can be removed (if your desktop has opened it, eject it first)");
            Ok(FlashResult::Written)
        }
        Ok(ReadBack::Smaller(stores)) => {
            errln!("error: {}; {unusable}", smaller(&device, stores));
            Ok(FlashResult::Differs)
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

/// Says why nothing was flashed, and what the check has left on the stick.
fn refuse_unfit(device: &Device, unfit: Unfit) -> Result<FlashResult> {
    let path = device.path.display();
    let left = match unfit.as_before {
        true => format!("{path} was not flashed, and all that was on it is still there"),
        false => format!(
            "{path} was not flashed, but the check of its capacity has overwritten some of what was on it"
        ),
    };
    match unfit.reason {
        Reason::Smaller(stores) => {
            errln!("error: {}; {left}", smaller(device, stores));
            Ok(FlashResult::Differs)
        }
        Reason::Failed(_) if process::check_interrupt().is_err() => {
            Err(InterruptedWith(left).into())
        }
        Reason::Failed(error) => Err(usage(format!("{}; {left}", one_line(&error)))),
    }
}

fn smaller(device: &Device, stores: u64) -> String {
    format!(
        "{} says that it has {}, but stores only about {}: return it, or take another stick",
        device.path.display(),
        decimal_size(device.size),
        decimal_size(stores)
    )
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
        "image      {}: {}{zstd}; {} to write",
        image.path.display(),
        decimal_size(verified.length),
        decimal_size(verified.used)
    );
    for expected in &verified.checked {
        outln!("checksum   matches {}", expected.source.display());
    }
    if verified.checked.is_empty() {
        outln!("checksum   NOT CHECKED: {}", unchecked(image));
    }
    for (number, line) in device.describe().iter().enumerate() {
        outln!("{:10} {line}", if number == 0 { "device" } else { "" });
    }
    let advice = match persist {
        PersistPlan::Foreign => "; with --discard-persist a new one is made, and the data is lost",
        _ => "",
    };
    outln!("PERSIST    {}{advice}", persist.describe());
    if let Some(line) = room::line(persist) {
        outln!("room       {line}");
    }
    match persist.forbids_check() {
        Some(why) => outln!("capacity   NOT CHECKED: {why}"),
        None => outln!(
            "capacity   will be checked before and after writing, with markers up to the stick's end"
        ),
    }
    for key in &files.fingerprints {
        outln!("key        {key}");
    }
    for (name, _) in &files.connections {
        outln!("network    {name}");
    }
    let more = [no_key(persist, files), room::warning(persist)];
    for warning in files.warnings.iter().chain(more.iter().flatten()) {
        outln!("WARNING    {warning}");
    }
}

/// Why no checksum could be compared.
fn unchecked(image: &StickImage) -> &'static str {
    match sums::lists_parts_of(&image.path) {
        true => {
            "SHA256SUMS lists the parts of the image, not the joined file: save the release's manifest.json beside it, or check \
             the parts with `sha256sum --check --ignore-missing SHA256SUMS`"
        }
        false => "no SHA256SUMS or .sha256 file beside the image names it",
    }
}

/// The warning that nobody can log in. A PERSIST that is kept may hold a key.
fn no_key(persist: &PersistPlan, files: &OwnerFiles) -> Option<String> {
    let kept = matches!(persist, PersistPlan::Kept { .. });
    (files.keys.is_empty() && !kept).then(|| {
        "no SSH key: unless the image has one, nobody can log in over SSH; add --authorized-key FILE, or save your key on the \
         stick as ollamalive/authorized_keys"
            .to_string()
    })
}

/// Asks on the terminal.
fn confirm(device: &Device, persist: &PersistPlan) -> Result<()> {
    let lost = match persist {
        PersistPlan::Discarded { .. } => "Everything, also PERSIST,",
        _ => "Everything else",
    };
    let question = format!(
        "{lost} on {} will be lost. Type `yes` to write: ",
        device.path.display()
    );
    match answer::ask(&question) {
        Ok(answer) if answer == "yes" => Ok(()),
        Ok(_) => Err(usage("nothing was written: the answer was not `yes`")),
        Err(_) if process::check_interrupt().is_err() => {
            Err(InterruptedWith("nothing was written".to_string()).into())
        }
        Err(error) => Err(error),
    }
}
