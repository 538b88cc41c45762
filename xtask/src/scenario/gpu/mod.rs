//! The NVIDIA GPU, and what becomes of it. No machine here has one: what its driver leaves behind is made by hand.

pub mod empty_list;
pub mod late_driver;
pub mod on_the_cpu;
mod simulation;
pub mod survives_daemon_reload;
