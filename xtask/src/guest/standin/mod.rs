//! The stand-in guest: Debian, configured from the recorded contract, for machines that cannot realise the NixOS image.
//!
//! It boots a real kernel, sshd, netfilter and Docker. It proves the harness and the recorded configuration, not NixOS.
//! It has two parts: the [`base`], the same for every configuration and cached by content, and the [`configuration`], a
//! tar of the recorded texts, which the guest unpacks over the base while it boots. [`debian`] has the few rules that
//! fit NixOS's texts to Debian.

mod accounts;
mod archive;
mod base;
mod boot_tuning;
mod bootstrap;
mod configuration;
mod debian;
mod failure;
mod recipe;
mod repart;
mod services;
mod shells;
mod stick;
mod units;

use std::path::Path;

use anyhow::Result;
use uuid::Uuid;

use ::stick::gpt;
use vm::{Boot, kernel_args};

use super::{Guest, GuestKind};
use crate::contract::Contract;
use crate::packages::{Need, need};

/// What it needs on the host.
pub fn needs() -> Vec<Need> {
    let mut needs = vec![
        need("mmdebstrap", "mmdebstrap"),
        need("genext2fs", "genext2fs"),
        need(
            "/usr/share/keyrings/debian-archive-keyring.gpg",
            "debian-archive-keyring",
        ),
    ];
    // Without root, mmdebstrap works in a user namespace.
    if !nix::unistd::geteuid().is_root() {
        needs.push(need("newuidmap", "uidmap"));
    }
    needs
}

/// MiB; Docker with one small container fits into half of it, the rest is the root's tmpfs.
const MEMORY: u32 = 1280;
/// The security modules are those of NixOS, less the programmable one.
const APPEND: &str = "quiet lsm=landlock,yama panic=-1";

/// Makes the base unless it is in `cache`, and the configuration in `work`; `say` announces the slow steps.
///
/// # Errors
/// mmdebstrap or genext2fs is missing or fails, the disk is full, or a file cannot be written.
pub fn prepare(
    contract: &Contract,
    cache: &Path,
    work: &Path,
    say: &mut dyn FnMut(&str),
) -> Result<Guest> {
    let base = base::ensure(cache, contract.image.disk_id, say)?;
    let configuration = work.join("configuration.tar");
    configuration::write(contract, &base, &configuration, say)?;
    Ok(Guest {
        kind: GuestKind::Standin,
        boot: Boot::Direct {
            kernel: base.kernel(),
            initrd: base.initrd(),
            append: append(
                &contract.system.kernel_params,
                gpt::partition_id(&base.image(), "ESP")?,
            ),
        },
        image: base.image(),
        newer: None,
        configuration: Some(configuration),
        memory: MEMORY,
        description: format!(
            "Debian {} configured from the recorded configuration: proves the harness and that configuration, not NixOS",
            recipe::SUITE
        ),
    })
}

/// The recorded consoles and this guest's own arguments. It has no firmware, so the kernel's arguments name the stick that
/// it was started from.
fn append(recorded: &[String], esp: Uuid) -> String {
    let consoles = recorded
        .iter()
        .filter(|argument| argument.starts_with("console="))
        .map(String::as_str);
    let started_from = format!("ollamalive.esp={esp}");
    consoles
        .chain([APPEND, kernel_args::emulated(), &started_from])
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_the_consoles_are_taken_from_the_recorded_arguments() {
        let recorded = ["console=tty0", "root=fstab", "console=ttyS0,115200"].map(String::from);
        assert_eq!(
            super::append(&recorded, uuid::Uuid::from_u128(5)),
            format!(
                "console=tty0 console=ttyS0,115200 {} {} ollamalive.esp=00000000-0000-0000-0000-000000000005",
                super::APPEND,
                super::kernel_args::emulated()
            )
        );
    }
}
