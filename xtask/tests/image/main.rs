//! Which image the recorded scripts of Ollama's unit run, and what becomes of older ones.

#![allow(
    clippy::disallowed_methods,
    reason = "tests start programs as systemd would"
)]

#[path = "../common/mod.rs"]
mod common;
mod setup;

use std::fs;
use std::path::Path;

use libtest_mimic::{Arguments, Failed, Trial};
use setup::Scripts;

type Test = fn() -> Result<(), Failed>;

const GB: u64 = 1_000_000_000;

fn main() {
    let arguments = Arguments::from_args();
    let tests: [(&str, Test); 13] = [
        (
            "an_image_is_pulled_by_digest_once_and_run_by_its_tag",
            pulled,
        ),
        (
            "an_image_of_the_tag_with_another_digest_is_replaced",
            replaced,
        ),
        (
            "an_archive_is_taken_by_its_tag_and_remembered_by_its_id",
            from_archive,
        ),
        ("an_old_image_stays_where_both_fit", both_fit),
        ("an_old_image_goes_where_both_do_not_fit", makes_room),
        (
            "an_old_image_stays_if_the_registry_does_not_have_the_new_one",
            no_answer,
        ),
        ("an_image_that_cannot_fit_is_not_begun", cannot_fit),
        (
            "an_old_image_goes_when_docker_runs_out_of_space",
            out_of_space,
        ),
        ("an_image_that_a_container_uses_stays", in_use),
        (
            "a_download_that_was_cut_off_before_its_name_is_used",
            cut_off,
        ),
        ("a_registry_that_counts_downloads_is_asked_seldom", too_many),
        (
            "a_models_folder_that_cannot_be_made_has_a_remedy",
            no_folder,
        ),
        (
            "an_archive_makes_room_only_if_it_holds_the_image",
            archive_without_room,
        ),
    ];
    let trials: Vec<Trial> = tests
        .into_iter()
        .map(|(name, test)| common::trial(name, &["bash", "jq", "tar"], test))
        .collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn pull_of(scripts: &Scripts) -> String {
    format!("pull {}", scripts.remote)
}

fn run_of(scripts: &Scripts) -> String {
    format!("run {}", scripts.image)
}

fn pulled() -> Result<(), Failed> {
    let scripts = Scripts::new()?;
    assert_eq!(scripts.asked()?, [pull_of(&scripts)], "offline");
    scripts.pullable(GB)?;
    let both = [pull_of(&scripts), run_of(&scripts)];
    assert_eq!(scripts.asked()?, both);
    assert_eq!(scripts.notice(), "");
    assert_eq!(scripts.asked()?, [run_of(&scripts)], "the second time");
    Ok(())
}

fn replaced() -> Result<(), Failed> {
    let scripts = Scripts::new()?;
    let image = &scripts.image;
    scripts.write(
        "images",
        &format!("{image} sha256:2 5 ollama/ollama@sha256:2\n"),
    )?;
    scripts.pullable(GB)?;
    assert_eq!(scripts.asked()?, [pull_of(&scripts), run_of(&scripts)]);
    Ok(())
}

fn from_archive() -> Result<(), Failed> {
    let scripts = Scripts::new()?;
    let image = &scripts.image;
    archive(&scripts.path("a.tar"), "other/image:1")?;
    // Without a list of its images, only Docker knows.
    scripts.write("b.tar", "other/image:2 sha256:3 5\n")?;
    scripts.write("a.tar.gz", "compressed")?;
    scripts.write("c.tar", &format!("{image} sha256:4 5\n"))?;
    let (asked, printed) = scripts.start()?;
    assert_eq!(asked, [run_of(&scripts)]);
    for words in [
        "a.tar does not hold",
        "(other/image:1): skipped",
        "b.tar does not hold",
        "a.tar.gz is not an image archive: ",
    ] {
        assert!(printed.contains(words), "{words}: {printed}");
    }
    let loaded = scripts.read("images");
    assert!(!loaded.contains("other/image:1"), "{loaded}");
    assert!(printed.contains("digest is not checked"), "{printed}");
    let accepted = format!("{image}@{} sha256:4\n", scripts.digest);
    assert_eq!(scripts.read("loaded"), accepted);
    fs::remove_file(scripts.path("c.tar"))?;
    let (asked, printed) = scripts.start()?;
    assert_eq!(asked, [run_of(&scripts)], "from the record");
    assert!(!printed.contains("archive"), "{printed}");
    // It was accepted in place of an image with another digest.
    scripts.write("loaded", &format!("{image}@sha256:1 sha256:4\n"))?;
    scripts.pullable(GB)?;
    assert_eq!(scripts.asked()?, [pull_of(&scripts), run_of(&scripts)]);
    Ok(())
}

fn both_fit() -> Result<(), Failed> {
    let scripts = Scripts::new()?;
    scripts.has_old(4 * GB)?;
    scripts.at_registry(3 * GB, 6 * GB)?;
    scripts.set_free(9 * GB)?;
    assert_eq!(scripts.asked()?, [pull_of(&scripts), run_of(&scripts)]);
    assert!(scripts.old_is_there());
    Ok(())
}

fn makes_room() -> Result<(), Failed> {
    let scripts = Scripts::new()?;
    scripts.has_old(4 * GB)?;
    scripts.at_registry(3 * GB, 6 * GB)?;
    scripts.set_free(8 * GB)?;
    let (asked, printed) = scripts.start()?;
    let amd = "size ollama/ollama@sha256:amd".to_string();
    let rest = [
        format!("size {}", scripts.remote),
        amd,
        "rm ollama/ollama:0.1".to_string(),
        pull_of(&scripts),
        run_of(&scripts),
    ];
    assert_eq!(asked, rest);
    let words = format!(
        "removed ollama/ollama:0.1 to make room for {}",
        scripts.image
    );
    assert!(printed.contains(&words), "{printed}");
    assert_eq!(scripts.notice(), "");
    Ok(())
}

fn no_answer() -> Result<(), Failed> {
    let scripts = Scripts::new()?;
    scripts.has_old(4 * GB)?;
    scripts.set_free(0)?;
    assert_eq!(scripts.asked()?, [pull_of(&scripts)]);
    assert!(scripts.old_is_there());
    let notice = scripts.notice();
    let end = "no such host. Check the internet connection; it is tried again.\n";
    assert!(
        notice.ends_with(end) && notice.lines().count() == 1,
        "{notice}"
    );
    let first = scripts.read("said");
    assert!(first.contains("starts once its image"), "{first}");
    scripts.start()?;
    assert_eq!(scripts.read("said"), notice, "the second try says less");
    scripts.at_registry(1, 1)?;
    scripts.set_free(GB)?;
    scripts.start()?;
    assert_eq!(scripts.read("said"), first, "the registry has answered");
    Ok(())
}

fn too_many() -> Result<(), Failed> {
    let scripts = Scripts::new()?;
    let words = "toomanyrequests: You have reached your unauthenticated pull rate limit.";
    scripts.write("refusal", &format!("Error response from daemon: {words}\n"))?;
    assert_eq!(scripts.asked()?, [&pull_of(&scripts), "sleep 900"]);
    let end = format!("{words} It is tried again in a quarter of an hour.\n");
    let notice = scripts.notice();
    assert!(notice.ends_with(&end), "{notice}");
    Ok(())
}

fn cannot_fit() -> Result<(), Failed> {
    let scripts = Scripts::new()?;
    scripts.has_old(GB)?;
    scripts.at_registry(4 * GB, 8 * GB)?;
    scripts.set_free(6 * GB)?;
    assert_eq!(scripts.start()?.0.len(), 2, "only the sizes are asked for");
    assert!(scripts.old_is_there());
    let notice = scripts.notice();
    let words = "is not downloaded: it needs at least 8.0 GB more on PERSIST, and 6.0 GB are free. Delete something under ";
    assert!(
        notice.contains(words) && notice.lines().count() == 1,
        "{notice}"
    );
    let (asked, printed) = scripts.start()?;
    assert!(asked.is_empty(), "nothing has changed: {asked:?}");
    assert!(printed.contains(words), "{printed}");
    scripts.set_free(8 * GB)?;
    let rest = [
        "rm ollama/ollama:0.1".to_string(),
        pull_of(&scripts),
        run_of(&scripts),
    ];
    assert_eq!(scripts.asked()?, rest);
    Ok(())
}

fn out_of_space() -> Result<(), Failed> {
    let scripts = Scripts::new()?;
    scripts.has_old(4 * GB)?;
    scripts.pullable(6 * GB)?;
    scripts.set_free(3 * GB)?;
    let pull = pull_of(&scripts);
    let rest = [&pull, "rm ollama/ollama:0.1", &pull, &run_of(&scripts)];
    assert_eq!(scripts.asked()?, rest);

    let scripts = Scripts::new()?;
    scripts.pullable(6 * GB)?;
    scripts.set_free(3 * GB)?;
    assert_eq!(scripts.asked()?, [pull_of(&scripts)]);
    let notice = scripts.notice();
    let words = "is not downloaded: write /var/lib/docker/tmp/x: no space left on device. Delete something under ";
    assert!(
        notice.contains(words) && notice.lines().count() == 1,
        "{notice}"
    );
    assert!(scripts.asked()?.is_empty(), "it would not fit");
    scripts.set_free(7 * GB)?;
    assert_eq!(scripts.asked()?, [pull_of(&scripts), run_of(&scripts)]);
    Ok(())
}

fn in_use() -> Result<(), Failed> {
    let scripts = Scripts::new()?;
    scripts.has_old(4 * GB)?;
    scripts.write("used", "sha256:9\n")?;
    scripts.pullable(6 * GB)?;
    scripts.set_free(3 * GB)?;
    assert_eq!(
        scripts.asked()?,
        [&pull_of(&scripts), "rm ollama/ollama:0.1"],
        "it is not downloaded twice"
    );
    assert!(scripts.old_is_there());
    Ok(())
}

fn cut_off() -> Result<(), Failed> {
    let scripts = Scripts::new()?;
    let remote = &scripts.remote;
    scripts.write("images", &format!("{remote} sha256:1 {GB} {remote}\n"))?;
    scripts.set_free(0)?;
    assert_eq!(scripts.start()?.0, [run_of(&scripts)]);
    Ok(())
}

fn no_folder() -> Result<(), Failed> {
    let scripts = Scripts::new()?;
    scripts.write("models/ollama", "a file")?;
    assert!(scripts.asked()?.is_empty());
    let notice = scripts.read("notices/models");
    let words = "Not a directory. Rename the file that is in the place of the folder.\n";
    assert!(notice.ends_with(words), "{notice}");
    Ok(())
}

/// An archive as `docker save` makes it, with the images that the fake Docker then has.
fn archive(path: &Path, image: &str) -> Result<(), Failed> {
    let mut archive = tar::Builder::new(fs::File::create(path)?);
    let manifest = format!(r#"[{{"RepoTags":["{image}"]}}]"#);
    let images = format!("{image} sha256:4 5\n");
    for (name, content) in [("images", images), ("manifest.json", manifest)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, name, content.as_bytes())?;
    }
    archive.finish()?;
    // A hole: two thirds of what is free together with the old image.
    let file = fs::File::options().write(true).open(path)?;
    Ok(file.set_len(3 * GB)?)
}

fn archive_without_room() -> Result<(), Failed> {
    for (held, old) in [("other/image:1", 4 * GB), ("", 4 * GB), ("", 1)] {
        let scripts = Scripts::new()?;
        scripts.has_old(old)?;
        scripts.set_free(3 * GB)?;
        let image = if held.is_empty() {
            &scripts.image
        } else {
            held
        };
        archive(&scripts.path("a.tar"), image)?;
        let asked = scripts.asked()?;
        let notice = scripts.read("notices/archive");
        if held.is_empty() && old > 1 {
            assert_eq!(asked, ["rm ollama/ollama:0.1", &run_of(&scripts)]);
            assert_eq!(notice, "");
        } else {
            assert_eq!(asked, [pull_of(&scripts)], "{held} {old}");
            assert!(scripts.old_is_there());
            let words =
                "a.tar is skipped: it needs at least 6.0 GB more on PERSIST, and 3.0 GB are free. ";
            assert_eq!(notice.contains(words), held.is_empty(), "{notice}");
        }
    }
    Ok(())
}
