//! The model that is kept loaded.

use libtest_mimic::Failed;

use super::setup::{Setup, small};

pub fn kept() -> Result<(), Failed> {
    let setup = Setup::new(|path, body| match path {
        "/api/generate" => (200, r#"{"done":true,"done_reason":"load"}"#.into()),
        _ => small(path, body),
    })?;
    assert!(setup.attempt("", "tiny")?);
    assert_eq!(
        setup.server.requests(),
        [r#"/api/generate {"model":"tiny","keep_alive":-1,"stream":false}"#]
    );
    assert_eq!(setup.notice(), "");
    Ok(())
}

pub fn for_embeddings() -> Result<(), Failed> {
    let setup = Setup::new(|path, body| match path {
        "/api/generate" => (
            400,
            r#"{"error":"\"tiny\" does not support generate"}"#.into(),
        ),
        "/api/embed" => (200, r#"{"embeddings":[]}"#.into()),
        _ => small(path, body),
    })?;
    assert!(setup.attempt("", "tiny")?);
    assert_eq!(setup.server.requests().len(), 2);
    Ok(())
}

pub fn not_there() -> Result<(), Failed> {
    let setup = Setup::new(small)?;
    assert!(!setup.attempt("", "tiny")?);
    assert_eq!(
        setup.notice(),
        "tiny is not loaded: model 'x' not found. List it in ollamalive.ollama.pull, or correct ollamalive.ollama.keepLoaded.\n"
    );
    Ok(())
}
