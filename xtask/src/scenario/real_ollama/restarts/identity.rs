//! The key that Ollama makes at its first start, and is known by at ollama.com.

use anyhow::Result;

use crate::contract::Models;
use crate::scenario::{Context, Finding, of_container};

const KEY: &str = "id_ed25519";
/// The server's own folder on PERSIST.
const STATE: &str = "/persist/ollama";

#[derive(Debug, Clone)]
pub struct Identity {
    /// The public half that the server uses.
    pub used: String,
    /// The one on PERSIST.
    pub kept: String,
    /// The private half's rights and owner, as `600 root`.
    pub rights: String,
    /// Keys in the folder for models.
    pub beside_models: String,
}

pub fn gather(cx: &mut Context) -> Result<Identity> {
    let ollama = &cx.contract.ollama;
    let (container, beside) = (&ollama.container, beside(&cx.contract.models));
    let [used, kept, rights, beside_models] = cx.exec([
        &format!(
            "cat {}.pub",
            of_container(container, &format!("root/root/.ollama/{KEY}"))
        ),
        &format!("cat {STATE}/{KEY}.pub"),
        &format!("stat -c '%a %U' {STATE}/{KEY}"),
        &format!("ls {beside} | grep {KEY}"),
    ])?;
    Ok(Identity {
        used: used.text,
        kept: kept.text,
        rights: rights.text,
        beside_models: beside_models.text,
    })
}

/// Where earlier versions of this appliance kept the key.
fn beside(models: &Models) -> &'static str {
    match models.drive {
        Some(_) => "/mnt/models/ollama",
        None => "/persist/models",
    }
}

/// Puts the key to where earlier versions of this appliance kept it, and starts the server again.
pub fn put_on_drive(cx: &mut Context) -> Result<()> {
    let ollama = &cx.contract.ollama;
    let (unit, beside) = (&ollama.unit, beside(&cx.contract.models));
    cx.machine.succeed(&format!(
        "systemctl stop {unit} && mkdir -p {beside} && mv {STATE}/{KEY} {STATE}/{KEY}.pub {beside}/ && systemctl start --no-block {unit}"
    ))?;
    Ok(())
}

pub fn judge(identities: &[(&'static str, Identity)]) -> Finding {
    let mut faults = Vec::new();
    let first = identities
        .first()
        .map_or("", |(_, identity)| &identity.used);
    if !first.starts_with("ssh-ed25519 ") {
        faults.push(format!("the server has no key: {first}"));
    }
    for (when, identity) in identities {
        let mut fault = |what: String| faults.push(format!("{when}: {what}"));
        if identity.used != first {
            fault("the server uses another key".to_string());
        }
        if identity.kept != identity.used {
            fault(format!("PERSIST does not have the key: {}", identity.kept));
        }
        if identity.rights != "600 root" {
            fault(format!("the private key's rights are {}", identity.rights));
        }
        if !identity.beside_models.is_empty() {
            let keys = identity.beside_models.replace('\n', ", ");
            fault(format!("there are keys beside the models: {keys}"));
        }
    }
    let occasions: Vec<&str> = identities.iter().map(|(when, _)| *when).collect();
    let kept = format!(
        "the same key on PERSIST, readable by root only: {}",
        occasions.join(", ")
    );
    Finding::from_faults(&faults, kept)
}
