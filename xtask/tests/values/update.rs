//! Where updates come from, and when.

use std::fs;

use libtest_mimic::Failed;
use xtask::nix::Nix;

use super::{common, quoted};

const GOOD: &str = r#"url = "https://example.org/"; publicKey = good;"#;

/// Options as an owner writes them, and words of each sentence (none where they are right).
const CASES: &[(&str, &[&str])] = &[
    ("", &[]),
    (GOOD, &[]),
    (
        r#"url = "http://192.168.1.9:8000/a/b%20c/"; publicKey = good; automatic = true;"#,
        &[],
    ),
    (
        r#"url = "https://github.com/OWNER/REPO/releases/latest/download/"; publicKey = good; automatic = true; restartAt = "04:30";"#,
        &[],
    ),
    (r#"restartAt = "23:59";"#, &[]),
    (r#"restartAt = "00:00";"#, &[]),
    (
        r#"url = "https://example.org"; publicKey = good;"#,
        &[r#"url is "https://example.org". Write the address of a folder, ending in "/", such as"#],
    ),
    (
        r#"url = "https://example.org/a"; publicKey = good;"#,
        &["ending in"],
    ),
    (
        r#"url = "example.org/"; publicKey = good;"#,
        &["Write the address of a folder"],
    ),
    (
        r#"url = "ftp://example.org/"; publicKey = good;"#,
        &["Write the address of a folder"],
    ),
    (
        r#"url = "https://example.org/a b/"; publicKey = good;"#,
        &["Write the address of a folder"],
    ),
    (r#"url = ""; publicKey = good;"#, &[r#"url is """#]),
    (
        r#"url = "https://example.org/";"#,
        &[
            "publicKey is null: only signed updates are installed. Set it to the file with the public key",
        ],
    ),
    (
        "publicKey = good;",
        &["url is null. Write the address of the releases, or leave the key out."],
    ),
    (
        r#"url = "https://example.org/"; publicKey = folder + "/none.asc";"#,
        &[
            "/none.asc, but there is no such file. Correct the name or, if the file is new, `git add` it: a flake sees only files that Git knows.",
        ],
    ),
    (
        r#"url = "https://example.org/"; publicKey = folder + "/text";"#,
        &["contains no OpenPGP public key. Name a file that `gpg --armor --export` wrote."],
    ),
    (
        r#"url = "https://example.org/"; publicKey = secret;"#,
        &[
            "contains a private key, which every stick would carry. Name a file with the public key alone",
        ],
    ),
    (
        "automatic = true;",
        &["automatic is true, but ollamalive.update.url is null. Write the address"],
    ),
    (
        r#"automatic = true; publicKey = folder + "/none.asc";"#,
        &[
            "Write the address of the releases, or leave the key out.",
            "there is no such file",
            "automatic is true",
        ],
    ),
    (
        r#"restartAt = "4:30";"#,
        &[r#"restartAt is "4:30". Write a time of day, such as "04:30"."#],
    ),
    (r#"restartAt = "24:00";"#, &["Write a time of day"]),
    (r#"restartAt = "04:60";"#, &["Write a time of day"]),
    (r#"restartAt = "daily";"#, &["Write a time of day"]),
    (r#"restartAt = "04:30 x";"#, &["Write a time of day"]),
];

/// In one evaluation, because each takes seconds.
pub fn problems(nix: &Nix) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("text"), "ssh-ed25519 AAAA\n")?;
    let path = |path: &std::path::Path| format!("(/. + {})", quoted(&path.display().to_string()));
    let root = common::root();
    let settings: Vec<String> = CASES
        .iter()
        .map(|(settings, _)| format!("{{ {settings} }}"))
        .collect();
    let answers = nix.ask(&format!(
        r#"appliance: let
          inherit (appliance.pkgs) lib;
          folder = {};
          good = {};
          secret = {};
          default = {{ automatic = false; publicKey = null; restartAt = null; url = null; }};
        in map (settings: import {} {{ inherit lib; }} (default // settings)) [ {} ]"#,
        path(folder.path()),
        path(&root.join("tests/keys/updates.asc")),
        path(&root.join("tests/keys/updates.secret.asc")),
        path(&root.join("modules/update-problems.nix")),
        settings.join(" "),
    ))?;
    let problems: Vec<Vec<String>> = serde_json::from_value(answers)?;
    assert_eq!(problems.len(), CASES.len());
    let mut wrong = Vec::new();
    for ((settings, words), found) in CASES.iter().zip(&problems) {
        let right = found.len() == words.len()
            && found.iter().zip(*words).all(|(one, words)| {
                one.starts_with("ollamalive.update.") && one.contains(words) && !one.contains('\n')
            });
        if !right {
            wrong.push(format!("{settings} {found:?}, not {words:?}"));
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("\n").into())
    }
}
