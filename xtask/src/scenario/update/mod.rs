//! Updates: a version is fetched or pushed, tried, and kept or undone. The machine starts with the image under test, and a newer
//! image is built beside it. Other versions, broken ones among them, are derived ([`crate::update_release::derived`]).
//!
//! The promises of a scenario depend on their order: the version installed at the end of one runs in the next.

mod attempt;
mod belongings;
mod by_push;
mod falls_back;
mod from_network;
mod moves;
mod power_cuts;
mod published;
mod refuses;
mod slots;
mod speed;
mod store_damaged;
mod trial;
mod twice;
mod undoes;

pub use by_push::check as by_push;
pub use falls_back::check as falls_back;
pub use from_network::{check as from_network, keeps_persist};
pub use moves::check as moves_from_layout_1;
pub use power_cuts::check as survives_power_cut;
pub use published::NEWER;
pub use refuses::check as refuses;
pub use speed::measure as speed;
pub use store_damaged::check as store_damaged;
pub use twice::check as twice;
pub use undoes::check as undoes_crashes;
