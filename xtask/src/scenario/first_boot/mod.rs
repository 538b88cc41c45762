//! The first boot of a fresh stick, with the owner's files on its FAT partition (ESP).

pub mod esp_connection;
pub mod esp_key;
pub mod persist_created;
pub mod report;
