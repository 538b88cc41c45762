//! Where Debian keeps what NixOS has in its store.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// The folder that stands for the Nix store: the recorded scripts.
pub const SCRIPTS: &str = "/etc/standin/scripts";

/// Programs that Debian keeps in /usr/sbin; the others are in /usr/bin.
const SBIN: &[&str] = &["agetty", "nft", "sshd"];
/// Files that Debian keeps in a folder of its own.
const ELSEWHERE: &[(&str, &str)] = &[("libexec/sftp-server", "/usr/lib/openssh/sftp-server")];

/// `/nix/store/<hash>-name-version[/…]`, and `/nix/store/name[/…]` as the record has it.
static STORE_PATH: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"/nix/store/([^/\s"':;]+)(?:/([^\s"':;]+))?"#).expect("a valid pattern")
});

/// `text` with Debian's paths: recorded scripts in [`SCRIPTS`], programs in /usr/bin or /usr/sbin, other files under /usr.
pub fn paths(text: &str, scripts: &[&str]) -> String {
    STORE_PATH
        .replace_all(text, |found: &Captures| {
            let inner = found.get(2).map_or("", |inner| inner.as_str());
            let last = if inner.is_empty() { &found[1] } else { inner };
            let last = last.rsplit('/').next().unwrap_or(last);
            // Without an inner path the name follows the hash.
            if let Some(script) = scripts.iter().find(|script| {
                last == **script || inner.is_empty() && last.ends_with(&format!("-{script}"))
            }) {
                return format!("{SCRIPTS}/{script}");
            }
            if let Some((_, debian)) = ELSEWHERE.iter().find(|(nix, _)| *nix == inner) {
                return (*debian).to_string();
            }
            match inner
                .strip_prefix("bin/")
                .or_else(|| inner.strip_prefix("sbin/"))
            {
                Some(program) if SBIN.contains(&program) => format!("/usr/sbin/{program}"),
                Some(program) => format!("/usr/bin/{program}"),
                None if inner.is_empty() => found[0].to_string(),
                None => format!("/usr/{inner}"),
            }
        })
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_into_the_store_are_debians() {
        for (nix, debian) in [
            (
                "#! /nix/store/abc-nftables-1.1/bin/nft -f",
                "#! /usr/sbin/nft -f",
            ),
            (
                "exec '/nix/store/docker/bin/docker' run",
                "exec '/usr/bin/docker' run",
            ),
            (
                "sftp /nix/store/x-openssh-10.3p1/libexec/sftp-server -l",
                "sftp /usr/lib/openssh/sftp-server -l",
            ),
            (
                "a=\"/nix/store/x-zsh-5.9/share/zsh/y\";",
                "a=\"/usr/share/zsh/y\";",
            ),
            (
                "/nix/store/unit-script-a-start/bin/a-start",
                "/etc/standin/scripts/a-start",
            ),
            (
                "/nix/store/ww2wf5b9-a-start x",
                "/etc/standin/scripts/a-start x",
            ),
            ("ls /nix/store", "ls /nix/store"),
        ] {
            assert_eq!(paths(nix, &["a-start"]), debian);
        }
    }
}
