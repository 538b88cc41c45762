//! modules/models-folder.sh on folders in the place of the models drive.

#![allow(
    clippy::disallowed_methods,
    reason = "tests start programs as systemd would"
)]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Arguments, Failed};

/// What a case makes: a folder with models, one without, or neither.
#[derive(Clone, Copy)]
enum Make {
    Models(&'static str),
    Empty(&'static str),
    Folder(&'static str),
}
use Make::{Empty, Folder, Models};

struct Case {
    make: &'static [Make],
    /// What is configured.
    folder: &'static str,
    /// The folder on the drive that is served.
    served: &'static str,
    /// Others, which are named.
    others: &'static [&'static str],
}

const CASES: &[Case] = &[
    case(&[], "", "/ollama/models"),
    case(&[Folder("Ollama")], "", "/Ollama/models"),
    case(&[Models("ollama/models")], "", "/ollama/models"),
    case(&[Models("ollama")], "", "/ollama"),
    case(&[Models(".")], "", ""),
    case(&[Models("OLLAMA/Models")], "", "/OLLAMA/Models"),
    // Earlier versions made the first.
    case(&[Empty("ollama/models"), Models(".")], "", ""),
    case(&[Empty("ollama"), Empty(".")], "", "/ollama"),
    // Windows' own folders are not models.
    case(
        &[Folder("blobs"), Folder("$RECYCLE.BIN")],
        "",
        "/ollama/models",
    ),
    Case {
        make: &[Models("ollama/models"), Models("ollama"), Models(".")],
        folder: "",
        served: "/ollama/models",
        others: &["/ollama", ""],
    },
    case(&[Models(".")], "Games/[1] Models", "/Games/[1] Models"),
    case(
        &[Models("games/[1] models")],
        "Games/[1] Models",
        "/games/[1] models",
    ),
    case(&[Models("ollama")], ".", ""),
];

const fn case(make: &'static [Make], folder: &'static str, served: &'static str) -> Case {
    Case {
        make,
        folder,
        served,
        others: &[],
    }
}

fn main() {
    let trials = vec![common::trial(
        "models_are_found_where_windows_keeps_them",
        &["bash", "find"],
        || CASES.iter().try_for_each(found),
    )];
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn found(case: &Case) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let root = folder.path().join("a drive");
    fs::create_dir(&root)?;
    for make in case.make {
        let (Models(at) | Empty(at) | Folder(at)) = *make;
        let at = root.join(at);
        fs::create_dir_all(&at)?;
        if !matches!(make, Folder(_)) {
            fs::create_dir_all(at.join("blobs"))?;
            fs::create_dir_all(at.join("manifests/r/l/m"))?;
        }
        if matches!(make, Models(_)) {
            fs::write(at.join("manifests/r/l/m/latest"), "{}")?;
        }
    }
    let before = tree(&root)?;
    let notice = folder.path().join("notice");
    let script = fs::read_to_string(common::root().join("modules/models-folder.sh"))?;
    let script = script.replace(
        "several=/run/ollamalive/notices/folder",
        "several=\"$test_notice\"",
    );
    let output = Command::new("bash")
        .args(["-e", "-c", &format!("{script}\nprintf %s \"$models\" >&2")])
        .env("root", &root)
        .env("folder", case.folder)
        .env("test_notice", &notice)
        .output()?;
    let inside = |path: &str| format!("{}{path}", root.display());
    assert_eq!(String::from_utf8_lossy(&output.stderr), inside(case.served));
    assert!(output.status.success());
    let said = fs::read_to_string(&notice).unwrap_or_default();
    assert_eq!(said.is_empty(), case.others.is_empty(), "{said}");
    for other in case.others {
        assert!(said.contains(&inside(other)), "{said}");
    }
    assert_eq!(tree(&root)?, before, "nothing is created");
    Ok(())
}

fn tree(root: &Path) -> Result<Vec<u8>, Failed> {
    Ok(Command::new("find").arg(root).output()?.stdout)
}
