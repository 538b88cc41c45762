//! A tiny container image with the configured image's name, so that the container is tested without a download of several GB.
//!
//! It holds one static program, compiled by the compiler that built the harness.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;
use stick::digest::sha256_hex;

use super::docker_archive::{self, STUB_LABEL, append, append_folder};
use vm::process;

/// An image other than the configured one.
pub const OTHER_IMAGE: &str = "other/image:1.0";
const SOURCE: &str = include_str!("../../assets/ollama-stub.rs");
const COMPILE_DEADLINE: Duration = Duration::from_secs(120);

/// Makes an archive for `docker load` that holds `image`, cached in `cache` by content. Returns its path.
pub fn archive(image: &str, cache: &Path) -> Result<PathBuf> {
    let digest = sha256_hex(format!("{image}\n{SOURCE}").as_bytes());
    let path = cache.join(format!("ollama-stub-{}.tar", &digest[..16]));
    if path.exists() {
        return Ok(path);
    }
    // Archives of other sources or another image are not used again.
    for entry in fs::read_dir(cache)?.flatten() {
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with("ollama-stub-")
        {
            let _ = fs::remove_file(entry.path());
        }
    }
    let folder = tempfile::tempdir_in(cache)?;
    let source = folder.path().join("ollama.rs");
    fs::write(&source, SOURCE)?;
    let program = folder.path().join("ollama");
    let mut compiler =
        process::command(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    compiler
        .args([
            "--edition",
            "2024",
            "-C",
            "opt-level=s",
            "-C",
            "strip=symbols",
            "-C",
            "panic=abort",
        ])
        .args(["-C", "target-feature=+crt-static", "-o"])
        .arg(&program)
        .arg(&source);
    process::run(compiler, "compiling the Ollama stub", COMPILE_DEADLINE)?;
    let made = tempfile::NamedTempFile::new_in(cache)?;
    write_archive(&fs::read(&program)?, image, made.as_file())?;
    made.persist(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Writes an archive for `docker load` to `path` that holds another image, [`OTHER_IMAGE`], which does not run.
pub fn write_other(path: &Path) -> Result<()> {
    let file =
        fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    write_archive(b"not a program", OTHER_IMAGE, file)
}

fn write_archive(program: &[u8], image: &str, to: impl Write) -> Result<()> {
    let mut layer = tar::Builder::new(Vec::new());
    append(&mut layer, "bin/ollama", 0o755, program)?;
    for folder in ["root/", "tmp/"] {
        append_folder(&mut layer, folder, 0o755)?;
    }
    let config = json!({
        "Entrypoint": ["/bin/ollama"],
        "Cmd": ["serve"],
        "Env": ["OLLAMA_HOST=0.0.0.0:11434"],
        "Labels": { STUB_LABEL: "true" },
    });
    docker_archive::write(&layer.into_inner()?, image, &config, to)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpStream;
    use std::process::Stdio;

    use super::*;

    /// The version that the stub reports; it cannot be mistaken for a real one.
    const VERSION: &str = "0.0.0-stub";

    #[test]
    fn the_stub_is_static_and_reports_its_version() {
        let cache = tempfile::tempdir().unwrap();
        let path = archive("ollama/ollama:1.2.3", cache.path()).unwrap();
        assert_eq!(
            archive("ollama/ollama:1.2.3", cache.path()).unwrap(),
            path,
            "the second time from the cache"
        );
        let mut outer = tar::Archive::new(fs::File::open(&path).unwrap());
        let mut layer = Vec::new();
        let mut names = Vec::new();
        for entry in outer.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            if name == "layer.tar" {
                entry.read_to_end(&mut layer).unwrap();
            } else if name == "manifest.json" {
                let mut text = String::new();
                entry.read_to_string(&mut text).unwrap();
                assert!(text.contains("ollama/ollama:1.2.3"), "{text}");
            }
            names.push(name);
        }
        assert_eq!(names, ["layer.tar", "config.json", "manifest.json"]);
        let root = tempfile::tempdir().unwrap();
        tar::Archive::new(&layer[..]).unpack(root.path()).unwrap();
        let mut child = process::command(root.path().join("bin/ollama"))
            .arg("serve")
            .env_clear()
            .env("OLLAMA_HOST", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line.trim().rsplit(' ').next().unwrap();
        let ask = |path: &str, body: &str| {
            let mut stream = TcpStream::connect(address).unwrap();
            let length = body.len();
            write!(
                stream,
                "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}"
            )
            .unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        let model = r#"{"model":"tiny"}"#;
        let answers = [
            ask("/api/version", ""),
            ask("/api/show", model),
            ask("/api/pull", model),
            ask("/api/show", model),
            ask("/api/tags", ""),
        ];
        child.kill().unwrap();
        child.wait().unwrap();
        for (answer, (status, words)) in answers.iter().zip([
            ("200 OK", VERSION),
            ("404", "not found"),
            ("200 OK", "success"),
            ("200 OK", "done"),
            ("200 OK", r#"{"models":[{"name":"tiny"}]}"#),
        ]) {
            let right = answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(words);
            assert!(right, "{answer}");
        }
    }
}
