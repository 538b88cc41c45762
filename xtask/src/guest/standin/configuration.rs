//! The recorded contract as files over Debian.

use std::path::Path;

use anyhow::Result;

use super::archive::Archive;
use super::base::Base;
use super::{accounts, fstab, quick, services, shells, units};
use crate::contract::Contract;

/// Writes the tar that the guest unpacks over the base.
pub fn write(
    contract: &Contract,
    base: &Base,
    path: &Path,
    say: &mut dyn FnMut(&str),
) -> Result<()> {
    let (archive, left_out) = compose(contract, base)?;
    if !left_out.is_empty() {
        say(&format!(
            "the stand-in guest has no {}: what is recorded for it is not tried",
            left_out.join(", ")
        ));
    }
    archive.write(path)
}

fn compose(contract: &Contract, base: &Base) -> Result<(Archive, Vec<String>)> {
    let mut archive = Archive::default();
    quick::add(&mut archive);
    shells::add(&mut archive, &contract.system, &contract.users.zsh);
    accounts::add(&mut archive, &contract.users, base)?;
    services::network(&mut archive);
    services::firewall(&mut archive, &contract.firewall);
    services::ssh(&mut archive, &contract.ssh);
    services::docker(&mut archive, &contract.docker);
    archive.file("/etc/fstab", fstab::fstab(&contract.filesystems));
    archive.file(
        "/etc/tmpfiles.d/recorded.conf",
        contract
            .tmpfiles
            .iter()
            .map(|line| format!("{line}\n"))
            .collect::<String>(),
    );
    let left_out = units::add(&mut archive, &contract.units, &base.fact("units")?);
    Ok((archive, left_out))
}
