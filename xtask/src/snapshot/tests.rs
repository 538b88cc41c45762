use super::*;

fn snapshots(of: &[(&str, &str)]) -> BTreeMap<String, String> {
    of.iter()
        .map(|(name, text)| (name.to_string(), text.to_string()))
        .collect()
}

#[test]
fn hashes_and_versions_are_left_out() {
    let value = serde_json::json!({
        "a": "x /nix/store/ww2wf5b928m0b53dp2bdifpgqqyfshvb-openssh-10.3p1/libexec/sftp-server y",
        "b": ["/nix/store/ww2wf5b928m0b53dp2bdifpgqqyfshvb-unit-script-docker-start"],
    });
    let redacted = redact(&value);
    assert_eq!(redacted["a"], "x /nix/store/openssh/libexec/sftp-server y");
    assert_eq!(redacted["b"][0], "/nix/store/unit-script-docker-start");
}

#[test]
fn a_file_that_is_not_json_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("ssh.snap"),
        "---\nsource: x\n---\n{ not json",
    )
    .unwrap();
    let error = load(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("ssh.snap is not a snapshot with JSON inside") && error.contains(ACCEPT),
        "{error}"
    );
}

#[test]
fn an_accepted_record_is_read_back_and_has_no_difference() {
    let folder = tempfile::tempdir().unwrap();
    let old = snapshots(&[("gone", "1\n"), ("texts/fstab", "x\n")]);
    accept(folder.path(), &old).unwrap();
    let new = snapshots(&[
        ("docker", "{}\n"),
        ("scripts/a-start", "---\nexit\n"),
        ("texts/release", "26.05\n"),
    ]);
    accept(folder.path(), &new).unwrap();
    assert!(compare(folder.path(), &new).unwrap().different.is_empty());
    assert_eq!(
        load_json(folder.path()).unwrap(),
        serde_json::json!({
            "docker": {}, "scripts": { "a-start": "---\nexit\n" }, "texts": { "release": "26.05\n" }
        })
    );
}

#[test]
fn a_difference_is_shown_by_line() {
    let folder = tempfile::tempdir().unwrap();
    accept(folder.path(), &snapshots(&[("a", "1\n2\n"), ("b", "1\n")])).unwrap();
    let compared = compare(folder.path(), &snapshots(&[("a", "1\n3\n")])).unwrap();
    assert_eq!(compared.texts_skipped, None);
    assert_eq!(
        compared.different["a"],
        "--- a (recorded)\n+++ a (evaluated)\n@@ -1,2 +1,2 @@\n 1\n-2\n+3\n"
    );
    assert!(compared.different["b"].ends_with("-1\n"));
}

#[test]
fn texts_of_another_release_are_not_compared_and_the_reason_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let old = [
        ("texts/fstab", "1\n"),
        ("texts/release", "26.05\n"),
        ("a", "1\n"),
    ];
    accept(folder.path(), &snapshots(&old)).unwrap();
    let new = [
        ("texts/fstab", "2\n"),
        ("texts/release", "26.11\n"),
        ("a", "2\n"),
    ];
    let compared = compare(folder.path(), &snapshots(&new)).unwrap();
    assert_eq!(compared.different.keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!(
        compared.texts_skipped.unwrap(),
        "the texts in texts/ were recorded on NixOS 26.05, and this is NixOS 26.11"
    );
}

#[test]
fn a_plain_concern_holds_only_text() {
    let folder = tempfile::tempdir().unwrap();
    let error = render(&serde_json::json!({ "scripts": { "a": 1 } }), folder.path())
        .unwrap_err()
        .to_string();
    assert_eq!(error, "tests/contract.nix: scripts/a is 1, not text");
}
