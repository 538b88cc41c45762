//! `setup`: install the packages that the tests need.

use anyhow::Result;

use crate::cli::Consent;
use crate::exit::Exit;
use crate::{guest, packages};

pub fn run(options: &Consent) -> Result<Exit> {
    packages::ensure(options.yes, &guest::needs(None))?;
    outln!("all packages that the tests need are installed");
    Ok(Exit::Ok)
}
