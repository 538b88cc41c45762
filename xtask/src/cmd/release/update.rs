//! The update files of a release.

use anyhow::Result;
use stick::flash::image::StickImage;
use stick::units::binary_size;
use stick::update::{LAYOUT, Update, UpdateImage};

use super::ReleasePlan;
use super::progress::PackProgress;
use crate::error::{one_line, usage};
use crate::release::image::ReleaseImage;
use crate::release::update::{conflict, published, too_long};
use crate::release::{MANIFEST, manifest, resume};

/// The name of the stick's image.
const STICK: &str = "raw";

/// What the update files are made from.
pub struct UpdateSource<'a> {
    image: &'a ReleaseImage,
    update: UpdateImage,
}

/// The update in the stick's image; None if that is not among `images`, or is of layout 1.
///
/// # Errors
/// The image is not a stick's or is incomplete, or a file of the update would be too long.
pub fn source(images: &[ReleaseImage]) -> Result<Option<UpdateSource<'_>>> {
    let Some(image) = images.iter().find(|image| image.name == STICK) else {
        return Ok(None);
    };
    let refuse = |error: anyhow::Error| usage(format!("image {STICK}: {}", one_line(&error)));
    let layout = StickImage::open(&image.path).and_then(|image| image.layout());
    if layout.map_err(refuse)?.version < LAYOUT {
        return Ok(None);
    }
    let update = UpdateImage::open(&image.path).map_err(refuse)?;
    for file in &update.files {
        if let Some(why) = too_long(&file.name, file.bytes()) {
            return Err(usage(why));
        }
    }
    Ok(Some(UpdateSource { image, update }))
}

impl ReleasePlan<'_> {
    /// Writes the update files, unless an earlier run has done so.
    pub(super) fn write_update(&self, source: &UpdateSource) -> Result<Update> {
        let (image, options) = (source.image, self.pack_options());
        if let Some(update) = resume::find_update(image, &self.out, options)? {
            self.require_own_version(&update)?;
            self.console.say("update: finished before");
            return Ok(update);
        }
        // Read before anything is written, so that a refusal changes nothing.
        let progress = || PackProgress::new("update", &self.console);
        self.console
            .say(&format!("update: reading {}", image.path.display()));
        let update = source.update.digest(&progress())?;
        self.require_own_version(&update)?;
        resume::forget_update(image, &self.out)?;
        let written = source.update.write(&self.out, &progress())?;
        if written != update {
            return Err(usage(format!(
                "{} changed while it was read: run this again once nothing writes to it",
                image.path.display()
            )));
        }
        resume::remember_update(image, &update, &self.out, options)?;
        self.console.say(&format!(
            "update: version {}, {}",
            update.version,
            binary_size(source.update.bytes())
        ));
        Ok(update)
    }

    /// Refuses a version that an earlier release gave to another system.
    fn require_own_version(&self, update: &Update) -> Result<()> {
        let before = self.out.join(MANIFEST).exists();
        // A manifest that cannot be read was not released by this program.
        if let Some(before) = before
            .then(|| manifest::read(&self.out))
            .and_then(Result::ok)
            && let Some(why) = conflict(update, &before, &self.out.display().to_string())
        {
            return Err(usage(why));
        }
        if let Some(github) = &self.github
            && let Some(why) = published(update, &github.published()?)
        {
            return Err(usage(why));
        }
        Ok(())
    }
}
