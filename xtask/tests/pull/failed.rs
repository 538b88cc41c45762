//! Downloads that fail, and what the notice says.

use libtest_mimic::Failed;

use super::server::Answers;
use super::setup::{Setup, small};

pub fn reasons() -> Result<(), Failed> {
    let cases: [(Answers, &str); 5] = [
        (
            |path, body| {
                match path {
                "/api/pull" => (
                    200,
                    "{\"status\":\"pulling manifest\"}\n{\"error\":\"pull model manifest: file does not exist\"}\n".into(),
                ),
                _ => small(path, body),
            }
            },
            "pull model manifest: file does not exist. Look its name up at ollama.com, and correct ollamalive.ollama.pull.",
        ),
        (
            |path, body| match path {
                "/api/pull" => (
                    500,
                    r#"{"error":"write /x: no space left on device"}"#.into(),
                ),
                _ => small(path, body),
            },
            "write /x: no space left on device. Delete models that you no longer need: docker exec ollama ollama rm NAME.",
        ),
        (
            |path, body| match path {
                "/api/pull" => (
                    200,
                    r#"{"error":"dial tcp: lookup registry.ollama.ai: no such host"}"#.into(),
                ),
                _ => small(path, body),
            },
            "no such host. Check the internet connection; it is tried again.",
        ),
        (
            |path, body| match path {
                "/api/pull" => (
                    200,
                    r#"{"error":"pull model manifest: 401: Invalid username or password."}"#.into(),
                ),
                _ => small(path, body),
            },
            "The model is not there, or needs an account: correct ollamalive.ollama.pull.",
        ),
        (
            |path, body| match path {
                // It would colour the terminal.
                "/api/pull" => (200, "{\"error\":\"odd\\u001b\\n[31m\"}".into()),
                _ => small(path, body),
            },
            "odd [31m. It is tried again. See: journalctl -u docker-ollama",
        ),
    ];
    for (answers, words) in cases {
        let setup = Setup::new(answers)?;
        assert!(!setup.attempt(&setup.model(), "")?);
        let notice = setup.notice();
        let start = format!("{} is not downloaded: ", setup.model());
        let right = notice.starts_with(&start) && notice.ends_with(&format!("{words}\n"));
        assert!(right && notice.lines().count() == 1, "{notice:?}");
    }
    Ok(())
}

/// A model that may be there is not downloaded again, which would need the internet.
pub fn no_answer() -> Result<(), Failed> {
    let setup = Setup::new(|path, body| match path {
        "/api/show" => (0, String::new()),
        _ => small(path, body),
    })?;
    assert!(!setup.attempt("tiny", "")?);
    assert_eq!(setup.pulls(), 0);
    assert_eq!(
        setup.notice(),
        "tiny is not downloaded: Ollama does not answer. It is tried again. See: journalctl -u docker-ollama\n"
    );
    Ok(())
}

/// Ollama finds a model damaged: it is downloaded again, and if that was no help, the owner has to remove it.
pub fn damaged() -> Result<(), Failed> {
    let setup = Setup::new(|path, body| match path {
        "/api/show" => (500, r#"{"error":"unexpected end of JSON input"}"#.into()),
        _ => small(path, body),
    })?;
    assert!(!setup.attempt(&setup.model(), "")?);
    assert_eq!(setup.pulls(), 1);
    let notice = setup.notice();
    let model = setup.model();
    let end = format!("docker exec ollama ollama rm {model}\n");
    let right = notice.starts_with(&format!("{model} is damaged, ")) && notice.ends_with(&end);
    assert!(right && notice.lines().count() == 1, "{notice}");
    Ok(())
}

pub fn not_ollama() -> Result<(), Failed> {
    let setup = Setup::new(|path, body| match path {
        "/api/pull" => (404, "404 page not found".into()),
        _ => small(path, body),
    })?;
    assert!(!setup.attempt(&setup.model(), "")?);
    let notice = setup.notice();
    assert!(
        notice.contains(" is not downloaded: Ollama stopped answering. "),
        "{notice}"
    );
    Ok(())
}
