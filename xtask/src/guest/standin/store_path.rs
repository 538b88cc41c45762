//! Paths into the Nix store, as Debian has them.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// `/nix/store/<hash>-name-version/…`, and `/nix/store/name/…` as the snapshots have it.
static STORE_PATH: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"/nix/store/[^/\s"']+/([^\s"';]+)"#).expect("a valid pattern"));

/// Files that Debian keeps in a folder of its own.
const ELSEWHERE: &[(&str, &str)] = &[("libexec/sftp-server", "/usr/lib/openssh/sftp-server")];

/// `text` with every path into the Nix store replaced: programs by their name, which is looked up in PATH, other files
/// by the same path under /usr.
pub fn to_debian(text: &str) -> String {
    STORE_PATH
        .replace_all(text, |found: &Captures| {
            let inner = &found[1];
            if let Some((_, debian)) = ELSEWHERE.iter().find(|(nix, _)| *nix == inner) {
                return (*debian).to_string();
            }
            match inner
                .strip_prefix("bin/")
                .or_else(|| inner.strip_prefix("sbin/"))
            {
                Some(program) => program.to_string(),
                None => format!("/usr/{inner}"),
            }
        })
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::to_debian;

    #[test]
    fn recorded_and_redacted_paths() {
        let recorded = "Subsystem sftp /nix/store/ww2wf5b928m0b53dp2bdifpgqqyfshvb-openssh-10.3p1/libexec/sftp-server -l INFO";
        assert_eq!(
            to_debian(recorded),
            "Subsystem sftp /usr/lib/openssh/sftp-server -l INFO"
        );
        assert_eq!(
            to_debian("/nix/store/openssh/libexec/sftp-server"),
            "/usr/lib/openssh/sftp-server"
        );
    }

    #[test]
    fn programs_and_files() {
        assert_eq!(
            to_debian("exec '/nix/store/docker-28/bin/docker' run"),
            "exec 'docker' run"
        );
        assert_eq!(
            to_debian("a=\"/nix/store/x-zsh-5.9/share/zsh/y\";"),
            "a=\"/usr/share/zsh/y\";"
        );
        assert_eq!(to_debian("ls /nix/store"), "ls /nix/store");
    }
}
