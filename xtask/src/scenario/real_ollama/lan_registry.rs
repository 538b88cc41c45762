//! How the machine reaches the harness's registry: at its router's address, on the usual port.
//!
//! NTFS allows no colon in a name, and Ollama keeps a model in a folder called after its registry, port included. So the
//! registry has to be on port 80 for the machine, which turns connections there to the harness's port while the check runs.

use anyhow::Result;
use serde_json::{Value, json};

use super::api::Api;
use super::registry::{DATA_HOST, Registry};
use crate::scenario::Context;

/// The table of nftables that is there while the check runs.
const TABLE: &str = "ip model_registry";

/// Runs `act` with the registry's address for the machine.
///
/// # Errors
/// Those of `act`.
pub fn with_address<T>(
    cx: &mut Context,
    registry: &Registry,
    act: impl FnOnce(&mut Context, &str) -> Result<T>,
) -> Result<T> {
    let router = cx.machine.lan().gateway.to_string();
    let port = registry.port;
    cx.machine.succeed(&format!(
        "nft 'table {TABLE} {{ chain output {{ type nat hook output priority -100; ip daddr {{ {router}, {DATA_HOST} }} tcp dport 80 dnat to \
         {router}:{port}; }}; }}'"
    ))?;
    let done = act(cx, &router);
    let removed = cx.machine.succeed(&format!("nft delete table {TABLE}"));
    let done = done?;
    removed?;
    Ok(done)
}

/// The name of `model` at the registry `host`.
pub fn name(host: &str, model: &str) -> String {
    format!("{host}/library/{model}:latest")
}

/// Pulls `model` from the registry `host`, without encryption.
///
/// # Errors
/// The server's words.
pub fn pull(api: &Api, host: &str, model: &str) -> Result<()> {
    let done = api.post("/api/pull", &pull_request(host, model, false))?;
    anyhow::ensure!(done["status"] == "success", "pull: {done}");
    Ok(())
}

pub fn pull_request(host: &str, model: &str, stream: bool) -> Value {
    json!({
        "model": format!("http://{}", name(host, model)),
        "insecure": true,
        "stream": stream,
    })
}
