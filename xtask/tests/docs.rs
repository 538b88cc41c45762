//! The documents: their commands exist, their links resolve, and generated parts are up to date.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::commands::{Facts, UNCHECKED};
use common::root;
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use regex::Regex;
use xtask::snapshot;

/// The parts of a document that can be checked.
#[derive(Default)]
struct Document {
    /// Path from the root of the project.
    name: String,
    path: PathBuf,
    /// Language and content of every code block.
    blocks: Vec<(String, String)>,
    /// Inline code.
    spans: Vec<String>,
    /// Targets of links and pictures.
    links: Vec<String>,
    /// Anchors of the headings.
    anchors: BTreeSet<String>,
}

/// The Markdown files in the root of the project and in docs/.
fn documents() -> Vec<Document> {
    let mut paths: Vec<PathBuf> = [root(), root().join("docs")]
        .iter()
        .flat_map(|folder| fs::read_dir(folder).expect("a folder with documents"))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Document {
    let text = fs::read_to_string(path).expect("a document");
    let mut document = Document {
        name: path.strip_prefix(root()).unwrap().display().to_string(),
        path: path.to_path_buf(),
        ..Document::default()
    };
    let sources = Regex::new(r#"(?:src|srcset|href)="([^"]+)""#).unwrap();
    let (mut heading, mut block): (Option<String>, Option<(String, String)>) = (None, None);
    for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                let language = match kind {
                    CodeBlockKind::Fenced(language) => language.to_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                block = Some((language, String::new()));
            }
            Event::End(TagEnd::CodeBlock) => document.blocks.extend(block.take()),
            Event::Start(Tag::Heading { level, .. }) if level != HeadingLevel::H1 => {
                heading = Some(String::new());
            }
            Event::End(TagEnd::Heading(_)) => {
                document
                    .anchors
                    .extend(heading.take().map(|words| anchor(&words)));
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                document.links.push(dest_url.to_string());
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                document.links.extend(
                    sources
                        .captures_iter(&html)
                        .map(|found| found[1].to_string()),
                );
            }
            Event::Text(words) => {
                if let Some((_, content)) = &mut block {
                    content.push_str(&words);
                } else if let Some(title) = &mut heading {
                    title.push_str(&words);
                }
            }
            Event::Code(words) => {
                if let Some(title) = &mut heading {
                    title.push_str(&words);
                }
                document.spans.push(words.to_string());
            }
            _ => {}
        }
    }
    document
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn every_command_exists_or_is_listed_as_unchecked() {
    let facts = Facts::read();
    let (mut used, mut wrong) = (BTreeSet::new(), Vec::new());
    for document in documents() {
        for (language, script) in &document.blocks {
            let known = ["sh", "powershell", "nix", "text", "json"];
            assert!(
                known.contains(&language.as_str()),
                "{}: a code block in unknown language {language:?}",
                document.name
            );
            if language == "sh" {
                match facts.check(script) {
                    Ok(unchecked) => used.extend(unchecked),
                    Err(found) => wrong.push((document.name.clone(), found)),
                }
            }
        }
        for span in &document.spans {
            let command = [
                "cargo xtask ",
                "nix build ",
                "journalctl ",
                "systemctl ",
                "ollamalive ",
            ];
            if command.iter().any(|start| span.starts_with(start))
                && let Err(found) = facts.check(span)
            {
                wrong.push((document.name.clone(), found));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let idle: Vec<_> = UNCHECKED
        .iter()
        .filter(|(name, _)| !used.contains(name))
        .collect();
    assert!(
        idle.is_empty(),
        "listed as unchecked, but used in no document: {idle:?}"
    );
}

#[test]
fn a_command_that_does_not_exist_is_reported() {
    let facts = Facts::read();
    for wrong in [
        "cargo xtask test --gest standin",
        "cargo xtask test no-such-scenario",
        "cargo xtask tset",
        "cd x && nix build .#row",
        "journalctl -u ollama",
        "ssh me@there ollamalive",
        "ollamalive state",
        "ollamalive update --now",
        "ollamalive update --check check",
        "sudo systemctl restart nothing.service",
        "docker exec -it olama ollama list",
        "docker save ollama/ollama:latest -o x.tar",
        "ssh -t me@there sudo docker pull ollama/ollama:latest",
        "cargo test -p xtask --test no-such-file",
        "cargo test -p no-such-package",
        "cargo install --locked cargo-deny",
        "cargo tset",
        "go run github.com/rhysd/actionlint/cmd/actionlint@latest",
        "pipx run --spec zizmor zizmor .",
        "docker run nixos/nix sh -c 'nix build .#row'",
        "rm -rf /",
        "echo 'open",
    ] {
        assert!(facts.check(wrong).is_err(), "{wrong} was accepted");
    }
    assert_eq!(
        facts.check("cargo xtask test ssh --yes # now\nssh me@there && nix build path:.#raw"),
        Ok(vec!["ssh"])
    );
    assert_eq!(
        facts.check(
            "ollamalive status && ollamalive status --json && sudo ollamalive update --check --yes"
        ),
        Ok(vec![])
    );
}

#[test]
fn links_resolve() {
    let documents = documents();
    for document in &documents {
        for link in &document.links {
            if link.contains("://") {
                continue;
            }
            let (file, fragment) = link.split_once('#').unwrap_or((link, ""));
            let path = match file {
                "" => document.path.clone(),
                // Pages of GitHub, two folders above a file on a branch.
                "../../releases" | "../../../releases" | "../../security/advisories/new" => {
                    continue;
                }
                file => document.path.parent().unwrap().join(file),
            };
            assert!(path.exists(), "{}: {link} does not exist", document.name);
            if !fragment.is_empty() {
                let path = path.canonicalize().unwrap();
                let target = documents.iter().find(|other| other.path == path);
                let found = target.is_some_and(|target| target.anchors.contains(fragment));
                assert!(
                    found,
                    "{}: {link} names a heading that does not exist",
                    document.name
                );
            }
        }
    }
}

#[test]
fn every_document_is_linked_from_the_readme() {
    let documents = documents();
    let readme = documents
        .iter()
        .find(|document| document.name == "README.md")
        .unwrap();
    for document in documents
        .iter()
        .filter(|document| document.name != "README.md")
    {
        assert!(
            readme.links.contains(&document.name),
            "README.md does not link to {}",
            document.name
        );
    }
}

/// The sizes in the picture are those that the modules evaluate to.
#[test]
fn the_picture_of_the_stick_shows_the_real_sizes() {
    let image = &snapshot::load_json(&snapshot::folder(&root())).unwrap()["image"];
    let picture = fs::read_to_string(root().join("docs/images/stick.svg")).unwrap();
    for size in ["espBytes", "storeSlotBytes", "persistOffsetBytes"] {
        let size = format!("{} MiB", image[size].as_u64().unwrap() >> 20);
        assert!(picture.contains(&size), "stick.svg does not show {size}");
    }
}

/// Options that documents mention exist.
#[test]
fn options_in_documents_exist() {
    let contract = snapshot::load_json(&snapshot::folder(&root())).unwrap();
    let names: Vec<&str> = contract["options"]
        .as_array()
        .expect("the record has options")
        .iter()
        .map(|option| option["name"].as_str().unwrap())
        .collect();
    let mention = Regex::new(r"ollamalive\.[a-z][A-Za-z.]*[A-Za-z]").unwrap();
    for document in documents() {
        let blocks = document.blocks.iter().map(|(_, content)| content);
        for text in blocks.chain(&document.spans) {
            // A file of that name is not an option.
            for found in mention.find_iter(text).map(|found| found.as_str()) {
                let file = ["raw", "iso", "img"]
                    .iter()
                    .any(|kind| found.starts_with(&format!("ollamalive.{kind}")));
                assert!(
                    file || names.contains(&found),
                    "{}: option {found} does not exist",
                    document.name
                );
            }
        }
    }
}
