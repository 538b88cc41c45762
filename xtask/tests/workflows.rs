//! The GitHub workflows: they are well-formed, hold few permissions, and call commands that exist.

mod common;

use std::fs;
use std::path::PathBuf;

use common::commands::Facts;
use common::root;
use github_actions_models::common::expr::LoE;
use github_actions_models::common::{Permission, Permissions, Uses};
use github_actions_models::workflow::job::{NormalJob, Step};
use github_actions_models::workflow::{Job, Workflow};
use regex::Regex;
use xtask::nixos_release::{self, Followed};
use xtask::release::signature::KEY_VARIABLE;

/// Every workflow: the name of its file, its text, and its parsed form.
fn workflows() -> Vec<(String, String, Workflow)> {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join(".github/workflows"))
        .expect("the workflows folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).expect("a workflow");
            let workflow = yaml_serde::from_str(&text)
                .unwrap_or_else(|error| panic!("{name} is not a workflow: {error}"));
            (name, text, workflow)
        })
        .collect()
}

/// The jobs of `workflow`. All of them have steps; none calls another workflow.
fn jobs<'a>(name: &str, workflow: &'a Workflow) -> Vec<(&'a String, &'a NormalJob)> {
    workflow
        .jobs
        .iter()
        .map(|(id, job)| match job {
            Job::NormalJob(job) => (id, &**job),
            _ => panic!("{name}: job {id} calls another workflow, which these tests do not check"),
        })
        .collect()
}

/// The supported releases of NixOS, which the matrix `nixos` takes from their file.
fn releases() -> Vec<String> {
    let text = fs::read_to_string(root().join(nixos_release::LIST)).expect("the list of releases");
    serde_json::from_str(&text).expect("a list of branches")
}

/// Returns `script` once for each value of the job's matrix. Other expressions become a placeholder word.
fn expand(script: &str, job: &NormalJob) -> Vec<String> {
    let mut scripts = vec![script.to_string()];
    if let Some(LoE::Literal(matrix)) = job.strategy.as_ref().and_then(|s| s.matrix.as_ref()) {
        let LoE::Literal(dimensions) = &matrix.dimensions else {
            panic!("a matrix computed at run time cannot be checked");
        };
        for (name, values) in dimensions {
            let listed = releases();
            let values = match values {
                LoE::Literal(values) => values
                    .iter()
                    .map(|value| value.as_str().expect("values are words").to_string())
                    .collect(),
                LoE::Expr(_) if name == "nixos" => listed,
                LoE::Expr(_) => panic!("matrix.{name} is computed at run time"),
            };
            let place = format!("${{{{ matrix.{name} }}}}");
            scripts = scripts
                .iter()
                .flat_map(|script| values.iter().map(|value| script.replace(&place, value)))
                .collect();
        }
    }
    let expression = Regex::new(r"\$\{\{[^}]*\}\}").unwrap();
    scripts
        .iter()
        .map(|script| expression.replace_all(script, "x").into_owned())
        .collect()
}

#[test]
fn the_expected_workflows_exist() {
    let names: Vec<String> = workflows().into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["build.yml", "nightly.yml", "pr.yml", "update.yml"]);
}

#[test]
fn actions_are_pinned_to_a_commit_with_a_version_comment() {
    let pinned = Regex::new(r"^[0-9a-f]{40}$").unwrap();
    let version = Regex::new(r"^ # v\d+\.\d+\.\d+$").unwrap();
    let mut pins = std::collections::BTreeMap::new();
    for (name, text, workflow) in workflows() {
        let mut seen = 0;
        for (_, job) in jobs(&name, &workflow) {
            for step in &job.steps {
                let Step::Uses(step) = step else { continue };
                let Uses::Repository(uses) = &step.uses else {
                    panic!("{name}: {:?} is not an action in a repository", step.uses);
                };
                seen += 1;
                assert!(
                    pinned.is_match(uses.git_ref()),
                    "{name}: {uses} is not pinned to a commit"
                );
                let line = text
                    .lines()
                    .find_map(|line| line.split_once("uses: ")?.1.strip_prefix(uses.raw()))
                    .unwrap_or_else(|| panic!("{name}: {uses} is not on a line of its own"));
                assert!(
                    version.is_match(line),
                    "{name}: {uses} has no version comment: {line:?}"
                );
                let pin = (uses.git_ref().to_string(), line.to_string());
                let before = pins.entry(uses.slug().to_string()).or_insert(pin.clone());
                assert_eq!(
                    *before,
                    pin,
                    "{name}: {} is pinned to two commits",
                    uses.slug()
                );
            }
        }
        assert_eq!(
            seen,
            text.matches("uses: ").count(),
            "{name}: an action was overlooked"
        );
    }
}

#[test]
fn only_jobs_that_publish_have_write_permission() {
    for (name, text, workflow) in workflows() {
        let Permissions::Explicit(scopes) = &workflow.permissions else {
            panic!("{name} does not declare its permissions");
        };
        let scopes: Vec<_> = scopes.iter().collect();
        let [(scope, permission)] = scopes[..] else {
            panic!("{name}: {scopes:?} for every job");
        };
        assert_eq!(scope, "contents", "{name}");
        assert!(
            matches!(permission, Permission::Read),
            "{name}: {permission:?}"
        );
        for (id, job) in jobs(&name, &workflow) {
            let writes = matches!(&job.permissions, Permissions::Explicit(_));
            let may = matches!(
                (name.as_str(), id.as_str()),
                ("build.yml", "release") | ("update.yml", "update" | "release" | "ollama")
            );
            assert_eq!(writes, may, "{name}: job {id} has {:?}", job.permissions);
        }
        let checkouts = text.matches("actions/checkout@").count();
        let tokenless = text.matches("persist-credentials: false").count();
        assert_eq!(
            checkouts, tokenless,
            "{name}: a checkout keeps its token in the work tree"
        );
    }
}

#[test]
fn every_job_has_a_time_limit_and_every_workflow_a_concurrency_group() {
    for (name, _, workflow) in workflows() {
        assert!(workflow.concurrency.is_some(), "{name} has no concurrency");
        for (id, job) in jobs(&name, &workflow) {
            let Some(LoE::Literal(minutes)) = job.timeout_minutes else {
                panic!("{name}: job {id} has no timeout-minutes");
            };
            // GitHub ends a job after 360 minutes and keeps nothing; only nightly jobs need more than two hours.
            let limit = if name == "nightly.yml" { 330.0 } else { 120.0 };
            assert!(
                (1.0..=limit).contains(&minutes),
                "{name}: job {id} may take {minutes} minutes"
            );
        }
    }
}

#[test]
fn every_command_exists() {
    let facts = Facts::read();
    let (mut calls, mut wrong) = (0, Vec::new());
    for (name, _, workflow) in workflows() {
        for (id, job) in jobs(&name, &workflow) {
            for step in &job.steps {
                let Step::Run(step) = step else { continue };
                for script in expand(&step.run, job) {
                    calls += script.matches("cargo xtask").count();
                    match facts.check(&script) {
                        Ok(unchecked) if unchecked.is_empty() => {}
                        Ok(unchecked) => wrong.push(format!("{name}: job {id}: {unchecked:?}")),
                        Err(found) => wrong.push(format!("{name}: job {id}: {found:?}")),
                    }
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "commands that do not exist or are not checked: {wrong:#?}"
    );
    assert!(calls >= 9, "found only {calls} calls of xtask");
}

/// A pull request that changes only one of these files still has to run the checks that read it.
#[test]
fn pull_requests_that_change_a_checked_file_are_tested() {
    let text = fs::read_to_string(root().join(".github/workflows/pr.yml")).expect("pr.yml");
    for (pattern, example) in [
        ("*.md", "README.md"),
        (".editorconfig", ".editorconfig"),
        (".github/**", ".github/CODEOWNERS"),
        ("LICENSE", "LICENSE"),
        ("clippy.toml", "clippy.toml"),
        ("crates/**", "crates"),
        ("deny.toml", "deny.toml"),
        ("docs/**", "docs"),
        ("modules/**", "modules"),
        ("rustfmt.toml", "rustfmt.toml"),
        ("tests/**", "tests"),
        ("xtask/**", "xtask"),
    ] {
        assert!(root().join(example).exists(), "{example} does not exist");
        assert!(
            text.contains(&format!("      - \"{pattern}\"\n")),
            "pr.yml does not run when {pattern} changes"
        );
    }
}

/// The oldest supported Rust is stated in Cargo.toml alone.
#[test]
fn a_job_compiles_with_the_rust_version_of_the_crates() {
    let text = fs::read_to_string(root().join(".github/workflows/pr.yml")).expect("pr.yml");
    assert!(text.contains("cargo hack check --rust-version --workspace --all-targets --locked"));
}

/// A private copy of the repository builds and releases: GitHub attests only what public ones build.
#[test]
fn a_private_repository_is_released_without_attestation() {
    let text = fs::read_to_string(root().join(".github/workflows/build.yml")).expect("build.yml");
    let (_, step) = text
        .split_once("name: Attest provenance\n")
        .expect("the step");
    let condition = step.lines().next().map(str::trim);
    assert_eq!(
        condition,
        Some("if: ${{ !github.event.repository.private }}")
    );
}

/// Without the secret a release is made as before, and the log says that it is not signed. With it, the key reaches one
/// step, after the tool is compiled: the build scripts of dependencies do not see it.
#[test]
fn the_signing_key_reaches_one_step() {
    let secret = "${{ secrets.RELEASE_SIGNING_KEY";
    let text = fs::read_to_string(root().join(".github/workflows/build.yml")).expect("build.yml");
    let uses: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("secrets."))
        .map(str::trim)
        .collect();
    let key = format!("{KEY_VARIABLE}: {secret} }}}}");
    assert_eq!(uses, [&format!("SIGNED: {secret} != '' }}}}"), &key]);
    let (before, after) = text.split_once(&key).expect("the step");
    let (_, before) = before.split_once("  release:\n").expect("the job");
    assert!(before.contains("- run: cargo build --package xtask\n"));
    assert!(!before.contains("cargo xtask"), "{before}");
    let steps: Vec<&str> = after.split("\n      - ").collect();
    assert!(steps[0].contains("cargo xtask release "), "{}", steps[0]);
    let unsigned = "if: env.SIGNED != 'true'\n        run: echo \"::notice title=Not signed::";
    assert!(steps[1].starts_with(unsigned), "{}", steps[1]);
}

/// The flake's release is supported, and so is what follows it.
#[test]
fn the_flakes_release_and_unstable_are_evaluated() {
    let read = |name: &str| fs::read_to_string(root().join(name)).expect(name);
    let followed = Followed {
        list: read(nixos_release::LIST),
        flake: read(nixos_release::FLAKE),
    };
    for branch in [followed.branch().unwrap(), "nixos-unstable"] {
        assert!(
            releases().iter().any(|release| release == branch),
            "{branch}"
        );
    }
    let workflow = read(".github/workflows/pr.yml");
    assert!(workflow.contains(nixos_release::LIST));
}

#[test]
fn the_nightly_workflow_tries_all_mutants_on_both_guests() {
    let guests: Vec<String> = workflows()
        .into_iter()
        .filter(|(name, ..)| name == "nightly.yml")
        .flat_map(|(name, _, workflow)| {
            let scripts = jobs(&name, &workflow).into_iter().flat_map(|(_, job)| {
                job.steps.iter().flat_map(|step| match step {
                    Step::Run(step) => expand(&step.run, job),
                    _ => Vec::new(),
                })
            });
            scripts.collect::<Vec<_>>()
        })
        .filter(|script| script.starts_with("cargo xtask mutants "))
        .collect();
    // Those about updates take an owner who gets them.
    let (updates, guests): (Vec<String>, Vec<String>) = guests
        .into_iter()
        .partition(|script| script.contains("--variant updates"));
    assert_eq!(updates.len(), 1, "{updates:?}");
    for mutant in xtask::mutant::all().filter(|mutant| mutant.edits.is_empty()) {
        assert!(updates[0].contains(mutant.id), "{}", mutant.id);
    }
    assert_eq!(guests.len(), 2, "{guests:?}");
    for guest in ["--guest standin ", "--guest nixos "] {
        assert!(
            guests.iter().any(|script| script.contains(guest)),
            "{guest}"
        );
    }
}
