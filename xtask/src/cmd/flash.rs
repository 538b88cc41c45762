//! `flash`: write an image to a stick.

use std::io::{IsTerminal, Write, stdin};
use std::sync::mpsc;
use std::thread;

use anyhow::Result;

use crate::cli::Flash;
use crate::error::{Broken, one_line, usage};
use stick::flash::MIB;
use stick::flash::device::{Device, gigabytes};
use stick::flash::files::{self, Files};
use stick::flash::image::Image;
use stick::flash::persist::{self, Persist};
use stick::flash::survey::{Survey, survey};
use stick::flash::write::{Outcome, flash};
use vm::process;

pub fn run(options: &Flash) -> Result<()> {
    let files = files::gather(&options.authorized_keys, &options.networks)?;
    let image = Image::open(&options.image)?;
    let layout = image.layout()?;
    let device = Device::open(&options.device, &image)?;
    let persist = persist::fate(&device, &layout)?;
    if !options.yes && !options.dry_run && !stdin().is_terminal() {
        return Err(usage(format!(
            "nobody can be asked whether {} may be overwritten: add --yes",
            device.path.display()
        )));
    }
    let survey = survey(&image, layout)?;
    show(&image, &survey, &device, &persist, &files);
    if options.dry_run {
        outln!("dry run: nothing was written");
        return Ok(());
    }
    if !options.yes {
        confirm(&device)?;
    }
    let path = device.path.display();
    let unusable = format!("{path} is not usable until it is flashed again");
    match flash(&image, &survey, &device, &files) {
        Ok(Outcome::Done) => {
            outln!(
                "done: {path} can be pulled out (if your desktop has opened it, eject it first)"
            );
            Ok(())
        }
        Ok(Outcome::Differs(offset)) => {
            errln!(
                "error: what was read back from {path} differs from the image at byte {offset}: take another stick; {unusable}"
            );
            Err(Broken.into())
        }
        Err(_) if process::check_interrupt().is_err() => {
            Err(usage(format!("interrupted: {unusable}")))
        }
        Err(error) => Err(usage(format!("{}; {unusable}", one_line(&error)))),
    }
}

fn show(image: &Image, survey: &Survey, device: &Device, persist: &Persist, files: &Files) {
    let zstd = if image.compressed { ", zstd" } else { "" };
    outln!(
        "image      {}: {}{zstd}; {} MiB of it have to be written",
        image.path.display(),
        gigabytes(survey.length),
        survey.used / MIB
    );
    for expected in &survey.checked {
        outln!("checksum   the one in {}", expected.said_by.display());
    }
    if survey.checked.is_empty() {
        outln!(
            "checksum   NOT CHECKED: neither SHA256SUMS nor a .sha256 beside the image names it"
        );
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
}

/// Asks on the terminal.
fn confirm(device: &Device) -> Result<()> {
    eprint!(
        "All else on {} will be lost. Type `yes` to write: ",
        device.path.display()
    );
    std::io::stderr().flush()?;
    // Reading does not end with Ctrl-C, so somebody else does it.
    let (tell, answer) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        let _ = stdin().read_line(&mut line);
        let _ = tell.send(line);
    });
    loop {
        if process::check_interrupt().is_err() {
            return Err(usage("interrupted: nothing was written"));
        }
        match answer.recv_timeout(process::POLL) {
            Ok(line) if line.trim() == "yes" => return Ok(()),
            Ok(_) => return Err(usage("nothing was written: the answer was not `yes`")),
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
