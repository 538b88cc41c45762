//! Makes an image from a folder with a real Ollama, as its own build leaves it: `bin/ollama` and `lib/ollama`.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use vm::process;

use super::docker_archive::{self, append, append_folder};
use super::elf;
use crate::error::usage;

/// What Ollama needs since 0.30: the server, the program that runs models, and the one that `create` needs.
const PROGRAMS: &[&str] = &[
    "bin/ollama",
    "lib/ollama/llama-server",
    "lib/ollama/llama-quantize",
];
const LIST_LIBRARIES: Duration = Duration::from_secs(20);

/// Looks whether `source` holds an Ollama for a PC.
///
/// # Errors
/// A program is missing, or is for another processor.
pub fn check(source: &Path) -> Result<()> {
    let mut programs = PROGRAMS.iter();
    programs.try_for_each(|program| check_program(&source.join(program), source))
}

/// Packs the Ollama in `source` as an image called `name` into an archive in `folder`; returns its path. The programs' shared
/// libraries, the C library among them, are taken from this machine.
///
/// # Errors
/// A program is missing, is for another processor, or needs a library that is not on this machine.
pub fn pack(source: &Path, name: &str, folder: &Path) -> Result<PathBuf> {
    check(source)?;
    let mut layer = tar::Builder::new(Vec::new());
    for empty in ["root/", "tmp/", "etc/", "usr/", "usr/bin/", "usr/lib/"] {
        append_folder(&mut layer, empty, 0o755)?;
    }
    // Docker takes the home folder from here.
    append(
        &mut layer,
        "etc/passwd",
        0o644,
        b"root:x:0:0:root:/root:/bin/sh\n",
    )?;
    let mut libraries = BTreeSet::new();
    let mut files = vec![source.join("bin/ollama")];
    files.extend(all_files(&source.join("lib/ollama"))?);
    for file in &files {
        let inside = file.strip_prefix(source)?.display().to_string();
        let content = read(file)?;
        if elf::is_elf(&content) {
            libraries.extend(needed(file, source)?);
        }
        let mode = fs::metadata(file)?.permissions().mode() & 0o777;
        append(&mut layer, &format!("usr/{inside}"), mode, &content)?;
    }
    for library in &libraries {
        let inside = library.trim_start_matches('/');
        append(&mut layer, inside, 0o755, &read(Path::new(library))?)?;
    }
    // As in the published image; without a GPU, the environment variables for one do no harm and are left out.
    let config = json!({
        "Entrypoint": ["/usr/bin/ollama"],
        "Cmd": ["serve"],
        "Env": ["PATH=/usr/bin", "HOME=/root", "OLLAMA_HOST=0.0.0.0:11434"],
    });
    let path = folder.join("ollama-from-folder.tar");
    let file =
        fs::File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    docker_archive::write(&layer.into_inner()?, name, &config, file)?;
    Ok(path)
}

fn check_program(program: &Path, source: &Path) -> Result<()> {
    let place = program.display();
    let content = fs::read(program).map_err(|_| {
        usage(format!(
            "--ollama {}: {place} is missing: give a folder with {}, or an archive of `docker save`",
            source.display(),
            PROGRAMS.join(", ")
        ))
    })?;
    match elf::processor(&content) {
        Some(elf::X86_64) => Ok(()),
        Some(_) => Err(usage(format!(
            "{place} is for another processor: give an Ollama for linux/amd64"
        ))),
        None => Err(usage(format!(
            "{place} is not a Linux program: give an Ollama for linux/amd64"
        ))),
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Every file below `folder`, links followed.
fn all_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(all_files(&path)?);
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The shared libraries of `program` that are not in `source`, the dynamic linker among them.
fn needed(program: &Path, source: &Path) -> Result<Vec<String>> {
    let mut list = process::command("ldd");
    list.arg(program);
    // A program without any makes ldd fail.
    let Ok(text) = process::run(list, "ldd", LIST_LIBRARIES) else {
        process::check_interrupt()?;
        return Ok(Vec::new());
    };
    libraries(&text)
        .map_err(|library| {
            usage(format!(
                "{} needs {library}, which is not on this machine: install it, or put it into {}",
                program.display(),
                source.join("lib/ollama").display()
            ))
        })
        .map(|paths| {
            let outside = |path: &String| !Path::new(path).starts_with(source);
            paths.into_iter().filter(outside).collect()
        })
}

/// The paths in the output of ldd(1), or the name of a library that was not found.
fn libraries(listed: &str) -> Result<Vec<String>, String> {
    let mut paths = Vec::new();
    for line in listed.lines() {
        let line = line.trim();
        let (name, path) = match line.split_once(" => ") {
            Some((name, path)) => (name, path),
            None => (line, line),
        };
        if path == "not found" {
            return Err(name.to_string());
        }
        // The kernel's own has no path.
        let path = path.split(" (0x").next().unwrap_or(path);
        if path.starts_with('/') {
            paths.push(path.to_string());
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_those_with_a_path() {
        let listed = "\tlinux-vdso.so.1 (0x00007ffc)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\
                      \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        assert_eq!(
            libraries(listed).unwrap(),
            [
                "/lib/x86_64-linux-gnu/libc.so.6",
                "/lib64/ld-linux-x86-64.so.2"
            ]
        );
        assert_eq!(
            libraries("\tlibgomp.so.1 => not found\n").unwrap_err(),
            "libgomp.so.1"
        );
    }

    /// A folder with programs that are this test itself.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for program in PROGRAMS {
            let path = folder.path().join(program);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::copy("/bin/true", path).unwrap();
        }
        folder
    }

    #[test]
    fn each_program_must_be_there_and_run_on_a_pc() {
        let out = tempfile::tempdir().unwrap();
        let refused = |folder: &Path| pack(folder, "o/o:1", out.path()).unwrap_err().to_string();
        for program in PROGRAMS {
            let source = folder();
            let path = source.path().join(program);
            fs::remove_file(&path).unwrap();
            let error = refused(source.path());
            assert!(
                error.contains(&format!("{} is missing", path.display())),
                "{error}"
            );
            fs::write(&path, "#!/bin/sh\n").unwrap();
            assert!(refused(source.path()).contains("is not a Linux program"));
            let mut arm = fs::read("/bin/true").unwrap();
            arm[18] = 183;
            fs::write(&path, arm).unwrap();
            assert!(refused(source.path()).contains("is for another processor"));
        }
    }

    #[test]
    fn a_folder_with_the_server_alone_is_refused_on_one_line() {
        let source = folder();
        fs::remove_dir_all(source.path().join("lib")).unwrap();
        let place = source.path().display();
        assert_eq!(
            check(source.path()).unwrap_err().to_string(),
            format!(
                "--ollama {place}: {place}/lib/ollama/llama-server is missing: give a folder with bin/ollama, \
                 lib/ollama/llama-server, lib/ollama/llama-quantize, or an archive of `docker save`"
            )
        );
    }

    #[test]
    fn the_image_has_the_programs_and_the_c_library() {
        let (source, out) = (folder(), tempfile::tempdir().unwrap());
        let archive = pack(source.path(), "o/o:1", out.path()).unwrap();
        crate::ollama_image::saved::check(&archive, "o/o:1").unwrap();
        let mut outer = tar::Archive::new(fs::File::open(&archive).unwrap());
        let mut layer = outer.entries().unwrap().next().unwrap().unwrap();
        let mut layer = tar::Archive::new(&mut layer);
        let names: Vec<String> = layer
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        for name in [
            "usr/bin/ollama",
            "usr/lib/ollama/llama-server",
            "etc/passwd",
        ] {
            assert!(names.contains(&name.to_string()), "{names:?}");
        }
        assert!(
            names.iter().any(|name| name.ends_with("/libc.so.6")),
            "{names:?}"
        );
        assert!(
            names.iter().any(|name| name.contains("ld-linux")),
            "{names:?}"
        );
    }
}
