//! Faults around a sound machine: drives, the network, the clock, the container.
//!
//! Each `gather` first makes sure that the fault was there, because a fault that did not happen proves nothing.

pub mod archive_corrupt;
pub mod clock_at_1970;
pub mod container_killed;
pub mod dhcp_late;
pub mod drive_errors;
pub mod drive_pulled;
mod image_registry;
pub mod image_swapped;
pub mod no_network;
pub mod persist_fills_up;
mod reach;
pub mod room_for_image;

pub use reach::Reach;

use std::time::Duration;

use anyhow::Result;
use vm::PluggedIn;

use super::Context;

/// The DHCP server's delay. NetworkManager gives up its first attempt after 45 s.
const DHCP_LATE: Duration = Duration::from_secs(60);
/// How long the machine may take to notice the DHCP server: the longest pause between two requests (RFC 2131, section 4.1)
/// and one more attempt of NetworkManager.
const DHCP_NOTICED: Duration = Duration::from_secs(150);
/// How long one look may take; a missing drive must not delay it further.
const LOOK: Duration = Duration::from_secs(30);

/// What happened when the cable was plugged in, into a network whose DHCP server is late, or why SSH did not answer then. The
/// first call plugs it in.
///
/// # Errors
/// Ctrl-C was pressed, or QEMU is gone.
fn connect(cx: &mut Context) -> Result<Result<PluggedIn, String>> {
    cx.plug_in(DHCP_LATE, DHCP_NOTICED)
}
