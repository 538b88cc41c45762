//! The sticks and drives that machines boot with, in the states in which owners have them.

mod filesystems;
mod internal;
mod owner_files;
mod plugged_in;
mod setup;
pub mod stick_image;

pub use owner_files::{CONNECTION, FOREIGN, NOTEPADS_KEY, ODD_CONNECTION};
pub use plugged_in::{PluggedDisks, describe};
pub use setup::{Damage, DiskSetup};
pub use stick_image::Emptied;

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use stick::gpt::{self, ALIGNMENT};
use uuid::Uuid;
use vm::Disk;
use vm::ssh::Key;

use self::filesystems::models_drive;
use self::stick_image::StickImage;
use crate::ollama_image::stub;

/// Room for PERSIST on a stick, beside a large image of Ollama. The file is sparse.
const PERSIST_BYTES: u64 = 2 << 30;
/// Room for PERSIST where little is stored.
const SMALL_BYTES: u64 = 256 << 20;
/// Room for PERSIST on a fresh stick, which a test fills.
const FRESH_BYTES: u64 = 512 << 20;
/// What a larger stick has more.
const MORE_BYTES: u64 = 256 << 20;
/// A breakable RSA key (1024 bits); its private half was thrown away.
pub const WEAK_KEY: &str = include_str!("../../assets/weak-key.pub");
/// The serial number of the models drive.
pub const MODELS: &str = "models";
/// The serial number of the PC's own disk.
pub const INTERNAL: &str = "internal";
/// The serial number of a stick beside the one that the machine is booted from.
pub const OTHER_STICK: &str = "other-stick";
/// The file on the models drive whose sector is unreadable.
pub const UNREADABLE: &str = "unreadable";
/// A file that is not an archive, and sorts before the archive of Ollama's image.
pub const BROKEN_ARCHIVE: &str = "a-broken.tar";
/// An archive of another image; it sorts before that of Ollama's image, too.
pub const OTHER_ARCHIVE: &str = "b-other.tar";
/// The file that identifies a PERSIST in use.
pub const MARKER: &str = "home/whose";

/// Makes sticks and drives.
#[derive(Debug, Clone)]
pub struct DiskFixtures {
    /// The image to flash.
    pub image: PathBuf,
    /// The name of the PERSIST partition.
    pub persist: String,
    /// The models drive: `LABEL=…` or `UUID=…`.
    pub models: Option<String>,
    pub owner: Key,
    /// The owner's account.
    pub user: String,
    /// The archive of Ollama's container image.
    pub ollama: PathBuf,
}

impl DiskFixtures {
    /// Makes the disks of `setup` in `folder`, which is created if need be: the stick, and the disks beside it.
    pub fn make(&self, setup: DiskSetup, folder: &Path) -> Result<(StickImage, Vec<Disk>)> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        match setup {
            DiskSetup::Complete => {
                let stick = self.in_use(folder, "stick.img", self.room(), "ours", &no_more)?;
                // As if it had been copied to a larger stick.
                OpenOptions::new()
                    .write(true)
                    .open(&stick.path)?
                    .set_len(fs::metadata(&stick.path)?.len() + MORE_BYTES)?;
                let mut disks = self.models_drive(folder)?;
                let path = folder.join("internal.img");
                internal::make(&path)?;
                disks.push(Disk::new(path, INTERNAL));
                Ok((stick, disks))
            }
            DiskSetup::None => Ok((self.too_small(folder)?, Vec::new())),
            DiskSetup::Fresh => Ok((self.fresh(folder)?, self.models_drive(folder)?)),
            DiskSetup::TwoSticks => {
                let stick = self.in_use(folder, "stick.img", self.room(), "ours", &no_more)?;
                let other = self.in_use(folder, "other.img", self.room(), "another's", &no_more)?;
                // Every image has an ESP with an id of its own; here both sticks come from the same one.
                gpt::set_partition_id(&other.path, "ESP", Uuid::from_u128(0x4f4c))?;
                let mut disks = self.models_drive(folder)?;
                disks.push(beside(other));
                Ok((stick, disks))
            }
            DiskSetup::Damaged(damage) => self.damaged(folder, damage),
            DiskSetup::BadSector => {
                let stick = self.in_use(folder, "stick.img", self.room(), "ours", &no_more)?;
                let mut disks = self.models_drive(folder)?;
                for drive in &mut disks {
                    filesystems::put_on_ntfs(&drive.path, "good", b"readable", folder)?;
                    drive.bad_sector = Some(filesystems::put_unreadable(
                        &drive.path,
                        UNREADABLE,
                        folder,
                    )?);
                }
                Ok((stick, disks))
            }
            DiskSetup::Causes => {
                let stick = self.in_use(folder, "stick.img", self.room(), "ours", &no_more)?;
                Ok((stick, self.models_drive(folder)?))
            }
            DiskSetup::Updates => {
                let stick = self.in_use(folder, "stick.img", self.room(), "ours", &no_more)?;
                stick.soil_slot_b()?;
                Ok((stick, self.models_drive(folder)?))
            }
            DiskSetup::BadDay => {
                let unusable = |content: &Path| {
                    let images = content.join("images");
                    fs::write(images.join(BROKEN_ARCHIVE), "not a tar")?;
                    stub::write_other(&images.join(OTHER_ARCHIVE))
                };
                let stick = self.in_use(folder, "stick.img", self.room(), "ours", &unusable)?;
                Ok((stick, self.models_drive(folder)?))
            }
        }
    }

    /// Bytes for PERSIST: what a large image of Ollama takes as an archive and unpacked, in steps of 256 MiB, and the usual room.
    fn room(&self) -> u64 {
        PERSIST_BYTES + (self.ollama_bytes() >> 26 << 28)
    }

    /// As [`SMALL_BYTES`], with room for a large archive.
    fn small(&self) -> u64 {
        SMALL_BYTES + (self.ollama_bytes() >> 26 << 26)
    }

    /// The size of the archive of Ollama's image.
    fn ollama_bytes(&self) -> u64 {
        fs::metadata(&self.ollama).map_or(0, |meta| meta.len())
    }

    /// How long a machine may take to load the archive, under emulation and to a slow stick.
    pub fn loading(&self) -> Duration {
        const BYTES_PER_SECOND: u64 = 4 << 20;
        Duration::from_secs(self.ollama_bytes() / BYTES_PER_SECOND)
    }

    /// A stick with the image on it and `room` bytes behind that.
    fn flash(&self, folder: &Path, name: &str, room: u64) -> Result<StickImage> {
        let start = gpt::partition(&self.image, &self.persist)?.offset;
        StickImage::flash(&self.image, &folder.join(name), start + room)
    }

    /// A stick that holds the image, and ends before PERSIST.
    fn too_small(&self, folder: &Path) -> Result<StickImage> {
        let start = gpt::partition(&self.image, &self.persist)?.offset;
        let end = u64::midpoint(fs::metadata(&self.image)?.len(), start);
        StickImage::flash(
            &self.image,
            &folder.join("stick.img"),
            end / ALIGNMENT * ALIGNMENT,
        )
    }

    /// A stick in use, whose PERSIST extends to its end. `whose` is the content of its marker, and `more` adds files; the
    /// machine creates all other folders at boot.
    fn in_use(
        &self,
        folder: &Path,
        name: &str,
        room: u64,
        whose: &str,
        more: &dyn Fn(&Path) -> Result<()>,
    ) -> Result<StickImage> {
        let stick = self.flash(folder, name, room)?;
        let content = folder.join(format!("{name}.persist"));
        self.write_ssh(&content)?;
        fs::create_dir_all(content.join("images"))?;
        fs::create_dir_all(content.join("home"))?;
        fs::write(content.join(MARKER), whose)?;
        fs::copy(&self.ollama, content.join("images/ollama.tar"))?;
        more(&content)?;
        let length = gpt::grow(&stick.path, &self.persist)?.length;
        stick.format(&self.persist, length, &content)?;
        fs::remove_dir_all(&content)?;
        Ok(stick)
    }

    /// Writes the files under ssh/ of a machine that has booted before. Returns its host key.
    fn write_ssh(&self, content: &Path) -> Result<Key> {
        let ssh = content.join("ssh");
        fs::create_dir_all(&ssh)?;
        fs::write(
            ssh.join("authorized_keys"),
            format!("{}\n", self.owner.public),
        )?;
        Key::generate(&ssh, "ssh_host_ed25519_key")
    }

    fn models_drive(&self, folder: &Path) -> Result<Vec<Disk>> {
        let Some(id) = &self.models else {
            return Ok(Vec::new());
        };
        let path = folder.join("models.img");
        models_drive(&path, id)?;
        Ok(vec![Disk::new(path, MODELS).removable()])
    }

    /// A freshly flashed stick with an owner's files on the ESP.
    fn fresh(&self, folder: &Path) -> Result<StickImage> {
        let stick = self.flash(folder, "stick.img", FRESH_BYTES)?;
        owner_files::put(&stick, &self.owner.public)?;
        Ok(stick)
    }

    fn damaged(&self, folder: &Path, damage: Damage) -> Result<(StickImage, Vec<Disk>)> {
        let mut beside_it = Vec::new();
        let mut stick = match damage {
            Damage::Full => {
                // The folders that an earlier boot has created: a full disk has no room for them.
                let home = format!("home/{}", self.user);
                let folders = |content: &Path| {
                    [
                        "docker", "journal", "network", "nixos", "ollama", "timers", &home,
                    ]
                    .iter()
                    .try_for_each(|folder| Ok(fs::create_dir_all(content.join(folder))?))
                };
                let stick = self.in_use(folder, "stick.img", self.small(), "ours", &folders)?;
                stick.fill(&self.persist, folder)?;
                stick
            }
            _ => self.in_use(folder, "stick.img", self.room(), "ours", &no_more)?,
        };
        let key = format!("{}\n", self.owner.public);
        stick.put("authorized_keys", key.as_bytes())?;
        match damage {
            Damage::Garbage => stick.garble(&self.persist, 1 << 20)?,
            Damage::Truncated => {
                let start = stick.partition(&self.persist)?.offset;
                stick.cut_off(start + self.small())?;
                gpt::grow(&stick.path, &self.persist)?;
            }
            Damage::Full => {}
            Damage::ReadOnly => stick.read_only = true,
            Damage::Twin => {
                let path = folder.join("twin.img");
                let twin = StickImage::flash(&stick.path, &path, fs::metadata(&stick.path)?.len())?;
                beside_it.push(beside(twin));
            }
        }
        Ok((stick, beside_it))
    }
}

/// Adds no files to a stick in use.
fn no_more(_: &Path) -> Result<()> {
    Ok(())
}

fn beside(stick: StickImage) -> Disk {
    Disk::new(stick.path, OTHER_STICK).removable()
}
