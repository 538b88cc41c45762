//! `verify`: is what was downloaded what was released?

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::cli::Verify;
use crate::error::{Broken, usage};
use crate::release::check::{Finding, Folder};

pub fn run(options: &Verify) -> Result<()> {
    let path = &options.path;
    let (mut held, mut broken) = (0, 0);
    let mut told = |finding: &Finding| match &finding.fault {
        None => {
            held += 1;
            outln!("ok      {}", finding.name);
        }
        Some(fault) => {
            broken += 1;
            outln!("BROKEN  {}: {fault}", finding.name);
        }
    };
    if path.is_dir() {
        let folder = Folder::open(path)?;
        folder.check_all(&mut told)?;
        for name in folder.unlisted()? {
            outln!("not of the release: {name}");
        }
    } else {
        let (folder, file) = place(path)?;
        Folder::open(&folder)?.check_one(&file, &mut told)?;
    }
    if broken > 0 {
        outln!("{broken} broken, {held} hold: download what is broken again");
        return Err(Broken.into());
    }
    outln!("{held} hold, nothing is broken");
    Ok(())
}

/// The folder that `path` is in, and its name there.
fn place(path: &Path) -> Result<(PathBuf, String)> {
    let name = path.file_name().and_then(|name| name.to_str());
    match (path.is_file(), name, path.parent()) {
        (true, Some(name), Some(folder)) => {
            let here = folder.as_os_str().is_empty();
            let folder = if here { Path::new(".") } else { folder };
            Ok((folder.to_path_buf(), name.to_string()))
        }
        _ => Err(usage(format!(
            "there is no file or folder {}: name the release's folder, or one of its files",
            path.display()
        ))),
    }
}
