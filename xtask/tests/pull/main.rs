//! The script of ollama-pull.service, run against a small server that is Ollama and the models' registry.

#![allow(
    clippy::disallowed_methods,
    reason = "tests start programs as systemd would"
)]

#[path = "../common/mod.rs"]
mod common;
mod failed;
mod loaded;
mod server;
mod setup;

use std::fs;

use libtest_mimic::{Arguments, Failed, Trial};
use server::Answers;
use setup::{Setup, huge, manifest_of, small};

type Test = fn() -> Result<(), Failed>;

fn main() {
    let arguments = Arguments::from_args();
    let tests: [(&str, Test); 15] = [
        ("a_names_manifest_is_where_ollama_looks", manifests),
        ("a_model_that_is_there_is_not_downloaded", already_there),
        ("a_model_that_fits_is_downloaded", downloaded),
        ("a_model_that_cannot_fit_is_not_begun", too_large),
        ("what_is_there_already_needs_no_room", partly_there),
        ("a_model_of_unknown_size_is_downloaded", unknown_size),
        ("a_failed_download_says_why", failed::reasons),
        ("a_server_that_is_not_ollama_is_noticed", failed::not_ollama),
        ("a_silent_server_may_have_the_model", failed::no_answer),
        ("a_damaged_model_is_downloaded_again", failed::damaged),
        ("progress_is_one_line", progress),
        ("a_model_is_loaded_and_kept", loaded::kept),
        ("a_model_for_embeddings_is_loaded", loaded::for_embeddings),
        ("a_model_that_is_not_there_is_not_loaded", loaded::not_there),
        ("the_wait_for_the_server_ends", no_server),
    ];
    let trials: Vec<Trial> = tests
        .into_iter()
        .map(|(name, test)| common::trial(name, &["bash", "curl", "jq"], test))
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn manifests() -> Result<(), Failed> {
    let setup = Setup::new(small)?;
    for (name, url) in [
        (
            "llama3.2",
            "https://registry.ollama.ai/v2/library/llama3.2/manifests/latest",
        ),
        (
            "qwen3:8b",
            "https://registry.ollama.ai/v2/library/qwen3/manifests/8b",
        ),
        (
            "me/own:1",
            "https://registry.ollama.ai/v2/me/own/manifests/1",
        ),
        (
            "hf.co/me/own-GGUF:Q4_0",
            "https://hf.co/v2/me/own-GGUF/manifests/Q4_0",
        ),
        (
            "http://pc.lan:5000/me/own",
            "http://pc.lan:5000/v2/me/own/manifests/latest",
        ),
    ] {
        let output = setup.run(&format!("manifest_url {name}"), "", "")?;
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), url);
    }
    Ok(())
}

fn already_there() -> Result<(), Failed> {
    let setup = Setup::new(|path, body| match path {
        "/api/show" => (200, "{}".into()),
        _ => huge(path, body),
    })?;
    assert!(setup.attempt("tiny", "")?);
    assert_eq!(setup.server.requests(), [r#"/api/show {"model":"tiny"}"#]);
    assert_eq!(setup.notice(), "");
    Ok(())
}

fn downloaded() -> Result<(), Failed> {
    let setup = Setup::new(small)?;
    let model = setup.model();
    assert!(setup.attempt(&model, "")?);
    assert_eq!(
        setup.server.requests(),
        [
            format!(r#"/api/show {{"model":"{model}"}}"#),
            "/v2/me/tiny/manifests/1".to_string(),
            format!(r#"/api/pull {{"model":"{model}","insecure":true}}"#),
            format!(r#"/api/show {{"model":"{model}"}}"#),
        ]
    );
    assert_eq!(setup.notice(), "");
    Ok(())
}

fn too_large() -> Result<(), Failed> {
    let setup = Setup::new(huge)?;
    let model = setup.model();
    // What fits is downloaded all the same.
    let fits = format!("http://127.0.0.1:{}/me/other:1", setup.server.port);
    assert!(!setup.attempt(&format!("{model} {fits}"), "")?);
    assert_eq!(setup.pulls(), 1, "{:?}", setup.server.requests());
    let notice = setup.notice();
    let needs = format!("{model} is not downloaded: it needs 999999.0 GB, ");
    assert!(
        notice.starts_with(&needs) && notice.lines().count() == 1,
        "{notice}"
    );
    for words in [
        "B are free where the models are, and 1.0 GB have to stay free.",
        "Delete models that you no longer need",
        "or take it off ollamalive.ollama.pull.",
    ] {
        assert!(notice.contains(words), "{notice}");
    }
    Ok(())
}

fn partly_there() -> Result<(), Failed> {
    let setup = Setup::new(huge)?;
    let needed = |setup: &Setup| -> Result<u64, Failed> {
        let output = setup.run(&format!("bytes_to_download {}", setup.model()), "", "")?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
    };
    assert_eq!(needed(&setup)?, 999_999_000_000_000);
    // The part that was downloaded takes room already; the rest of the file is a hole.
    fs::write(setup.blob("-partial"), vec![1; 1 << 20])?;
    let file = fs::File::options()
        .write(true)
        .open(setup.blob("-partial"))?;
    file.set_len(1 << 30)?;
    file.sync_all()?;
    let rest = needed(&setup)?;
    let stored = 999_999_000_000_000 - rest;
    assert!(((1 << 20)..(1 << 25)).contains(&stored), "{stored}");
    fs::rename(setup.blob("-partial"), setup.blob(""))?;
    assert_eq!(needed(&setup)?, 0);
    assert!(setup.attempt(&setup.model(), "")?);
    Ok(())
}

fn unknown_size() -> Result<(), Failed> {
    let answers: [Answers; 5] = [
        |path, body| match path {
            "/v2/me/tiny/manifests/1" => (401, r#"{"errors":[]}"#.into()),
            _ => small(path, body),
        },
        |path, body| match path {
            "/v2/me/tiny/manifests/1" => (200, "<html>".into()),
            _ => small(path, body),
        },
        |path, body| match path {
            "/v2/me/tiny/manifests/1" => (200, r#"{"layers":[]}"#.into()),
            _ => small(path, body),
        },
        |path, body| match path {
            "/v2/me/tiny/manifests/1" => (
                200,
                r#"{"layers":[{"digest":"sha256:../../x","size":1}]}"#.into(),
            ),
            _ => small(path, body),
        },
        |path, body| match path {
            "/v2/me/tiny/manifests/1" => (200, manifest_of(1).replace(":1}", r#":"1"}"#)),
            _ => small(path, body),
        },
    ];
    for answers in answers {
        let setup = Setup::new(answers)?;
        assert!(setup.attempt(&setup.model(), "")?);
        assert_eq!(setup.pulls(), 1);
    }
    Ok(())
}

fn progress() -> Result<(), Failed> {
    let setup = Setup::new(small)?;
    let lines = r#"printf '%s\n' '{"status":"pulling manifest"}' '{"digest":"a","total":300,"completed":1}' \
        '{"digest":"a","total":300}' '{"digest":"a","total":300,"completed":150}' '{"digest":"b","total":100,"completed":50}' \
        '{"status":"verifying sha256 digest"}' '{"status":"success"}' | progress"#;
    let output = setup.run(lines, "", "")?;
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "percent 0\npercent 0\npercent 50\npercent 50\nsuccess\n"
    );
    setup.run("show 'tiny is being downloaded: 50 %.'", "", "")?;
    assert_eq!(setup.notice(), "tiny is being downloaded: 50 %.\n");
    setup.run("show", "", "")?;
    assert_eq!(setup.notice(), "");
    Ok(())
}

fn no_server() -> Result<(), Failed> {
    let setup = Setup::new(|_, _| (503, String::new()))?;
    let output = setup.run("wait_for_server 1", "", "")?;
    assert!(!output.status.success());
    Ok(())
}
