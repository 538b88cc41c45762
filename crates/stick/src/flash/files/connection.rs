//! Connections of NetworkManager.

use std::path::Path;

use anyhow::{Error, Result};

use super::content;

/// What to do where there is no such file, or no connection in it.
const COPY_CONNECTION: &str = "copy one from /etc/NetworkManager/system-connections";

/// Name and content of the file at `path`, if the machine would import it.
pub fn connection(path: &Path) -> Result<(String, Vec<u8>)> {
    let refuse = |why: &str| Error::msg(format!("{} {why}", path.display()));
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let good = |letter: char| !letter.is_control() && !"\"*/:<>?\\|\u{fffd}".contains(letter);
    let (true, true, false) = (
        name.ends_with(".nmconnection"),
        name.chars().all(good),
        name.starts_with('.'),
    ) else {
        return Err(refuse(
            "has a name that the machine ignores: call it NAME.nmconnection",
        ));
    };
    let content = content(path, COPY_CONNECTION)?;
    let text = String::from_utf8_lossy(&content);
    let section = text
        .trim_start_matches('\u{feff}')
        .lines()
        .any(|line| line == "[connection]");
    let of_a_type = text
        .lines()
        .any(|line| line.starts_with("type=") || line.starts_with("type ="));
    if !section || !of_a_type {
        return Err(refuse(&format!(
            "is not a connection of NetworkManager (it has no [connection] with a type=): {COPY_CONNECTION}"
        )));
    }
    Ok((name, content))
}
