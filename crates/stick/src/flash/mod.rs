//! Writing an image to a stick. Everything that can be checked beforehand is checked before the first byte is written, and the
//! partition table is written last, so that an unfinished stick is never taken for a finished one.
//!
//! The order of calls: [`files::gather`], [`image::StickImage::open`], [`device::Device::open`], [`persist::plan_persist`],
//! [`verify_image::verify_image`], [`capacity::check`] where nothing behind the image is kept, [`write::flash`]. Modules depend
//! on each other in one direction: [`write`] on [`capacity`], that on `target` and [`device`], that on [`image`], that on `os` (probing, per operating system), and that on [`disk`] (a disk, and the reasons not to write
//! to it).

pub mod capacity;
pub mod chunks;
pub mod device;
pub mod disk;
pub mod files;
pub mod image;
mod os;
pub mod persist;
mod target;
pub mod verify_image;
pub mod write;
