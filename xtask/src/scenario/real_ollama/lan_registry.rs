//! How the machine reaches the harness's registry: at its router's address, on the usual port.
//!
//! NTFS allows no colon in a name, and Ollama keeps a model in a folder called after its registry, port included. So the
//! registry has to be on port 80 for the machine, which turns connections there to the harness's port while the check runs.

use anyhow::Result;
use serde_json::{Value, json};

use super::api::Api;
use super::models::file;
use super::registry::{DATA_HOST, Registry};
use crate::scenario::Context;
use crate::tiny_model::Model;

/// The table of nftables that is there while the check runs.
const TABLE: &str = "ip model_registry";

/// The models that the registry has. Each is pulled by one check, which downloads it whole.
pub const PULLED: &str = "library/pulled";
pub const INTERRUPTED: &str = "library/interrupted";
/// One outside of the library, as most models of people are.
pub const SOMEONES: &str = "someone/shared";
pub const LATE: &str = "library/late";
pub const CROWDED: &str = "library/crowded";

/// Runs `act` with the registry, and its address for the machine. All promises share one registry.
///
/// # Errors
/// Those of `act`.
pub fn with_registry<T>(
    cx: &mut Context,
    act: impl FnOnce(&mut Context, &Registry, &str) -> Result<T>,
) -> Result<T> {
    let registry = cx.shared(|_| {
        let models = [PULLED, INTERRUPTED, SOMEONES, LATE, CROWDED]
            .map(|name| (name, file(Model::Alphabet, name)));
        Registry::start(models.into())
    })?;
    let router = cx.machine.lan().gateway.to_string();
    let port = registry.port;
    cx.machine.succeed(&format!(
        "nft 'table {TABLE} {{ chain output {{ type nat hook output priority -100; ip daddr {{ {router}, {DATA_HOST} }} tcp dport 80 dnat to \
         {router}:{port}; }}; }}'"
    ))?;
    let done = act(cx, &registry, &router);
    let removed = cx.machine.succeed(&format!("nft delete table {TABLE}"));
    let done = done?;
    removed?;
    Ok(done)
}

/// The name of `model` at the registry `host`.
pub fn name(host: &str, model: &str) -> String {
    format!("{host}/{model}:latest")
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
