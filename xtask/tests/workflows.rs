//! The workflows of GitHub: well-formed, careful with what they are given, and calling what exists.

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

/// Every workflow by its file's name: its text, and what it means.
fn workflows() -> Vec<(String, String, Workflow)> {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join(".github/workflows"))
        .expect("the folder of workflows")
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

/// The jobs of `workflow`, which all have steps of their own.
fn jobs<'a>(name: &str, workflow: &'a Workflow) -> Vec<(&'a String, &'a NormalJob)> {
    workflow
        .jobs
        .iter()
        .map(|(id, job)| match job {
            Job::NormalJob(job) => (id, &**job),
            _ => panic!("{name}: job {id} calls another workflow, which no test here looks at"),
        })
        .collect()
}

/// `script` as often as the job's matrix has values, each put in its place; other expressions become a word.
fn expand(script: &str, job: &NormalJob) -> Vec<String> {
    let mut scripts = vec![script.to_string()];
    if let Some(LoE::Literal(matrix)) = job.strategy.as_ref().and_then(|s| s.matrix.as_ref()) {
        let LoE::Literal(dimensions) = &matrix.dimensions else {
            panic!("a matrix that is made while it runs cannot be checked");
        };
        for (name, values) in dimensions {
            let LoE::Literal(values) = values else {
                panic!("matrix.{name} is made while it runs");
            };
            let place = format!("${{{{ matrix.{name} }}}}");
            scripts = scripts
                .iter()
                .flat_map(|script| {
                    values.iter().map(|value| {
                        script.replace(&place, value.as_str().expect("values are words"))
                    })
                })
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
fn the_three_are_there() {
    let names: Vec<String> = workflows().into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["build.yml", "pr.yml", "update.yml"]);
}

#[test]
fn actions_are_pinned_with_their_version_beside() {
    let pinned = Regex::new(r"^[0-9a-f]{40}$").unwrap();
    let version = Regex::new(r"^ # v\d+\.\d+\.\d+$").unwrap();
    let mut pins = std::collections::BTreeMap::new();
    for (name, text, workflow) in workflows() {
        let mut seen = 0;
        for (_, job) in jobs(&name, &workflow) {
            for step in &job.steps {
                let Step::Uses(step) = step else { continue };
                let Uses::Repository(uses) = &step.uses else {
                    panic!("{name}: {:?} is no action of a repository", step.uses);
                };
                seen += 1;
                assert!(
                    pinned.is_match(uses.git_ref()),
                    "{name}: {uses} is not pinned by a commit"
                );
                let line = text
                    .lines()
                    .find_map(|line| line.split_once("uses: ")?.1.strip_prefix(uses.raw()))
                    .unwrap_or_else(|| panic!("{name}: {uses} is not on a line of its own"));
                assert!(
                    version.is_match(line),
                    "{name}: {uses} has no version beside it: {line:?}"
                );
                let pin = (uses.git_ref().to_string(), line.to_string());
                let before = pins.entry(uses.slug().to_string()).or_insert(pin.clone());
                assert_eq!(*before, pin, "{name}: {} is pinned twice", uses.slug());
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
fn nothing_may_be_written_but_by_the_job_that_has_to() {
    for (name, text, workflow) in workflows() {
        let Permissions::Explicit(scopes) = &workflow.permissions else {
            panic!("{name} does not say which permissions it takes");
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
                ("build.yml", "release") | ("update.yml", "update")
            );
            assert_eq!(writes, may, "{name}: job {id} takes {:?}", job.permissions);
        }
        let checkouts = text.matches("actions/checkout@").count();
        let careful = text.matches("persist-credentials: false").count();
        assert_eq!(
            checkouts, careful,
            "{name}: a checkout leaves its token behind"
        );
    }
}

#[test]
fn no_job_runs_for_ever_or_beside_itself() {
    for (name, _, workflow) in workflows() {
        assert!(workflow.concurrency.is_some(), "{name} has no concurrency");
        for (id, job) in jobs(&name, &workflow) {
            let Some(LoE::Literal(minutes)) = job.timeout_minutes else {
                panic!("{name}: job {id} has no timeout-minutes");
            };
            assert!(
                (1.0..=120.0).contains(&minutes),
                "{name}: job {id} may take {minutes} minutes"
            );
        }
    }
}

#[test]
fn every_command_exists() {
    let facts = Facts::read();
    let mut calls = 0;
    for (name, _, workflow) in workflows() {
        for (id, job) in jobs(&name, &workflow) {
            for step in &job.steps {
                let Step::Run(step) = step else { continue };
                for script in expand(&step.run, job) {
                    calls += script.matches("cargo xtask").count();
                    let unchecked = facts
                        .check(&script)
                        .unwrap_or_else(|wrong| panic!("{name}: job {id}: {wrong:#?}"));
                    assert!(
                        unchecked.is_empty(),
                        "{name}: job {id} does work of its own: {unchecked:?}"
                    );
                }
            }
        }
    }
    assert!(calls >= 6, "only {calls} calls of xtask were seen");
}
