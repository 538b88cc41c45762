//! Writes the archive of `docker save` (Docker image specification 1.2): a manifest, a configuration, a layer.

use std::io::Write;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use stick::digest::sha256_hex;

/// The label of the stub's image. A real server has none of that name.
pub const STUB_LABEL: &str = "ollamalive.stub";

/// Writes an image called `name` with one `layer` (a tar archive). `config` is what the image specification calls so: entry
/// point, environment, labels.
pub fn write(layer: &[u8], name: &str, config: &Value, to: impl Write) -> Result<()> {
    let configuration = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": config,
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", sha256_hex(layer))] },
    });
    let manifest =
        json!([{ "Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"] }]);
    let mut archive = tar::Builder::new(to);
    append(&mut archive, "layer.tar", 0o644, layer)?;
    for (file, content) in [("config.json", configuration), ("manifest.json", manifest)] {
        append(&mut archive, file, 0o644, content.to_string().as_bytes())?;
    }
    archive.finish()?;
    Ok(())
}

/// Adds a file.
pub fn append(
    archive: &mut tar::Builder<impl Write>,
    name: &str,
    mode: u32,
    content: &[u8],
) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    archive
        .append_data(&mut header, name, content)
        .with_context(|| format!("cannot pack {name}"))
}

/// Adds an empty folder; `name` ends with a slash.
pub fn append_folder(archive: &mut tar::Builder<impl Write>, name: &str, mode: u32) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Directory);
    header.set_mode(mode);
    header.set_size(0);
    archive
        .append_data(&mut header, name, std::io::empty())
        .with_context(|| format!("cannot pack {name}"))
}
