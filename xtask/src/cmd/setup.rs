//! `setup`: install what the tests need.

use anyhow::Result;

use crate::cli::Consent;
use crate::packages;

pub fn run(options: &Consent) -> Result<()> {
    packages::ensure(options.yes, None)?;
    tell!("everything that the tests need is installed");
    Ok(())
}
