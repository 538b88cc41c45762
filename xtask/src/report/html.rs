//! The report as one HTML page without other files: no script, no font.

use std::fs;
use std::path::Path;

use anstream::adapter::strip_str;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{PromiseOutcome, Report, ScenarioOutcome, Verdict, console_file, screenshot_file};

const STYLE: &str = include_str!("page.css");
/// How many lines of a machine's console are shown.
const CONSOLE_LINES: usize = 40;

/// The page. Screenshots are read from the folders that the report names.
pub fn html(report: &Report) -> String {
    let title = format!(
        "OllamaLive on {}: {}",
        report.subject(),
        report.tally_line()
    );
    // At least a second, so that no bar of a short run is long.
    let most = report
        .promises()
        .map(|promise| promise.seconds)
        .fold(1.0, f64::max);
    let body = html! {
        header {
            h1 { (badge(report.verdict, report.verdict.word())) " Promises on " (report.subject()) }
            p { (report.tally_line()) }
            (facts(report))
        }
        @for scenario in &report.scenarios {
            (section(report, scenario, most))
        }
        @for folder in &report.failures { (last_words(folder)) }
    };
    page(&title, &body)
}

/// A whole page with this title and body.
pub(super) fn page(title: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (body) } }
        }
    }
    .into_string()
}

/// A badge.
pub(super) fn badge(verdict: Verdict, text: &str) -> Markup {
    let class = match verdict {
        Verdict::Pass => "badge pass",
        Verdict::Fail => "badge fail",
        Verdict::Skip | Verdict::Unavailable => "badge skip",
        Verdict::NotApplicable => "badge",
    };
    html! { span class=(class) { (text) } }
}

fn facts(report: &Report) -> Markup {
    let mut facts = vec![
        ("guest", report.guest.clone()),
        ("accelerator", report.accelerator.clone()),
        ("nixpkgs", report.nixpkgs.clone()),
        (
            "commit",
            report.commit.clone().unwrap_or_else(|| "not in git".into()),
        ),
        ("took", format!("{:.1} s", report.seconds)),
        (
            "boots",
            format!("{}, {:.1} s in all", report.boots, report.boot_seconds),
        ),
    ];
    let folders = report.failures.iter();
    facts.extend(folders.map(|folder| ("kept", folder.display().to_string())));
    html! {
        dl { @for (name, value) in &facts { dt { (name) } dd { (value) } } }
    }
}

fn section(report: &Report, scenario: &ScenarioOutcome, most: f64) -> Markup {
    html! {
        section {
            h2 { (scenario.name) " " small { (format!("{:.1} s", scenario.seconds)) } }
            @for promise in &scenario.promises { (entry(report, promise, most)) }
        }
    }
}

/// One promise; folded if it is kept.
fn entry(report: &Report, promise: &PromiseOutcome, most: f64) -> Markup {
    let width = 100.0 * promise.seconds / most;
    let folders = report.failures.iter();
    let picture = folders
        .map(|folder| screenshot_file(folder, &promise.id))
        .find_map(|file| fs::read(file).ok())
        .map(|png| format!("data:image/png;base64,{}", STANDARD.encode(png)));
    html! {
        details open[promise.verdict.is_open()] id=(promise.id) {
            summary {
                (badge(promise.verdict, report.word(promise)))
                span.promise { code { (promise.id) } span { (promise.promise) } }
                span.time {
                    span.bar { span style=(format!("width:{width:.1}%")) {} }
                    span { (format!("{:.1} s", promise.seconds)) }
                }
            }
            pre { (promise.evidence) }
            @if let Some(picture) = picture {
                figure {
                    img src=(picture) alt="the machine's screen after this check";
                    figcaption { "the machine's screen after this check" }
                }
            }
        }
    }
}

/// The last lines of `file`, without escape sequences and empty lines; nothing if there is no such file.
fn tail(file: &Path) -> String {
    let bytes = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let text = strip_str(&text).to_string();
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(CONSOLE_LINES)..].join("\n")
}

/// The end of the console of a machine on which a promise was not kept.
fn last_words(folder: &Path) -> Markup {
    let machine = folder.file_name().unwrap_or_default().to_string_lossy();
    html! {
        section {
            h2 { "The last console lines of " (machine) }
            pre.card { (tail(&console_file(folder))) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::tests::sample;

    #[test]
    fn evidence_is_escaped_and_screenshots_are_embedded() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("ssh.promise-1.png"), b"\x89PNG").unwrap();
        fs::write(
            folder.path().join("console.log"),
            "\x1b[1mlogin:\x1b[0m <x>\r\n",
        )
        .unwrap();
        let mut report = sample(&[Verdict::Pass, Verdict::Fail, Verdict::Skip]);
        report.failures = vec![folder.path().to_path_buf()];
        report.scenarios[0].promises[1].seconds = 2.0;
        let page = html(&report);
        assert!(page.contains("what was &lt;seen&gt;") && !page.contains("<seen>"));
        assert_eq!(
            page.matches("src=\"data:image/png;base64,iVBORw==\"")
                .count(),
            1
        );
        assert!(
            page.contains("<pre class=\"card\">login: &lt;x&gt;</pre>"),
            "{page}"
        );
        assert_eq!(page.matches("<details open").count(), 2);
        assert_eq!(page.matches("width:12.5%").count(), 2, "{page}");
        assert!(page.contains("1 passed, 1 failed, 1 skipped"), "{page}");
    }

    #[test]
    fn the_page_loads_nothing() {
        let page = html(&sample(&[Verdict::Pass]));
        for word in ["<script", "http:", "https:", "url(", "@import", "<link"] {
            assert!(!page.contains(word), "{word}");
        }
    }
}
