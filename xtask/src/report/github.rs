//! The report on GitHub: a step summary in Markdown, and an annotation for each promise that is not kept.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use super::{PromiseOutcome, Report, Verdict};
use crate::error::usage;

/// A source file, to which annotations point.
#[derive(Clone, Copy)]
pub struct SourceFile {
    /// From the project's top folder.
    pub path: &'static str,
    pub text: &'static str,
}

/// Evidence longer than this is cut: a step's summary may be 1 MiB long in all, and people read the first lines.
const EVIDENCE: usize = 4000;

/// Publishes the report where `variable`, which reads the environment, says that GitHub Actions is there. `promises` are
/// the files that list the promises.
///
/// # Errors
/// The summary's file cannot be written.
pub fn publish(
    report: &Report,
    promises: &[SourceFile],
    variable: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<()> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    if set("GITHUB_ACTIONS").as_deref() == Some("true") {
        annotations(report, promises)
            .iter()
            .for_each(|line| outln!("{line}"));
    }
    match set("GITHUB_STEP_SUMMARY") {
        Some(file) => append(Path::new(&file), &summary(report)),
        None => Ok(()),
    }
}

/// Steps share the file.
fn append(file: &Path, text: &str) -> anyhow::Result<()> {
    let open = OpenOptions::new().append(true).create(true).open(file);
    open.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| {
            usage(format!(
                "cannot write {}, which GITHUB_STEP_SUMMARY names: {error}",
                file.display()
            ))
        })
}

/// One workflow command for each promise that is not kept, at its line in the list of promises.
fn annotations(report: &Report, promises: &[SourceFile]) -> Vec<String> {
    let open = report
        .promises()
        .filter(|promise| promise.verdict.is_open());
    open.map(|promise| {
        let level = match promise.verdict {
            Verdict::Fail => "error",
            _ => "warning",
        };
        let place = promises.iter().find_map(|file| {
            let line = file.line(&promise.id)?;
            Some(format!("file={},line={line},", property(file.path)))
        });
        format!(
            "::{level} {}title={}::{}",
            place.unwrap_or_default(),
            property(&format!("{} on {}", promise.id, report.subject())),
            data(&format!("{}\n{}", promise.promise, cut(&promise.evidence)))
        )
    })
    .collect()
}

impl SourceFile {
    /// The number of the line, from 1, that holds the promise `id`.
    pub fn line(&self, id: &str) -> Option<usize> {
        let entry = format!("id: \"{id}\"");
        let mut lines = self.text.lines();
        lines
            .position(|line| line.contains(&entry))
            .map(|at| at + 1)
    }
}

/// A command's text, escaped as actions/toolkit does (packages/core/src/command.ts, escapeData).
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A command's property, likewise (escapeProperty).
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

fn cut(text: &str) -> String {
    super::shortened(text, EVIDENCE)
}

/// Markdown in GitHub's flavour: a verdict, what is not kept with its evidence, and every promise folded away.
pub fn summary(report: &Report) -> String {
    let mark = match report.verdict {
        Verdict::Pass | Verdict::NotApplicable => "✅",
        Verdict::Fail => "❌",
        Verdict::Skip | Verdict::Unavailable => "⚠️",
    };
    let mut text = format!(
        "## {mark} Promises on {}: {}\n\n{}, nixpkgs {}{}; {} boots; {:.0} s\n\n",
        report.subject(),
        report.tally_line(),
        report.accelerator,
        code(&report.nixpkgs),
        report
            .commit
            .as_ref()
            .map_or_else(String::new, |commit| format!(", commit {}", code(commit))),
        report.boots,
        report.seconds,
    );
    for promise in report.promises() {
        if promise.verdict.is_open() {
            text += &section(report, promise);
        }
    }
    text += "<details><summary>Every promise</summary>\n\n\
             | promise | verdict | seconds | what is promised |\n|---|---|---:|---|\n";
    for promise in report.promises() {
        text += &format!(
            "| {} | {} | {:.1} | {} |\n",
            code(&promise.id),
            report.word(promise),
            promise.seconds,
            cell(&promise.promise),
        );
    }
    text + "\n</details>\n\n"
}

fn section(report: &Report, promise: &PromiseOutcome) -> String {
    let evidence = cut(&promise.evidence);
    let fence = "`".repeat(longest_run(&evidence, '`').max(2) + 1);
    format!(
        "### {} {}\n\n{}\n\n{fence}text\n{evidence}\n{fence}\n\n",
        report.word(promise),
        code(&promise.id),
        prose(&promise.promise),
    )
}

/// Text that stays text: HTML is let through in Markdown.
fn prose(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// The same in a table, whose cells end at a bar and whose rows end with the line.
fn cell(text: &str) -> String {
    prose(text).replace('|', "\\|").replace('\n', "<br>")
}

/// A code span.
fn code(text: &str) -> String {
    let fence = "`".repeat(longest_run(text, '`') + 1);
    format!("{fence}{text}{fence}")
}

fn longest_run(text: &str, of: char) -> usize {
    text.split(|other| other != of)
        .map(str::len)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::tests::sample;

    const PROMISES: &[SourceFile] = &[
        SourceFile {
            path: "src/ssh.rs",
            text: "id: \"ssh.root-refused\",\n",
        },
        SourceFile {
            path: "src/boot.rs",
            text: "first\n    id: \"boot.reaches-target\",\n",
        },
    ];

    #[test]
    fn annotations_are_escaped_and_point_at_the_promise() {
        let mut report = sample(&[Verdict::Pass, Verdict::Fail, Verdict::Skip]);
        let promises = &mut report.scenarios[0].promises;
        promises[1].id = "boot.reaches-target".into();
        promises[1].evidence = "100 %: a, b::error::\r\nnext".into();
        promises[2].id = "a:b,c".into();
        let lines = annotations(&report, PROMISES);
        assert_eq!(
            lines[0],
            "::error file=src/boot.rs,line=2,title=boot.reaches-target on standin\
             ::it holds%0A100 %25: a, b::error::%0D%0Anext"
        );
        assert_eq!(
            lines[1],
            "::warning title=a%3Ab%2Cc on standin::it holds%0Awhat was <seen>"
        );
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn the_summary_escapes_evidence() {
        let mut report = sample(&[Verdict::Pass, Verdict::Fail]);
        let promises = &mut report.scenarios[0].promises;
        promises[0].promise = "a | b <script>".into();
        promises[1].evidence = "```\n<b>|".into();
        insta::assert_snapshot!(summary(&report), @"
        ## ❌ Promises on standin: 1 passed, 1 failed, 0 skipped

        tcg, nixpkgs `flake.lock`, commit `0123456789abcdef0123456789abcdef01234567`; 1 boots; 2 s

        ### FAIL `ssh.promise-1`

        it holds

        ````text
        ```
        <b>|
        ````

        <details><summary>Every promise</summary>

        | promise | verdict | seconds | what is promised |
        |---|---|---:|---|
        | `ssh.promise-0` | pass | 0.2 | a \\| b &lt;script> |
        | `ssh.promise-1` | FAIL | 0.2 | it holds |

        </details>
        ");
    }

    #[test]
    fn the_report_is_published_only_on_github() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("summary");
        let report = sample(&[Verdict::Pass]);
        publish(&report, PROMISES, |_| None).unwrap();
        let name = file.display().to_string();
        let asks = |variable: &str| (variable == "GITHUB_STEP_SUMMARY").then(|| name.clone());
        publish(&report, PROMISES, asks).unwrap();
        publish(&report, PROMISES, asks).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text.matches("## ✅").count(), 2, "{text}");
        let error = publish(&report, PROMISES, |_| Some("/no/such/folder/x".into())).unwrap_err();
        assert!(error.is::<crate::error::Usage>(), "{error}");
    }
}
