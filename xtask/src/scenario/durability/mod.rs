//! State across a reboot, a power cut while records are written, and a reflash. Three boots show all of it, so the first
//! promise that asks makes them, and the others share its facts.

mod clock_at_shutdown;
mod facts;
mod judge;
mod records;

pub use facts::host_keys;
pub use judge::{
    comes_back_quietly, forgets_the_rest, identity_survives, repairs_rights, survives_emptied_ends,
    survives_power_cut, survives_reflash, time_from_network,
};
pub use records::{RECORDS, start_writing, synced, whole_records};

/// The file that has to survive.
pub const DATA: &str = "/persist/home/durability";
